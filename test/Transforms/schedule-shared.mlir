// RUN: kvasir-opt %s --kvasir-schedule | FileCheck %s

// Phases that differ only in their operands are one function, in both programs.

// CHECK: step.phase @panels_32x32 kind
// CHECK: step.phase @panels_32x32_1 kind
// CHECK-NOT: step.phase @panels
// CHECK-LABEL: step.program @decode
// CHECK: %[[W0:.*]] = llm.get_weight @layers.0.w
// CHECK: step.run @panels_32x32(%[[X0:.*]], %[[W0]], %[[X1:.*]], %{{.*}}) layer 0
// CHECK: %[[W1:.*]] = llm.get_weight @layers.1.w
// CHECK: step.run @panels_32x32(%[[X1]], %[[W1]], %[[X2:.*]], %{{.*}}) layer 1
// CHECK: %[[W2:.*]] = llm.get_weight @layers.2.w
// CHECK: step.run @panels_32x32(%[[X2]], %[[W2]], %{{.*}}) layer 2
// The scale is not an operand: another function.
// CHECK: step.run @panels_32x32_1(
// CHECK-NOT: step.phase
// CHECK-LABEL: step.program @prefill
// CHECK-COUNT-3: step.run @panels_32x32(
// CHECK: step.run @panels_32x32_1(

llm.weight @table : !llm.weight<96x32xf32> from <file = "m", offset = 0, stored = tensor<96x32xf32>>
llm.weight @layers.0.w : !llm.weight<32x32xf32> from <file = "m", offset = 0, stored = tensor<32x32xf32>>
llm.weight @layers.1.w : !llm.weight<32x32xf32> from <file = "m", offset = 0, stored = tensor<32x32xf32>>
llm.weight @layers.2.w : !llm.weight<32x32xf32> from <file = "m", offset = 0, stored = tensor<32x32xf32>>
llm.weight @layers.3.w : !llm.weight<32x32xf32> from <file = "m", offset = 0, stored = tensor<32x32xf32>>

func.func @step(%ids: tensor<?xi32>, %positions: tensor<?xi32>, %totals: tensor<?xi32>, %rows: tensor<?xi32>) -> tensor<?x32xf32> {
  %t = llm.get_weight @table : !llm.weight<96x32xf32>
  %x = llm.embedding %ids, %t : (tensor<?xi32>, !llm.weight<96x32xf32>) -> tensor<?x32xf32>
  %w0 = llm.get_weight @layers.0.w : !llm.weight<32x32xf32>
  %y0 = llm.linear %x, [%w0] : tensor<?x32xf32>, [!llm.weight<32x32xf32>] -> tensor<?x32xf32>
  %x1 = llm.add %x, %y0 : tensor<?x32xf32>
  %w1 = llm.get_weight @layers.1.w : !llm.weight<32x32xf32>
  %y1 = llm.linear %x1, [%w1] : tensor<?x32xf32>, [!llm.weight<32x32xf32>] -> tensor<?x32xf32>
  %x2 = llm.add %x1, %y1 : tensor<?x32xf32>
  %w2 = llm.get_weight @layers.2.w : !llm.weight<32x32xf32>
  %y2 = llm.linear %x2, [%w2] : tensor<?x32xf32>, [!llm.weight<32x32xf32>] -> tensor<?x32xf32>
  %x3 = llm.add %x2, %y2 : tensor<?x32xf32>
  %w3 = llm.get_weight @layers.3.w : !llm.weight<32x32xf32>
  %y3 = llm.linear %x3, [%w3] : tensor<?x32xf32>, [!llm.weight<32x32xf32>] -> tensor<?x32xf32>
  %x4 = llm.add %x3, %y3 {scale = 0.5 : f32} : tensor<?x32xf32>
  %s = llm.select_rows %x4, %rows : tensor<?x32xf32>, tensor<?xi32>
  return %s : tensor<?x32xf32>
}
