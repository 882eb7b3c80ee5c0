// RUN: kvasir-opt %s --kvasir-schedule | FileCheck %s

// A norm before a linear layer: every worker of a decode step repeats it, into scratch; a prefill
// step divides it among workers first, in a phase of its own.

// CHECK: step.phase @panels_48x32 kind <panels> {
// CHECK-NEXT: ^bb0(%[[IN:.*]]: !step.buffer<tokens, 32>, %{{.*}}: !llm.weight<32xf32>, %{{.*}}: !llm.weight<48x32xf32>, %[[SCRATCH:.*]]: !step.buffer<tokens, 32>, %{{.*}}: !step.buffer<tokens, 48>, %{{.*}}: !step.counter):
// CHECK-NEXT: %[[X:.*]] = step.read %[[IN]]
// CHECK-NEXT: %[[N:.*]] = llm.rms_norm %[[X]]
// CHECK-NEXT: llm.linear %[[N]]
// CHECK-NEXT: step.write %[[N]], %[[SCRATCH]]

// CHECK-LABEL: step.program @decode max_tokens 16 {
// CHECK: step.run @rows_embedding(
// CHECK: %[[S:.*]] = step.buffer "scratch" slot {{[0-9]+}} scratch : !step.buffer<tokens, 32>
// CHECK: step.run @panels_48x32({{.*}}, %[[S]], {{.*}})

// CHECK: step.phase @rows_rms_norm kind <rows> {
// CHECK: step.phase @panels_48x32_1 kind <panels> {
// CHECK-NOT: llm.rms_norm
// CHECK-LABEL: step.program @prefill max_tokens 0 {
// CHECK: step.run @rows_embedding(
// CHECK: step.run @rows_rms_norm(
// CHECK: step.run @panels_48x32_1(

llm.weight @table : !llm.weight<96x32xf32> from <file = "m", offset = 0, stored = tensor<96x32xf32>>
llm.weight @first : !llm.weight<32x32xf32> from <file = "m", offset = 0, stored = tensor<32x32xf32>>
llm.weight @norm : !llm.weight<32xf32> from <file = "m", offset = 0, stored = tensor<32xf32>>
llm.weight @w : !llm.weight<48x32xf32> from <file = "m", offset = 0, stored = tensor<48x32xf32>>

func.func @step(%ids: tensor<?xi32>, %positions: tensor<?xi32>, %totals: tensor<?xi32>, %rows: tensor<?xi32>) -> tensor<?x48xf32> {
  %t = llm.get_weight @table : !llm.weight<96x32xf32>
  %x = llm.embedding %ids, %t : (tensor<?xi32>, !llm.weight<96x32xf32>) -> tensor<?x32xf32>
  %wf = llm.get_weight @first : !llm.weight<32x32xf32>
  %h = llm.linear %x, [%wf] : tensor<?x32xf32>, [!llm.weight<32x32xf32>] -> tensor<?x32xf32>
  %wn = llm.get_weight @norm : !llm.weight<32xf32>
  %n = llm.rms_norm %h, %wn {epsilon = 1.0e-05 : f32, group = 32 : i64} : tensor<?x32xf32>, !llm.weight<32xf32>
  %ww = llm.get_weight @w : !llm.weight<48x32xf32>
  %y = llm.linear %n, [%ww] : tensor<?x32xf32>, [!llm.weight<48x32xf32>] -> tensor<?x48xf32>
  %s = llm.select_rows %y, %rows : tensor<?x48xf32>, tensor<?xi32>
  return %s : tensor<?x48xf32>
}
