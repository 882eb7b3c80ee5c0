// RUN: kvasir-opt %s --kvasir-schedule | FileCheck %s
// RUN: kvasir-opt %s --kvasir-schedule=naive | FileCheck %s

// What nobody reads is not computed, and needs no buffer.

// CHECK: step.program
// CHECK-NOT: scale
// CHECK-NOT: attend

kv.cache @layer0 layer 0 : !kv.paged<2x16xf32>
llm.weight @table : !llm.weight<96x32xf32> from <file = "m", offset = 0, stored = tensor<96x32xf32>>

func.func @step(%ids: tensor<?xi32>, %positions: tensor<?xi32>, %totals: tensor<?xi32>, %rows: tensor<?xi32>) -> tensor<?x32xf32> {
  %t = llm.get_weight @table : !llm.weight<96x32xf32>
  %x = llm.embedding %ids, %t : (tensor<?xi32>, !llm.weight<96x32xf32>) -> tensor<?x32xf32>
  %c = kv.get_cache @layer0 : !kv.paged<2x16xf32>
  %a = kv.attend %c, %x {heads = 2 : i64, scale = 0.25 : f32} : !kv.paged<2x16xf32>, tensor<?x32xf32>
  %k = llm.scale %a {factor = 2.0 : f32} : tensor<?x32xf32>
  %s = llm.select_rows %x, %rows : tensor<?x32xf32>, tensor<?xi32>
  return %s : tensor<?x32xf32>
}
