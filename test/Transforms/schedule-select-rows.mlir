// RUN: kvasir-opt %s --kvasir-schedule | FileCheck %s

// A choice of rows reads what other workers have computed, so it begins a phase: here after the
// sum, which could else be done together with the norm.

// CHECK: step.phase @rows_add kind <rows> {
// CHECK: llm.add
// CHECK-NOT: llm.select_rows
// CHECK: step.phase @rows_rms_norm kind <rows> {
// CHECK: %[[R:.*]] = step.input <rows>
// CHECK: %[[S:.*]] = llm.select_rows %{{.*}}, %[[R]]
// CHECK-NEXT: llm.rms_norm %[[S]]
// CHECK: step.write %{{.*}}, %{{.*}} : tensor<?x32xf32>, !step.buffer<rows, 32>
// CHECK: step.program @decode

llm.weight @table : !llm.weight<96x32xf32> from <file = "m", offset = 0, stored = tensor<96x32xf32>>
llm.weight @norm : !llm.weight<32xf32> from <file = "m", offset = 0, stored = tensor<32xf32>>

func.func @step(%ids: tensor<?xi32>, %positions: tensor<?xi32>, %totals: tensor<?xi32>, %rows: tensor<?xi32>) -> tensor<?x32xf32> {
  %t = llm.get_weight @table : !llm.weight<96x32xf32>
  %x = llm.embedding %ids, %t : (tensor<?xi32>, !llm.weight<96x32xf32>) -> tensor<?x32xf32>
  %y = llm.add %x, %x : tensor<?x32xf32>
  %s = llm.select_rows %y, %rows : tensor<?x32xf32>, tensor<?xi32>
  %wn = llm.get_weight @norm : !llm.weight<32xf32>
  %n = llm.rms_norm %s, %wn {epsilon = 1.0e-05 : f32, group = 32 : i64} : tensor<?x32xf32>, !llm.weight<32xf32>
  return %n : tensor<?x32xf32>
}
