// RUN: kvasir-opt %s --kvasir-schedule=blocks | FileCheck %s
// RUN: sed 's/max_context = 2000/max_context = 512/' %s | kvasir-opt --kvasir-schedule=blocks | FileCheck %s --check-prefix=SHORT

// For GPUs. A step of few tokens has its contexts divided among blocks: 2000 positions are 4 partitions
// of 512 keys, a window of 100 touches 2 of them. Who makes the last partition merges them all: blocks
// count themselves in a buffer that no op reads or writes, and that the latest phase of rows clears.
// Only the vocabulary is chosen from. A layer of f32 has one form for all numbers of tokens, one of
// codes has two.

// CHECK: step.phase @rows_embedding kind <rows>
// CHECK-NEXT: ^bb0({{.*}}, %[[B0:.*]]: !step.buffer<tokens, 64>, %{{.*}}: !step.buffer<tokens, 4>, %{{.*}}: !step.buffer<tokens, 4>):
// CHECK: step.write %{{.*}}, %[[B0]]
// CHECK-NEXT: }
// CHECK: step.phase @attend_attend_partitions kind <attend>
// CHECK-NEXT: ^bb0({{.*}}, %[[PARTS:.*]]: !step.buffer<tokens, 288>, %[[OUT:.*]]: !step.buffer<tokens, 64>, %{{.*}}: !step.buffer<tokens, 4>, %{{.*}}: !step.counter):
// CHECK: %[[P:.*]] = kv.attend_partitions %{{.*}} {heads = 4 : i64, partitions = 4 : i64, scale = 2.500000e-01 : f32} : !kv.paged<2x16xf32>, tensor<?x64xf32>, tensor<?x288xf32>
// CHECK: %[[M:.*]] = kv.merge_partitions %[[P]], %{{.*}} {heads = 4 : i64, partitions = 4 : i64, window = 0 : i64}
// CHECK: step.write %[[P]], %[[PARTS]]
// CHECK: step.write %[[M]], %[[OUT]]
// CHECK: kv.attend_partitions {{.*}} partitions = 2 : i64
// CHECK: kv.merge_partitions {{.*}} partitions = 2 : i64, window = 100 : i64
// CHECK: step.phase @rows_argmax kind <rows>
// CHECK: llm.argmax %{{.*}} {count = 60 : i64} : tensor<?x64xf32>, tensor<?xi32>
// CHECK: step.write %{{.*}}, %{{.*}} : tensor<?xi32>, !step.buffer<rows, i32>

// CHECK: step.phase @rows_embedding_1 kind <rows>
// CHECK-NOT: !step.buffer<tokens, 4>
// CHECK: step.phase @attend_attend kind <attend>

// CHECK-LABEL: step.program @prefill max_tokens 0
// CHECK: step.run @attend_attend({{.*}}) layer 0
// CHECK-NOT: partitions
// CHECK: step.run @panels_64x64(
// CHECK: step.chosen

// CHECK-LABEL: step.program @decode2 max_tokens 2
// CHECK: %[[X:.*]] = step.buffer "b0"
// CHECK: %[[COUNTS0:.*]] = step.buffer "counts" slot 1 : !step.buffer<tokens, 4>
// CHECK: %[[COUNTS1:.*]] = step.buffer "counts" slot 2 : !step.buffer<tokens, 4>
// CHECK: step.run @rows_embedding(%{{.*}}, %[[X]], %[[COUNTS0]], %[[COUNTS1]])
// CHECK: step.run @attend_attend_partitions(%{{.*}}, %[[X]], %{{.*}}, %{{.*}}, %[[COUNTS0]], %{{.*}}) layer 0 cost <bytes_per_token = 256, cache_bytes_per_context = 256, flops_per_token = 64, flops_per_context = 256>
// CHECK-NOT: "b{{[0-9]}}" slot 2
// CHECK: step.run @attend_attend_partitions_1(%{{.*}}, %[[COUNTS1]], %{{.*}}) layer 1
// CHECK: step.run @panels_64x64(
// CHECK: step.run @rows_argmax
// CHECK: step.logits %{{.*}} : !step.buffer<rows, 64>
// CHECK: step.chosen %{{.*}} : !step.buffer<rows, i32>

// CHECK-LABEL: step.program @decode32 max_tokens 32
// CHECK: step.run @attend_attend_partitions({{.*}}) layer 0
// CHECK: step.run @panels_64x64(
// CHECK: step.chosen

// Contexts of one partition are not split.
// SHORT-NOT: partitions
// SHORT: step.program @decode2 max_tokens 2
// SHORT: step.chosen
// SHORT: step.program @decode32 max_tokens 32
// SHORT: step.program @prefill max_tokens 0
// SHORT: step.chosen

module attributes {llm.model = {max_context = 2000 : i64, vocab_size = 60 : i64}} {
  kv.cache @layer0 layer 0 : !kv.paged<2x16xf32>
  kv.cache @layer1 layer 1 : !kv.paged<2x16xf32, window = 100>
  llm.weight @table : !llm.weight<64x64xf32> from <file = "m", offset = 0, stored = tensor<64x64xf32>>
  func.func @step(%ids: tensor<?xi32>, %positions: tensor<?xi32>, %totals: tensor<?xi32>, %rows: tensor<?xi32>) -> tensor<?x64xf32> {
    %t = llm.get_weight @table : !llm.weight<64x64xf32>
    %x = llm.embedding %ids, %t : (tensor<?xi32>, !llm.weight<64x64xf32>) -> tensor<?x64xf32>
    %c0 = kv.get_cache @layer0 : !kv.paged<2x16xf32>
    %a0 = kv.attend %c0, %x {heads = 4 : i64, scale = 0.25 : f32} : !kv.paged<2x16xf32>, tensor<?x64xf32>
    %c1 = kv.get_cache @layer1 : !kv.paged<2x16xf32, window = 100>
    %a1 = kv.attend %c1, %a0 {heads = 4 : i64, scale = 0.25 : f32} : !kv.paged<2x16xf32, window = 100>, tensor<?x64xf32>
    %s = llm.select_rows %a1, %rows : tensor<?x64xf32>, tensor<?xi32>
    %l = llm.linear %s, [%t] : tensor<?x64xf32>, [!llm.weight<64x64xf32>] -> tensor<?x64xf32>
    return %l : tensor<?x64xf32>
  }
}
