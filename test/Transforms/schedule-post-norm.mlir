// RUN: kvasir-opt %s --kvasir-schedule | FileCheck %s

// A norm after a projection (OLMo 2) needs the whole row: it goes to the next phase. A decode step
// repeats norm and sum there, and publishes the sum, which the residual stream reads later.

// CHECK: step.phase @panels_48x32 kind <panels> {
// CHECK-NEXT: ^bb0({{.*}}, %[[S0:.*]]: !step.buffer<tokens, 32>, %[[S1:.*]]: !step.buffer<tokens, 32>, %[[SUM:.*]]: !step.buffer<tokens, 32>, %[[OUT:.*]]: !step.buffer<tokens, 48>, {{.*}}: !step.counter):
// CHECK: %[[N:.*]] = llm.rms_norm
// CHECK-NEXT: %[[R:.*]] = llm.add %{{.*}}, %[[N]]
// CHECK-NEXT: %[[Y:.*]] = llm.linear %[[R]]
// Homes first, then what is published.
// CHECK-NEXT: step.write %[[N]], %[[S0]]
// CHECK-NEXT: step.write %[[R]], %[[S1]]
// CHECK-NEXT: step.write %[[R]], %[[SUM]]
// CHECK-NEXT: step.write %[[Y]], %[[OUT]]
// CHECK-LABEL: step.program @decode
// CHECK: step.run @panels_32x32(
// CHECK: step.run @panels_48x32(
// CHECK: step.run @panels_32x48(

// A prefill step has a phase of rows for them.
// CHECK-LABEL: step.program @prefill
// CHECK: step.run @panels_32x32(
// CHECK: step.run @rows_add(
// CHECK: step.run @panels_48x32_1(
// CHECK: step.run @panels_32x48(

llm.weight @table : !llm.weight<96x32xf32> from <file = "m", offset = 0, stored = tensor<96x32xf32>>
llm.weight @o : !llm.weight<32x32xf32> from <file = "m", offset = 0, stored = tensor<32x32xf32>>
llm.weight @norm : !llm.weight<32xf32> from <file = "m", offset = 0, stored = tensor<32xf32>>
llm.weight @up : !llm.weight<48x32xf32> from <file = "m", offset = 0, stored = tensor<48x32xf32>>
llm.weight @down : !llm.weight<32x48xf32> from <file = "m", offset = 0, stored = tensor<32x48xf32>>

func.func @step(%ids: tensor<?xi32>, %positions: tensor<?xi32>, %totals: tensor<?xi32>, %rows: tensor<?xi32>) -> tensor<?x32xf32> {
  %t = llm.get_weight @table : !llm.weight<96x32xf32>
  %x = llm.embedding %ids, %t : (tensor<?xi32>, !llm.weight<96x32xf32>) -> tensor<?x32xf32>
  %wo = llm.get_weight @o : !llm.weight<32x32xf32>
  %o = llm.linear %x, [%wo] : tensor<?x32xf32>, [!llm.weight<32x32xf32>] -> tensor<?x32xf32>
  %wn = llm.get_weight @norm : !llm.weight<32xf32>
  %n = llm.rms_norm %o, %wn {epsilon = 1.0e-05 : f32, group = 32 : i64} : tensor<?x32xf32>, !llm.weight<32xf32>
  %r = llm.add %x, %n : tensor<?x32xf32>
  %wu = llm.get_weight @up : !llm.weight<48x32xf32>
  %u = llm.linear %r, [%wu] : tensor<?x32xf32>, [!llm.weight<48x32xf32>] -> tensor<?x48xf32>
  %wd = llm.get_weight @down : !llm.weight<32x48xf32>
  %d = llm.linear %u, [%wd] : tensor<?x48xf32>, [!llm.weight<32x48xf32>] -> tensor<?x32xf32>
  %z = llm.add %r, %d : tensor<?x32xf32>
  %s = llm.select_rows %z, %rows : tensor<?x32xf32>, tensor<?xi32>
  return %s : tensor<?x32xf32>
}
