// RUN: kvasir-opt %s -verify-diagnostics -split-input-file

// expected-error @below {{weight_c1: expected the stored type to be 'bf16', but got 'f32'}}
llm.weight @w : !llm.weight<8x4xbf16> from <file = "a", offset = 0, stored = tensor<8x4xf32>>

// -----

// expected-error @below {{weight_c2: expected a source of 2 dimensions, but got 'tensor<32xf32>'}}
llm.weight @w : !llm.weight<8x4xf32> from <file = "a", offset = 0, stored = tensor<32xf32>>

// -----

// expected-error @below {{weight_c2: expected a source of 4 columns, but got 5}}
llm.weight @w : !llm.weight<8x4xf32> from <file = "a", offset = 0, stored = tensor<8x5xf32>>

// -----

// expected-error @below {{weight_c2: expected a source of 4 columns, but got 8}}
llm.weight @w : !llm.weight<4x4xf32> from <file = "a", offset = 0, stored = tensor<8x4xf32>, transpose = true>

// -----

// expected-error @below {{weight_c3: expected rows 6 to 14 inside the source's 8}}
llm.weight @w : !llm.weight<8x4xf32> from <file = "a", offset = 0, stored = tensor<8x4xf32>, row = 6>

// -----

llm.weight @w : !llm.weight<8x4xf32> from <file = "a", offset = 0, stored = tensor<8x4xf32>>
func.func @f() {
  // expected-error @below {{get_weight_c1: expected an llm.weight named @other}}
  %0 = llm.get_weight @other : !llm.weight<8x4xf32>
  return
}

// -----

// expected-note @below {{the weight is declared here}}
llm.weight @w : !llm.weight<8x4xf32> from <file = "a", offset = 0, stored = tensor<8x4xf32>>
func.func @f() {
  // expected-error @below {{get_weight_c1: expected type '!llm.weight<8x4xf32>', but got '!llm.weight<4x8xf32>'}}
  %0 = llm.get_weight @w : !llm.weight<4x8xf32>
  return
}

// -----

func.func @f() { return }
func.func @g() {
  // expected-error @below {{get_weight_c1: expected an llm.weight named @f}}
  %0 = llm.get_weight @f : !llm.weight<4x8xf32>
  return
}
