// RUN: kvasir-opt %s -verify-diagnostics -split-input-file

func.func @f(%x: tensor<?x64xf32>, %w: !llm.weight<32x64xf32>) {
  // expected-error @below {{linear_c1: expected one result for each weight, but got 1 weights and 2 results}}
  %0, %1 = llm.linear %x, [%w] : tensor<?x64xf32>, [!llm.weight<32x64xf32>] -> tensor<?x32xf32>, tensor<?x32xf32>
  return
}

// -----

func.func @f(%x: tensor<?x64xf32>) {
  // expected-error @below {{linear_c1: expected one result for each weight, but got 0 weights and 0 results}}
  "llm.linear"(%x) {operandSegmentSizes = array<i32: 1, 0, 0>} : (tensor<?x64xf32>) -> ()
  return
}

// -----

func.func @f(%x: tensor<?x64xf32>, %w: !llm.weight<64x32xf32>) {
  // expected-error @below {{linear_c1: expected a weight of 32x64, but got '!llm.weight<64x32xf32>'}}
  %0 = llm.linear %x, [%w] : tensor<?x64xf32>, [!llm.weight<64x32xf32>] -> tensor<?x32xf32>
  return
}

// -----

func.func @f(%x: tensor<?x1xf32>, %w: !llm.weight<32xf32>) {
  // expected-error @below {{linear_c1: expected a weight of 32x1, but got '!llm.weight<32xf32>'}}
  %0 = llm.linear %x, [%w] : tensor<?x1xf32>, [!llm.weight<32xf32>] -> tensor<?x32xf32>
  return
}

// -----

func.func @f(%x: tensor<?x64xf32>, %w: !llm.weight<32x64xf32>, %b: !llm.weight<32xf32>) {
  // expected-error @below {{linear_c2: expected no biases or one for each weight, but got 1}}
  %0, %1 = llm.linear %x, [%w, %w] bias [%b] : tensor<?x64xf32>, [!llm.weight<32x64xf32>, !llm.weight<32x64xf32>] bias [!llm.weight<32xf32>] -> tensor<?x32xf32>, tensor<?x32xf32>
  return
}

// -----

func.func @f(%x: tensor<?x64xf32>, %w: !llm.weight<32x64xf32>, %b: !llm.weight<64xf32>) {
  // expected-error @below {{linear_c2: expected a bias of 32 values, but got '!llm.weight<64xf32>'}}
  %0 = llm.linear %x, [%w] bias [%b] : tensor<?x64xf32>, [!llm.weight<32x64xf32>] bias [!llm.weight<64xf32>] -> tensor<?x32xf32>
  return
}
