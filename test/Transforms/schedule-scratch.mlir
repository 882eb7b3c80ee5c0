// RUN: kvasir-opt %s --kvasir-schedule | FileCheck %s

// In a phase of rows, a value that nobody else reads has one row of scratch for each worker: a row
// is finished before the next begins. What others read has a buffer.

// CHECK: step.phase @rows_scale kind <rows> {
// CHECK: ^bb0({{.*}}, %[[ONE:.*]]: !step.buffer<one, 32>, %[[ALL:.*]]: !step.buffer<tokens, 32>):
// CHECK: %[[N:.*]] = llm.rms_norm
// CHECK: %[[S:.*]] = llm.scale %[[N]]
// CHECK: step.write %[[N]], %[[ONE]]
// CHECK: step.write %[[S]], %[[ALL]]
// CHECK-LABEL: step.program @prefill
// CHECK: step.buffer "scratch" slot {{[0-9]+}} scratch : !step.buffer<one, 32>
// CHECK: step.run @rows_scale(

llm.weight @table : !llm.weight<96x32xf32> from <file = "m", offset = 0, stored = tensor<96x32xf32>>
llm.weight @w : !llm.weight<32x32xf32> from <file = "m", offset = 0, stored = tensor<32x32xf32>>
llm.weight @norm : !llm.weight<32xf32> from <file = "m", offset = 0, stored = tensor<32xf32>>

func.func @step(%ids: tensor<?xi32>, %positions: tensor<?xi32>, %totals: tensor<?xi32>, %rows: tensor<?xi32>) -> tensor<?x32xf32> {
  %t = llm.get_weight @table : !llm.weight<96x32xf32>
  %x = llm.embedding %ids, %t : (tensor<?xi32>, !llm.weight<96x32xf32>) -> tensor<?x32xf32>
  %ww = llm.get_weight @w : !llm.weight<32x32xf32>
  %y = llm.linear %x, [%ww] : tensor<?x32xf32>, [!llm.weight<32x32xf32>] -> tensor<?x32xf32>
  %wn = llm.get_weight @norm : !llm.weight<32xf32>
  %n = llm.rms_norm %y, %wn {epsilon = 1.0e-05 : f32, group = 32 : i64} : tensor<?x32xf32>, !llm.weight<32xf32>
  %c = llm.scale %n {factor = 2.0 : f32} : tensor<?x32xf32>
  %z = llm.linear %c, [%ww] : tensor<?x32xf32>, [!llm.weight<32x32xf32>] -> tensor<?x32xf32>
  %s = llm.select_rows %z, %rows : tensor<?x32xf32>, tensor<?xi32>
  return %s : tensor<?x32xf32>
}
