// RUN: kvasir-opt %s --kvasir-fuse-attention | FileCheck %s

llm.weight @a : !llm.weight<64x64xbf16> from <file = "m", offset = 0, stored = tensor<64x64xbf16>>
llm.weight @b : !llm.weight<32x64xf16> from <file = "m", offset = 0, stored = tensor<32x64xf16>>
llm.weight @bias : !llm.weight<32xf16> from <file = "m", offset = 0, stored = tensor<32xf16>>

// Weights of later linears move up; the results stay in order.
// CHECK-LABEL: func @together(
// CHECK-SAME: %[[X:.*]]: tensor<?x64xf32>)
func.func @together(%x: tensor<?x64xf32>) -> (tensor<?x64xf32>, tensor<?x32xf32>) {
  // CHECK-DAG: %[[A:.*]] = llm.get_weight @a
  // CHECK-DAG: %[[B:.*]] = llm.get_weight @b
  // CHECK: %[[Y:.*]]:2 = llm.linear %[[X]], [%[[A]], %[[B]]] : tensor<?x64xf32>, [!llm.weight<64x64xbf16>, !llm.weight<32x64xf16>] -> tensor<?x64xf32>, tensor<?x32xf32>
  // CHECK-NOT: llm.linear
  %a = llm.get_weight @a : !llm.weight<64x64xbf16>
  %0 = llm.linear %x, [%a] : tensor<?x64xf32>, [!llm.weight<64x64xbf16>] -> tensor<?x64xf32>
  // CHECK: %[[S:.*]] = llm.scale %[[Y]]#0
  %1 = llm.scale %0 {factor = 2.0 : f32} : tensor<?x64xf32>
  %b = llm.get_weight @b : !llm.weight<32x64xf16>
  %2 = llm.linear %x, [%b] : tensor<?x64xf32>, [!llm.weight<32x64xf16>] -> tensor<?x32xf32>
  // CHECK: return %[[S]], %[[Y]]#1
  return %1, %2 : tensor<?x64xf32>, tensor<?x32xf32>
}

// With biases and without are two ops.
// CHECK-LABEL: func @biases(
// CHECK-SAME: %[[X:.*]]: tensor<?x64xf32>)
func.func @biases(%x: tensor<?x64xf32>) -> (tensor<?x32xf32>, tensor<?x32xf32>, tensor<?x32xf32>) {
  %b = llm.get_weight @b : !llm.weight<32x64xf16>
  // CHECK: %[[Y:.*]]:2 = llm.linear %[[X]], [%{{.*}}, %{{.*}}] bias[%{{.*}}, %{{.*}}]
  // CHECK: %[[Z:.*]] = llm.linear %[[X]], [%{{.*}}] :
  %bias = llm.get_weight @bias : !llm.weight<32xf16>
  %0 = llm.linear %x, [%b] bias [%bias] : tensor<?x64xf32>, [!llm.weight<32x64xf16>] bias [!llm.weight<32xf16>] -> tensor<?x32xf32>
  %1 = llm.linear %x, [%b] : tensor<?x64xf32>, [!llm.weight<32x64xf16>] -> tensor<?x32xf32>
  %other = llm.get_weight @bias : !llm.weight<32xf16>
  %2 = llm.linear %x, [%b] bias [%other] : tensor<?x64xf32>, [!llm.weight<32x64xf16>] bias [!llm.weight<32xf16>] -> tensor<?x32xf32>
  // CHECK: return %[[Y]]#0, %[[Z]], %[[Y]]#1
  return %0, %1, %2 : tensor<?x32xf32>, tensor<?x32xf32>, tensor<?x32xf32>
}

// Another input: another op.
// CHECK-LABEL: func @apart(
func.func @apart(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %a = llm.get_weight @a : !llm.weight<64x64xbf16>
  // CHECK: %[[Y:.*]] = llm.linear %{{.*}}, [%{{.*}}] :
  // CHECK: llm.linear %[[Y]], [%{{.*}}] :
  %0 = llm.linear %x, [%a] : tensor<?x64xf32>, [!llm.weight<64x64xbf16>] -> tensor<?x64xf32>
  %1 = llm.linear %0, [%a] : tensor<?x64xf32>, [!llm.weight<64x64xbf16>] -> tensor<?x64xf32>
  return %1 : tensor<?x64xf32>
}
