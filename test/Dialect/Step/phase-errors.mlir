// RUN: kvasir-opt %s -verify-diagnostics -split-input-file

// expected-error @below {{phase_c1: expected argument 0 to be read or written, but got both}}
step.phase @p kind <rows> {
^bb0(%x: !step.buffer<tokens, 64>):
  %0 = step.read %x : !step.buffer<tokens, 64> -> tensor<?x64xf32>
  step.write %0, %x : tensor<?x64xf32>, !step.buffer<tokens, 64>
}

// -----

// expected-error @below {{phase_c2: expected a buffer, weight, cache or counter, but got 'i32'}}
step.phase @p kind <rows> {
^bb0(%x: i32):
}

// -----

// A cache has no place before kv-layout.
// expected-error @below {{phase_c2: expected a buffer, weight, cache or counter, but got '!kv.cache<2x16>'}}
step.phase @p kind <attend> {
^bb0(%x: !kv.cache<2x16>):
}

// -----

// expected-error @below {{phase_c3: expected only ops of a phase of kind rows}}
step.phase @p kind <rows> {
^bb0(%x: !step.buffer<tokens, 64>, %w: !llm.weight<8x64xf32>):
  %0 = step.read %x : !step.buffer<tokens, 64> -> tensor<?x64xf32>
  // expected-note @below {{but got llm.linear}}
  %1 = llm.linear %0, [%w] : tensor<?x64xf32>, [!llm.weight<8x64xf32>] -> tensor<?x8xf32>
}

// -----

// expected-error @below {{phase_c3: expected only ops of a phase of kind attend}}
step.phase @p kind <attend> {
^bb0(%x: !step.buffer<tokens, 64>):
  %0 = step.read %x : !step.buffer<tokens, 64> -> tensor<?x64xf32>
  // expected-note @below {{but got llm.scale}}
  %1 = llm.scale %0 {factor = 2.0 : f32} : tensor<?x64xf32>
}

// -----

// expected-error @below {{phase_c3: expected only ops of a phase of kind serial}}
step.phase @p kind <serial> {
  // expected-note @below {{but got arith.constant}}
  %0 = arith.constant 0 : i32
}

// -----

// expected-error @below {{phase_c3: expected one anchor, but got 0}}
step.phase @p kind <panels> {
^bb0(%x: !step.buffer<tokens, 64>):
}

// -----

// expected-error @below {{phase_c3: expected one anchor, but got 2}}
step.phase @p kind <panels> {
^bb0(%x: !step.buffer<tokens, 64>, %w: !llm.weight<8x64xf32>):
  %0 = step.read %x : !step.buffer<tokens, 64> -> tensor<?x64xf32>
  %1 = llm.linear %0, [%w] : tensor<?x64xf32>, [!llm.weight<8x64xf32>] -> tensor<?x8xf32>
  %2 = llm.linear %0, [%w] : tensor<?x64xf32>, [!llm.weight<8x64xf32>] -> tensor<?x8xf32>
}

// -----

step.phase @p kind <rows> {
^bb0(%x: !step.buffer<tokens, 64>):
  // expected-error @below {{read_c1: expected a value of 64 columns, but got 'tensor<?x32xf32>'}}
  %0 = step.read %x : !step.buffer<tokens, 64> -> tensor<?x32xf32>
}

// -----

step.phase @p kind <rows> {
^bb0(%x: !step.buffer<tokens, 64>, %y: !step.buffer<tokens, 65>):
  %0 = step.read %x : !step.buffer<tokens, 64> -> tensor<?x64xf32>
  // expected-error @below {{write_c1: expected a value of 65 columns, but got 'tensor<?x64xf32>'}}
  step.write %0, %y : tensor<?x64xf32>, !step.buffer<tokens, 65>
}

// -----

func.func @f() {
  // expected-error @below {{expects parent op 'step.phase'}}
  %0 = step.input <ids> : tensor<?xi32>
  return
}

// -----

step.phase @p kind <rows> {
^bb0(%x: !step.buffer<tokens, 64>):
  %0 = step.read %x : !step.buffer<tokens, 64> -> tensor<?x64xf32>
  // expected-error @below {{phase_c4: expected the value to be put into a buffer}}
  %1 = llm.scale %0 {factor = 2.0 : f32} : tensor<?x64xf32>
}

// -----

step.phase @p kind <panels> {
^bb0(%x: !step.buffer<tokens, 64>, %w: !llm.weight<8x64xf32>, %y: !step.buffer<tokens, 8>):
  %0 = step.read %x : !step.buffer<tokens, 64> -> tensor<?x64xf32>
  // expected-error @below {{phase_c4: expected the value to be put into a buffer}}
  %1 = llm.scale %0 {factor = 2.0 : f32} : tensor<?x64xf32>
  %2 = llm.linear %1, [%w] : tensor<?x64xf32>, [!llm.weight<8x64xf32>] -> tensor<?x8xf32>
  step.write %2, %y : tensor<?x8xf32>, !step.buffer<tokens, 8>
}

// -----

step.phase @p kind <serial> {
^bb0(%x: !step.buffer<tokens, 64>, %w: !llm.weight<8x64xf32>, %y: !step.buffer<tokens, 8>):
  %0 = step.read %x : !step.buffer<tokens, 64> -> tensor<?x64xf32>
  // expected-error @below {{phase_c4: expected the value to be put into a buffer}}
  %1:2 = llm.linear %0, [%w, %w] : tensor<?x64xf32>, [!llm.weight<8x64xf32>, !llm.weight<8x64xf32>] -> tensor<?x8xf32>, tensor<?x8xf32>
  step.write %1#0, %y : tensor<?x8xf32>, !step.buffer<tokens, 8>
}

// -----

step.phase @p kind <panels> {
^bb0(%x: !step.buffer<tokens, 64>, %w: !llm.weight<64x64xf32>, %n: !llm.weight<64xf32>, %out: !step.buffer<tokens, 64>):
  %0 = step.read %x : !step.buffer<tokens, 64> -> tensor<?x64xf32>
  %1 = llm.linear %0, [%w] : tensor<?x64xf32>, [!llm.weight<64x64xf32>] -> tensor<?x64xf32>
  // A norm needs the whole row, which other workers are still computing.
  // expected-error @below {{phase_c5: expected an elementwise op on results of the linear layer}}
  %2 = llm.rms_norm %1, %n {epsilon = 1.0e-05 : f32, group = 64 : i64} : tensor<?x64xf32>, !llm.weight<64xf32>
  step.write %2, %out : tensor<?x64xf32>, !step.buffer<tokens, 64>
}

// -----

step.phase @p kind <panels> {
^bb0(%x: !step.buffer<tokens, 64>, %w: !llm.weight<8x64xf32>, %out: !step.buffer<tokens, 64>):
  %0 = step.read %x : !step.buffer<tokens, 64> -> tensor<?x64xf32>
  %1 = llm.linear %0, [%w] : tensor<?x64xf32>, [!llm.weight<8x64xf32>] -> tensor<?x8xf32>
  // Nobody owns panels of it.
  // expected-error @below {{phase_c5: expected an elementwise op on results of the linear layer}}
  %2 = llm.add %0, %0 : tensor<?x64xf32>
  step.write %2, %out : tensor<?x64xf32>, !step.buffer<tokens, 64>
}

// -----

// expected-error @below {{phase_c6: expected attention to have one counter, but got 0}}
step.phase @p kind <attend> {
^bb0(%q: !step.buffer<tokens, 64>, %c: !kv.paged<2x16xbf16>, %out: !step.buffer<tokens, 64>):
  %0 = step.read %q : !step.buffer<tokens, 64> -> tensor<?x64xf32>
  %1 = kv.attend %c, %0 {heads = 4 : i64, scale = 0.25 : f32} : !kv.paged<2x16xbf16>, tensor<?x64xf32>
  step.write %1, %out : tensor<?x64xf32>, !step.buffer<tokens, 64>
}

// -----

llm.weight @t : !llm.weight<8xf32> from <file = "m", offset = 0, stored = tensor<8xf32>>
// Symbols are the program's business.
// expected-error @below {{phase_c3: expected only ops of a phase of kind serial}}
step.phase @p kind <serial> {
  // expected-note @below {{but got llm.get_weight}}
  %0 = llm.get_weight @t : !llm.weight<8xf32>
}

// -----

// expected-error @below {{phase_c3: expected kv.attend_partitions with kv.merge_partitions of its result, or neither}}
step.phase @p kind <attend> {
^bb0(%c: !kv.paged<2x16xbf16>, %q: !step.buffer<tokens, 64>, %parts: !step.buffer<tokens, 144>, %n: !step.counter):
  %0 = step.read %q : !step.buffer<tokens, 64> -> tensor<?x64xf32>
  %1 = kv.attend_partitions %c, %0 {heads = 4 : i64, partitions = 2 : i64, scale = 0.25 : f32} : !kv.paged<2x16xbf16>, tensor<?x64xf32>, tensor<?x144xf32>
  step.write %1, %parts : tensor<?x144xf32>, !step.buffer<tokens, 144>
}

// -----

// expected-error @below {{phase_c3: expected kv.attend_partitions with kv.merge_partitions of its result, or neither}}
step.phase @p kind <attend> {
^bb0(%c: !kv.paged<2x16xbf16>, %q: !step.buffer<tokens, 64>, %in: !step.buffer<tokens, 144>, %parts: !step.buffer<tokens, 144>, %out: !step.buffer<tokens, 64>, %n: !step.counter):
  %t = step.input <positions> : tensor<?xi32>
  %0 = step.read %q : !step.buffer<tokens, 64> -> tensor<?x64xf32>
  %1 = step.read %in : !step.buffer<tokens, 144> -> tensor<?x144xf32>
  %2 = kv.attend_partitions %c, %0 {heads = 4 : i64, partitions = 2 : i64, scale = 0.25 : f32} : !kv.paged<2x16xbf16>, tensor<?x64xf32>, tensor<?x144xf32>
  %3 = kv.merge_partitions %1, %t {heads = 4 : i64, partitions = 2 : i64, window = 0 : i64} : tensor<?x144xf32>, tensor<?xi32>, tensor<?x64xf32>
  step.write %2, %parts : tensor<?x144xf32>, !step.buffer<tokens, 144>
  step.write %3, %out : tensor<?x64xf32>, !step.buffer<tokens, 64>
}
