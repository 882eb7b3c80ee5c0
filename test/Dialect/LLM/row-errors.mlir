// RUN: kvasir-opt %s -verify-diagnostics -split-input-file

func.func @f(%ids: tensor<?xi32>, %table: !llm.weight<256x64xf32>) {
  // expected-error @below {{embedding_c1: expected a table of 32 columns, but got '!llm.weight<256x64xf32>'}}
  %0 = llm.embedding %ids, %table : (tensor<?xi32>, !llm.weight<256x64xf32>) -> tensor<?x32xf32>
  return
}

// -----

func.func @f(%ids: tensor<?xi32>, %table: !llm.weight<64xf32>) {
  // expected-error @below {{embedding_c1}}
  %0 = llm.embedding %ids, %table : (tensor<?xi32>, !llm.weight<64xf32>) -> tensor<?x1xf32>
  return
}

// -----

func.func @f(%x: tensor<?x64xf32>, %w: !llm.weight<48xf32>) {
  // expected-error @below {{rms_norm_c1: expected a group that divides 64, but got 48}}
  %0 = llm.rms_norm %x, %w {epsilon = 0.1 : f32, group = 48 : i64} : tensor<?x64xf32>, !llm.weight<48xf32>
  return
}

// -----

func.func @f(%x: tensor<?x64xf32>, %w: !llm.weight<48xf32>) {
  // expected-error @below {{rms_norm_c1: expected a group that divides 64, but got 0}}
  %0 = llm.rms_norm %x, %w {epsilon = 0.1 : f32, group = 0 : i64} : tensor<?x64xf32>, !llm.weight<48xf32>
  return
}

// -----

func.func @f(%x: tensor<?x64xf32>, %w: !llm.weight<64xf32>) {
  // expected-error @below {{rms_norm_c2: expected a weight of 16 values, but got '!llm.weight<64xf32>'}}
  %0 = llm.rms_norm %x, %w {epsilon = 0.1 : f32, group = 16 : i64} : tensor<?x64xf32>, !llm.weight<64xf32>
  return
}

// -----

func.func @f(%x: tensor<?x64xf32>, %w: !llm.weight<64xf32>, %b: !llm.weight<32xf32>) {
  // expected-error @below {{layer_norm_c1: expected weight and bias of 64 values}}
  %0 = llm.layer_norm %x, %w, %b {epsilon = 0.1 : f32} : tensor<?x64xf32>, !llm.weight<64xf32>, !llm.weight<32xf32>
  return
}

// -----

func.func @f(%x: tensor<?x64xf32>, %w: !llm.weight<64x1xf32>) {
  // expected-error @below {{layer_norm_c1: expected weight and bias of 64 values}}
  %0 = llm.layer_norm %x, %w {epsilon = 0.1 : f32} : tensor<?x64xf32>, !llm.weight<64x1xf32>
  return
}

// -----

// How many features a row has is known when compiling.
func.func @f(%x: tensor<?x?xf32>) {
  // expected-error @below {{must be tensor<?xNxf32> with N from 1 to 2^31 - 1, but got 'tensor<?x?xf32>'}}
  %0 = llm.scale %x {factor = 2.0 : f32} : tensor<?x?xf32>
  return
}

// -----

// How many rows there are is not.
func.func @f(%x: tensor<8x64xf32>) {
  // expected-error @below {{must be tensor<?xNxf32> with N from 1 to 2^31 - 1, but got 'tensor<8x64xf32>'}}
  %0 = llm.scale %x {factor = 2.0 : f32} : tensor<8x64xf32>
  return
}

// -----

func.func @f(%x: tensor<?x64xbf16>) {
  // expected-error @below {{must be tensor<?xNxf32>}}
  %0 = llm.activation <silu> %x : tensor<?x64xbf16>
  return
}

// -----

func.func @f(%x: tensor<?x64xf32>, %y: tensor<?x32xf32>) {
  // expected-error @below {{requires the same type for all operands and results}}
  %0 = "llm.add"(%x, %y) : (tensor<?x64xf32>, tensor<?x32xf32>) -> tensor<?x64xf32>
  return
}

// -----

func.func @f(%x: tensor<?x64xf32>) {
  // expected-error @below {{expected ::kvasir::llm::ActivationKind to be one of: silu, gelu, gelu_tanh, relu}}
  // expected-error @below {{failed to parse}}
  %0 = llm.activation <swish> %x : tensor<?x64xf32>
  return
}

// -----

func.func @f(%x: tensor<?x64xf32>) {
  // expected-error @below {{argmax_c1: expected rows of at least 65 features, but got 64}}
  %0 = llm.argmax %x {count = 65 : i64} : tensor<?x64xf32>, tensor<?xi32>
  return
}
