// RUN: kvasir-opt %s --kvasir-schedule | FileCheck %s

// Elementwise ops on results of a linear layer stay in its phase and are done on panels; only what
// later phases read is written.

// CHECK: step.phase @panels_48x32_48x32 kind <panels> {
// CHECK: %[[Y:.*]]:2 = llm.linear
// CHECK-NEXT: %[[H:.*]] = llm.gated_act <silu> %[[Y]]#0, %[[Y]]#1
// CHECK-NEXT: step.write %[[H]],
// CHECK-NEXT: }

// The residual sum goes to another buffer: no buffer is read and written in one phase.
// CHECK: step.phase @panels_32x48 kind <panels> {
// CHECK: %[[D:.*]] = llm.linear
// CHECK-NEXT: %[[R:.*]] = llm.add %{{.*}}, %[[D]]
// CHECK-NEXT: step.write %[[R]],
// CHECK-NEXT: }

// CHECK-LABEL: step.program @decode
// CHECK: step.run @rows_embedding(%{{.*}}, %[[X:.*]]) layer
// CHECK: step.run @panels_48x32_48x32(%[[X]], %{{.*}}, %{{.*}}, %[[G:.*]], %{{.*}}) layer
// CHECK: %[[OUT:.*]] = step.buffer "b2" slot 2 : !step.buffer<tokens, 32>
// CHECK: step.run @panels_32x48(%[[G]], %{{.*}}, %[[X]], %[[OUT]], %{{.*}}) layer

llm.weight @table : !llm.weight<96x32xf32> from <file = "m", offset = 0, stored = tensor<96x32xf32>>
llm.weight @gate : !llm.weight<48x32xf32> from <file = "m", offset = 0, stored = tensor<48x32xf32>>
llm.weight @up : !llm.weight<48x32xf32> from <file = "m", offset = 0, stored = tensor<48x32xf32>>
llm.weight @down : !llm.weight<32x48xf32> from <file = "m", offset = 0, stored = tensor<32x48xf32>>

func.func @step(%ids: tensor<?xi32>, %positions: tensor<?xi32>, %totals: tensor<?xi32>, %rows: tensor<?xi32>) -> tensor<?x32xf32> {
  %t = llm.get_weight @table : !llm.weight<96x32xf32>
  %x = llm.embedding %ids, %t : (tensor<?xi32>, !llm.weight<96x32xf32>) -> tensor<?x32xf32>
  %wg = llm.get_weight @gate : !llm.weight<48x32xf32>
  %wu = llm.get_weight @up : !llm.weight<48x32xf32>
  %g, %u = llm.linear %x, [%wg, %wu] : tensor<?x32xf32>, [!llm.weight<48x32xf32>, !llm.weight<48x32xf32>] -> tensor<?x48xf32>, tensor<?x48xf32>
  %h = llm.gated_act <silu> %g, %u : tensor<?x48xf32>
  %wd = llm.get_weight @down : !llm.weight<32x48xf32>
  %d = llm.linear %h, [%wd] : tensor<?x48xf32>, [!llm.weight<32x48xf32>] -> tensor<?x32xf32>
  %z = llm.add %x, %d : tensor<?x32xf32>
  %s = llm.select_rows %z, %rows : tensor<?x32xf32>, tensor<?xi32>
  return %s : tensor<?x32xf32>
}
