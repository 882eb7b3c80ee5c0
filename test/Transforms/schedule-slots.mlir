// RUN: kvasir-opt %s --kvasir-schedule | FileCheck %s

// Buffers whose lives are disjoint share a slot: a chain of layers needs two. What is alive to the
// end keeps its own, and so does a buffer of rows.

// CHECK-LABEL: step.program @decode
// CHECK: step.buffer "b0" slot 0 : !step.buffer<tokens, 32>
// CHECK: step.buffer "b1" slot 1 : !step.buffer<tokens, 32>
// The embedding is read at the end; b1 gives its place to b3.
// CHECK: step.buffer "b2" slot 2 : !step.buffer<tokens, 48>
// CHECK: step.buffer "b3" slot 1 : !step.buffer<tokens, 32>
// The tightest slot that is large enough; here the only one that is free.
// CHECK: step.buffer "b4" slot 2 : !step.buffer<tokens, 32>
// CHECK: step.buffer "b5" slot 3 : !step.buffer<rows, 32>
// CHECK: step.logits %{{.*}} : !step.buffer<rows, 32>

llm.weight @table : !llm.weight<96x32xf32> from <file = "m", offset = 0, stored = tensor<96x32xf32>>
llm.weight @a : !llm.weight<32x32xf32> from <file = "m", offset = 0, stored = tensor<32x32xf32>>
llm.weight @b : !llm.weight<48x32xf32> from <file = "m", offset = 0, stored = tensor<48x32xf32>>
llm.weight @c : !llm.weight<32x48xf32> from <file = "m", offset = 0, stored = tensor<32x48xf32>>
llm.weight @d : !llm.weight<32x32xf32> from <file = "m", offset = 0, stored = tensor<32x32xf32>>

func.func @step(%ids: tensor<?xi32>, %positions: tensor<?xi32>, %totals: tensor<?xi32>, %rows: tensor<?xi32>) -> tensor<?x32xf32> {
  %t = llm.get_weight @table : !llm.weight<96x32xf32>
  %x = llm.embedding %ids, %t : (tensor<?xi32>, !llm.weight<96x32xf32>) -> tensor<?x32xf32>
  %wa = llm.get_weight @a : !llm.weight<32x32xf32>
  %p = llm.linear %x, [%wa] : tensor<?x32xf32>, [!llm.weight<32x32xf32>] -> tensor<?x32xf32>
  %wb = llm.get_weight @b : !llm.weight<48x32xf32>
  %q = llm.linear %p, [%wb] : tensor<?x32xf32>, [!llm.weight<48x32xf32>] -> tensor<?x48xf32>
  %wc = llm.get_weight @c : !llm.weight<32x48xf32>
  %r = llm.linear %q, [%wc] : tensor<?x48xf32>, [!llm.weight<32x48xf32>] -> tensor<?x32xf32>
  %wd = llm.get_weight @d : !llm.weight<32x32xf32>
  %u = llm.linear %r, [%wd] : tensor<?x32xf32>, [!llm.weight<32x32xf32>] -> tensor<?x32xf32>
  %v = llm.add %x, %u : tensor<?x32xf32>
  %s = llm.select_rows %v, %rows : tensor<?x32xf32>, tensor<?xi32>
  return %s : tensor<?x32xf32>
}
