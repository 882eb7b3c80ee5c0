// RUN: kvasir-opt %s --kvasir-schedule | FileCheck %s

// What the first layer begins with is divided, not repeated, in a decode step too: its phases are
// then those of the other layers. Angles and norm join the embedding.

// CHECK: step.phase @rows_rms_norm kind <rows> {
// CHECK: llm.embedding
// CHECK-NEXT: llm.rope_table
// CHECK-NEXT: llm.rms_norm
// CHECK: step.phase @panels_48x32 kind <panels> {
// CHECK-NOT: llm.rms_norm
// CHECK-LABEL: step.program @decode
// CHECK: step.run @rows_rms_norm(
// CHECK-NEXT: llm.get_weight @w
// CHECK-NEXT: step.buffer
// CHECK-NEXT: step.counter
// CHECK-NEXT: step.run @panels_48x32(

llm.weight @table : !llm.weight<96x32xf32> from <file = "m", offset = 0, stored = tensor<96x32xf32>>
llm.weight @norm : !llm.weight<32xf32> from <file = "m", offset = 0, stored = tensor<32xf32>>
llm.weight @w : !llm.weight<48x32xf32> from <file = "m", offset = 0, stored = tensor<48x32xf32>>

func.func @step(%ids: tensor<?xi32>, %positions: tensor<?xi32>, %totals: tensor<?xi32>, %rows: tensor<?xi32>) -> tensor<?x48xf32> {
  %t = llm.get_weight @table : !llm.weight<96x32xf32>
  %x = llm.embedding %ids, %t : (tensor<?xi32>, !llm.weight<96x32xf32>) -> tensor<?x32xf32>
  %r = llm.rope_table %positions, %totals {frequencies = array<f32: 1.0, 0.5>, magnitude = 1.0 : f32} : tensor<?xi32> -> tensor<?x4xf32>
  %wn = llm.get_weight @norm : !llm.weight<32xf32>
  %n = llm.rms_norm %x, %wn {epsilon = 1.0e-05 : f32, group = 32 : i64} : tensor<?x32xf32>, !llm.weight<32xf32>
  %ww = llm.get_weight @w : !llm.weight<48x32xf32>
  %y = llm.linear %n, [%ww] : tensor<?x32xf32>, [!llm.weight<48x32xf32>] -> tensor<?x48xf32>
  %z = llm.rope %y, %r {head_size = 16 : i64} : tensor<?x48xf32>, tensor<?x4xf32>
  %s = llm.select_rows %z, %rows : tensor<?x48xf32>, tensor<?xi32>
  return %s : tensor<?x48xf32>
}
