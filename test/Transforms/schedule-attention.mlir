// RUN: kvasir-opt %s --kvasir-schedule | FileCheck %s

// Attention is a phase with a counter, from which workers take their items. Writing the cache is a
// phase before it, never repeated by every worker.

// CHECK: step.phase @rows_append kind <rows> {
// CHECK: %[[P:.*]] = step.input <positions>
// CHECK: kv.append %{{.*}}, %{{.*}}, %{{.*}}, %[[P]]
// CHECK: step.phase @attend_attend kind <attend> {
// CHECK-NEXT: ^bb0(%[[C:.*]]: !kv.paged<2x16xbf16, window = 12>, %[[Q:.*]]: !step.buffer<tokens, 96>, %[[OUT:.*]]: !step.buffer<tokens, 96>, %{{.*}}: !step.counter):
// CHECK-NEXT: %[[X:.*]] = step.read %[[Q]]
// CHECK-NEXT: %[[A:.*]] = kv.attend %[[C]], %[[X]]
// CHECK-NEXT: step.write %[[A]], %[[OUT]]

// Queries in and out, 2 * 2 * 16 entries of 2 bytes for each token of context, 4 FLOPs for each
// entry of a query and key.
// CHECK-LABEL: step.program @decode
// CHECK: step.run @rows_append({{.*}}) layer 7
// CHECK: %[[N:.*]] = step.counter
// CHECK-NEXT: step.run @attend_attend({{.*}}, %[[N]]) layer 7 cost <bytes_per_token = 384, cache_bytes_per_context = 128, flops_per_context = 384>

kv.cache @layer7 layer 7 : !kv.paged<2x16xbf16, window = 12>
llm.weight @table : !llm.weight<96x32xf32> from <file = "m", offset = 0, stored = tensor<96x32xf32>>
llm.weight @wq : !llm.weight<96x32xf32> from <file = "m", offset = 0, stored = tensor<96x32xf32>>
llm.weight @wk : !llm.weight<32x32xf32> from <file = "m", offset = 0, stored = tensor<32x32xf32>>
llm.weight @wv : !llm.weight<32x32xf32> from <file = "m", offset = 0, stored = tensor<32x32xf32>>

func.func @step(%ids: tensor<?xi32>, %positions: tensor<?xi32>, %totals: tensor<?xi32>, %rows: tensor<?xi32>) -> tensor<?x96xf32> {
  %t = llm.get_weight @table : !llm.weight<96x32xf32>
  %x = llm.embedding %ids, %t : (tensor<?xi32>, !llm.weight<96x32xf32>) -> tensor<?x32xf32>
  %q0 = llm.get_weight @wq : !llm.weight<96x32xf32>
  %k0 = llm.get_weight @wk : !llm.weight<32x32xf32>
  %v0 = llm.get_weight @wv : !llm.weight<32x32xf32>
  %q, %k, %v = llm.linear %x, [%q0, %k0, %v0] : tensor<?x32xf32>, [!llm.weight<96x32xf32>, !llm.weight<32x32xf32>, !llm.weight<32x32xf32>] -> tensor<?x96xf32>, tensor<?x32xf32>, tensor<?x32xf32>
  %c = kv.get_cache @layer7 : !kv.paged<2x16xbf16, window = 12>
  kv.append %c, %k, %v, %positions : !kv.paged<2x16xbf16, window = 12>, tensor<?x32xf32>, tensor<?xi32>
  %a = kv.attend %c, %q {heads = 6 : i64, scale = 0.25 : f32} : !kv.paged<2x16xbf16, window = 12>, tensor<?x96xf32>
  %s = llm.select_rows %a, %rows : tensor<?x96xf32>, tensor<?xi32>
  return %s : tensor<?x96xf32>
}
