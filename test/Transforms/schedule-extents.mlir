// RUN: kvasir-opt %s --kvasir-schedule | FileCheck %s

// Work on tokens that comes after a choice of rows is divided by tokens, in a phase of its own.

// CHECK: step.phase @rows_select_rows kind <rows> {
// CHECK-NOT: llm.scale
// CHECK: step.phase @rows_append kind <rows> {
// CHECK: llm.scale
// CHECK-NEXT: kv.append
// CHECK: step.phase @rows_add kind <rows> {
// CHECK-LABEL: step.program @decode
// CHECK: step.run @panels_32x32(
// CHECK: step.run @rows_select_rows(
// CHECK: step.run @rows_append(
// CHECK: step.run @attend_attend(
// CHECK: step.run @rows_select_rows(
// CHECK: step.run @rows_add(

kv.cache @layer0 layer 0 : !kv.paged<2x16xf32>
llm.weight @table : !llm.weight<96x32xf32> from <file = "m", offset = 0, stored = tensor<96x32xf32>>
llm.weight @w : !llm.weight<32x32xf32> from <file = "m", offset = 0, stored = tensor<32x32xf32>>

func.func @step(%ids: tensor<?xi32>, %positions: tensor<?xi32>, %totals: tensor<?xi32>, %rows: tensor<?xi32>) -> tensor<?x32xf32> {
  %t = llm.get_weight @table : !llm.weight<96x32xf32>
  %x = llm.embedding %ids, %t : (tensor<?xi32>, !llm.weight<96x32xf32>) -> tensor<?x32xf32>
  %ww = llm.get_weight @w : !llm.weight<32x32xf32>
  %y = llm.linear %x, [%ww] : tensor<?x32xf32>, [!llm.weight<32x32xf32>] -> tensor<?x32xf32>
  %s = llm.select_rows %y, %rows : tensor<?x32xf32>, tensor<?xi32>
  %c = kv.get_cache @layer0 : !kv.paged<2x16xf32>
  %k = llm.scale %y {factor = 2.0 : f32} : tensor<?x32xf32>
  kv.append %c, %k, %k, %positions : !kv.paged<2x16xf32>, tensor<?x32xf32>, tensor<?xi32>
  %a = kv.attend %c, %k {heads = 2 : i64, scale = 0.25 : f32} : !kv.paged<2x16xf32>, tensor<?x32xf32>
  %s2 = llm.select_rows %a, %rows : tensor<?x32xf32>, tensor<?xi32>
  %z = llm.add %s, %s2 : tensor<?x32xf32>
  return %z : tensor<?x32xf32>
}
