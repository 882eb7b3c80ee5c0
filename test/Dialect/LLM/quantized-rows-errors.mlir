// RUN: kvasir-opt %s -verify-diagnostics -split-input-file

func.func @f(%x: tensor<?x64xi8, #llm.int8_rows<group = 32, sums = 32, factor = 8>>, %w: !llm.weight<32x64xbf16>) {
  // expected-error @below {{linear_c3: expected weights encoded as integers, but got '!llm.weight<32x64xbf16>'}}
  %0 = llm.linear %x, [%w] : tensor<?x64xi8, #llm.int8_rows<group = 32, sums = 32, factor = 8>>, [!llm.weight<32x64xbf16>] -> tensor<?x32xf32>
  return
}

// -----

func.func @f(%x: tensor<?x64xi8, #llm.int8_rows<group = 32, sums = 32, factor = 8>>, %w: !llm.weight<32x64x!llm.encoded<"fp8-e4m3">>) {
  // expected-error @below {{linear_c3: expected weights encoded as integers, but got '!llm.weight<32x64x!llm.encoded<"fp8-e4m3">>'}}
  %0 = llm.linear %x, [%w] : tensor<?x64xi8, #llm.int8_rows<group = 32, sums = 32, factor = 8>>, [!llm.weight<32x64x!llm.encoded<"fp8-e4m3">>] -> tensor<?x32xf32>
  return
}

// -----

func.func @f(%x: tensor<?x64xi8, #llm.int8_rows<group = 64, sums = 64, factor = 8>>, %w: !llm.weight<32x64x!llm.encoded<"int4-g32">>) {
  // expected-error @below {{linear_c3: expected groups that are multiples of 64 columns, but got '!llm.weight<32x64x!llm.encoded<"int4-g32">>'}}
  %0 = llm.linear %x, [%w] : tensor<?x64xi8, #llm.int8_rows<group = 64, sums = 64, factor = 8>>, [!llm.weight<32x64x!llm.encoded<"int4-g32">>] -> tensor<?x32xf32>
  return
}

// -----

func.func @f(%x: tensor<?x64xi8, #llm.int8_rows<group = 32, sums = 32, factor = 16>>, %w: !llm.weight<32x64x!llm.encoded<"int4-g32">>) {
  // expected-error @below {{linear_c3: expected sums with a factor that divides 8, but got 16}}
  %0 = llm.linear %x, [%w] : tensor<?x64xi8, #llm.int8_rows<group = 32, sums = 32, factor = 16>>, [!llm.weight<32x64x!llm.encoded<"int4-g32">>] -> tensor<?x32xf32>
  return
}

// -----

func.func @f(%x: tensor<?x64xi8, #llm.int8_rows<group = 32, sums = 32, factor = 8>>, %w: !llm.weight<32x64x!llm.encoded<"int4-g32-asym">>) {
  // expected-error @below {{linear_c3: expected sums with a factor that divides 1, but got 8}}
  %0 = llm.linear %x, [%w] : tensor<?x64xi8, #llm.int8_rows<group = 32, sums = 32, factor = 8>>, [!llm.weight<32x64x!llm.encoded<"int4-g32-asym">>] -> tensor<?x32xf32>
  return
}

// -----

func.func @f(%x: tensor<?x64xf32>) {
  // expected-error @below {{quantize_rows_c1: expected a result of 64 columns, but got 32}}
  %0 = llm.quantize_rows %x : tensor<?x64xf32> -> tensor<?x32xi8, #llm.int8_rows<group = 32, sums = 32, factor = 8>>
  return
}

// -----

func.func @f(%x: tensor<?x64xf32>) {
  // expected-error @below {{result #0 must be tensor<?xNxi8, #llm.int8_rows<...>>, but got 'tensor<?x64xi8>'}}
  %0 = llm.quantize_rows %x : tensor<?x64xf32> -> tensor<?x64xi8>
  return
}

// -----

func.func @f(%x: tensor<?x64xi8>, %w: !llm.weight<32x64x!llm.encoded<"int8">>) {
  // expected-error @below {{operand #0 must be}}
  %0 = llm.linear %x, [%w] : tensor<?x64xi8>, [!llm.weight<32x64x!llm.encoded<"int8">>] -> tensor<?x32xf32>
  return
}

// -----

// expected-error @below {{expected a group of 32, 64, 128 or 256 columns, but got 48}}
func.func private @f(tensor<?x64xi8, #llm.int8_rows<group = 48, sums = 16, factor = 1>>)

// -----

// expected-error @below {{expected a group of 32, 64, 128 or 256 columns, but got 16}}
func.func private @f(tensor<?x64xi8, #llm.int8_rows<group = 16, sums = 16, factor = 1>>)

// -----

// expected-error @below {{expected a group of 32, 64, 128 or 256 columns, but got 512}}
func.func private @f(tensor<?x64xi8, #llm.int8_rows<group = 512, sums = 16, factor = 1>>)

// -----

// expected-error @below {{expected sums of 16 columns or more that divide the group of 32, but got 64}}
func.func private @f(tensor<?x64xi8, #llm.int8_rows<group = 32, sums = 64, factor = 1>>)

// -----

// expected-error @below {{expected sums of 16 columns or more that divide the group of 32, but got 8}}
func.func private @f(tensor<?x64xi8, #llm.int8_rows<group = 32, sums = 8, factor = 1>>)

// -----

// expected-error @below {{expected sums of 16 columns or more that divide the group of 32, but got 0}}
func.func private @f(tensor<?x64xi8, #llm.int8_rows<group = 32, sums = 0, factor = 1>>)

// -----

// expected-error @below {{expected a factor that is a power of two up to 256, but got 3}}
func.func private @f(tensor<?x64xi8, #llm.int8_rows<group = 32, sums = 32, factor = 3>>)

// -----

// expected-error @below {{expected a factor that is a power of two up to 256, but got 0}}
func.func private @f(tensor<?x64xi8, #llm.int8_rows<group = 32, sums = 32, factor = 0>>)

// -----

// expected-error @below {{expected a group of 32, 64, 128 or 256 columns, but got -32}}
func.func private @f(tensor<?x64xi8, #llm.int8_rows<group = -32, sums = 32, factor = 1>>)

// -----

// expected-error @below {{expected a group of 32, 64, 128 or 256 columns, but got 33}}
// expected-error @below {{failed to parse Step_BufferType parameter 'quantized'}}
func.func private @f(!step.buffer<tokens, 64, <group = 33, sums = 16, factor = 1>>)

// -----

// expected-error @below {{expected columns from 1 to 2^31 - 1, but got 0}}
func.func private @f(!step.buffer<tokens, 0, <group = 32, sums = 16, factor = 1>>)

// -----

// expected-error-re @below {{expected an encoding (int8, {{.*}}), but got 'int5'}}
func.func private @f(!llm.weight<32x64x!llm.encoded<"int5">>)

// -----

// expected-error @below {{expected the encoding's own name 'int4-g32', but got 'q4_0'}}
func.func private @f(!llm.weight<32x64x!llm.encoded<"q4_0">>)

// -----

// expected-error @below {{encoded ones of a matrix}}
func.func private @f(!llm.weight<64x!llm.encoded<"int8">>)

// -----

step.phase @p kind <rows> {
^bb0(%x: !step.buffer<tokens, 64, <group = 32, sums = 32, factor = 8>>, %out: !step.buffer<tokens, 64>):
  // expected-error @below {{read_c1: expected a value quantized as}}
  %0 = step.read %x : !step.buffer<tokens, 64, <group = 32, sums = 32, factor = 8>> -> tensor<?x64xf32>
  %1 = llm.scale %0 {factor = 2.0 : f32} : tensor<?x64xf32>
  step.write %1, %out : tensor<?x64xf32>, !step.buffer<tokens, 64>
}

// -----

step.phase @p kind <rows> {
^bb0(%x: !step.buffer<tokens, 64>, %q: !step.buffer<tokens, 64, <group = 64, sums = 32, factor = 8>>):
  %0 = step.read %x : !step.buffer<tokens, 64> -> tensor<?x64xf32>
  %1 = llm.quantize_rows %0 : tensor<?x64xf32> -> tensor<?x64xi8, #llm.int8_rows<group = 32, sums = 32, factor = 8>>
  // expected-error @below {{write_c1: expected a value quantized as '!step.buffer<tokens, 64, <group = 64, sums = 32, factor = 8>>', but got 'tensor<?x64xi8, #llm.int8_rows<group = 32, sums = 32, factor = 8>>'}}
  step.write %1, %q : tensor<?x64xi8, #llm.int8_rows<group = 32, sums = 32, factor = 8>>, !step.buffer<tokens, 64, <group = 64, sums = 32, factor = 8>>
}
