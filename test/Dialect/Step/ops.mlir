// RUN: kvasir-opt %s | FileCheck %s

llm.weight @down : !llm.weight<64x128xbf16> from <file = "a", offset = 0, stored = tensor<64x128xbf16>> layout <panel16>
kv.cache @layer0 layer 0 : !kv.paged<2x16xbf16>

// CHECK-LABEL: step.phase @ffn_out kind <panels> {
step.phase @ffn_out kind <panels> {
// CHECK: ^bb0(%{{.*}}: !step.buffer<tokens, 128>, %{{.*}}: !llm.weight<64x128xbf16>, %{{.*}}: !step.buffer<tokens, 64>, %{{.*}}: !step.buffer<tokens, 64>):
^bb0(%in: !step.buffer<tokens, 128>, %w: !llm.weight<64x128xbf16>, %x: !step.buffer<tokens, 64>, %out: !step.buffer<tokens, 64>):
  // CHECK: step.read %{{.*}} : !step.buffer<tokens, 128> -> tensor<?x128xf32>
  %0 = step.read %in : !step.buffer<tokens, 128> -> tensor<?x128xf32>
  %1 = step.read %x : !step.buffer<tokens, 64> -> tensor<?x64xf32>
  %2 = llm.linear %0, [%w] : tensor<?x128xf32>, [!llm.weight<64x128xbf16>] -> tensor<?x64xf32>
  %3 = llm.add %1, %2 : tensor<?x64xf32>
  // CHECK: step.write %{{.*}}, %{{.*}} : tensor<?x64xf32>, !step.buffer<tokens, 64>
  step.write %3, %out : tensor<?x64xf32>, !step.buffer<tokens, 64>
}

// CHECK-LABEL: step.phase @attend kind <attend> {
step.phase @attend kind <attend> {
^bb0(%q: !step.buffer<tokens, 64>, %c: !kv.paged<2x16xbf16>, %n: !step.counter, %out: !step.buffer<tokens, 64>):
  %0 = step.read %q : !step.buffer<tokens, 64> -> tensor<?x64xf32>
  %1 = kv.attend %c, %0 {heads = 4 : i64, scale = 0.25 : f32} : !kv.paged<2x16xbf16>, tensor<?x64xf32>
  step.write %1, %out : tensor<?x64xf32>, !step.buffer<tokens, 64>
}

// CHECK-LABEL: step.phase @attend_partitions kind <attend> {
step.phase @attend_partitions kind <attend> {
^bb0(%q: !step.buffer<tokens, 64>, %c: !kv.paged<2x16xbf16>, %n: !step.counter, %parts: !step.buffer<tokens, 144>, %out: !step.buffer<tokens, 64>, %counts: !step.buffer<tokens, 4>):
  %0 = step.read %q : !step.buffer<tokens, 64> -> tensor<?x64xf32>
  %t = step.input <positions> : tensor<?xi32>
  // CHECK: kv.attend_partitions
  %1 = kv.attend_partitions %c, %0 {heads = 4 : i64, partitions = 2 : i64, scale = 0.25 : f32} : !kv.paged<2x16xbf16>, tensor<?x64xf32>, tensor<?x144xf32>
  // CHECK-NEXT: kv.merge_partitions
  %2 = kv.merge_partitions %1, %t {heads = 4 : i64, partitions = 2 : i64, window = 0 : i64} : tensor<?x144xf32>, tensor<?xi32>, tensor<?x64xf32>
  step.write %1, %parts : tensor<?x144xf32>, !step.buffer<tokens, 144>
  step.write %2, %out : tensor<?x64xf32>, !step.buffer<tokens, 64>
}

// CHECK-LABEL: step.phase @table kind <rows>
step.phase @table kind <rows> {
^bb0(%out: !step.buffer<tokens, 2>):
  // CHECK: step.input <positions> : tensor<?xi32>
  %p = step.input <positions> : tensor<?xi32>
  // CHECK: step.input <totals> : tensor<?xi32>
  %t = step.input <totals> : tensor<?xi32>
  %0 = llm.rope_table %p, %t {frequencies = array<f32: 1.0>, magnitude = 1.0 : f32} : tensor<?xi32> -> tensor<?x2xf32>
  step.write %0, %out : tensor<?x2xf32>, !step.buffer<tokens, 2>
}

// CHECK-LABEL: step.phase @rows kind <serial>
step.phase @rows kind <serial> {
^bb0(%in: !step.buffer<tokens, 64>, %out: !step.buffer<rows, 64>):
  %0 = step.read %in : !step.buffer<tokens, 64> -> tensor<?x64xf32>
  // CHECK: step.input <rows> : tensor<?xi32>
  %r = step.input <rows> : tensor<?xi32>
  %1 = llm.select_rows %0, %r : tensor<?x64xf32>, tensor<?xi32>
  step.write %1, %out : tensor<?x64xf32>, !step.buffer<rows, 64>
}

// CHECK-LABEL: step.program @decode max_tokens 16 {
step.program @decode max_tokens 16 {
  // CHECK: step.buffer "h" slot 0 : !step.buffer<tokens, 128>
  %h = step.buffer "h" slot 0 : !step.buffer<tokens, 128>
  %x = step.buffer "x" slot 1 : !step.buffer<tokens, 64>
  // CHECK: step.buffer "y" slot 2 scratch : !step.buffer<tokens, 64>
  %y = step.buffer "y" slot 2 scratch : !step.buffer<tokens, 64>
  %l = step.buffer "l" slot 0 : !step.buffer<rows, 64>
  // CHECK: step.counter : !step.counter
  %n = step.counter : !step.counter
  %w = llm.get_weight @down : !llm.weight<64x128xbf16>
  %c = kv.get_cache @layer0 : !kv.paged<2x16xbf16>
  // CHECK: step.run @ffn_out(%{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}) layer 0 cost <weight_bytes = 16384> : !step.buffer<tokens, 128>, !llm.weight<64x128xbf16>, !step.buffer<tokens, 64>, !step.buffer<tokens, 64>
  step.run @ffn_out(%h, %w, %x, %y) layer 0 cost <weight_bytes = 16384> : !step.buffer<tokens, 128>, !llm.weight<64x128xbf16>, !step.buffer<tokens, 64>, !step.buffer<tokens, 64>
  // CHECK: step.run @attend({{.*}}) layer 0 cost <cache_bytes_per_context = 128, flops_per_context = 256>
  step.run @attend(%x, %c, %n, %y) layer 0 cost <cache_bytes_per_context = 128, flops_per_context = 256> : !step.buffer<tokens, 64>, !kv.paged<2x16xbf16>, !step.counter, !step.buffer<tokens, 64>
  // CHECK: step.run @rows({{.*}}) layer -1 cost <>
  step.run @rows(%x, %l) layer -1 cost <> : !step.buffer<tokens, 64>, !step.buffer<rows, 64>
  // CHECK: step.logits %{{.*}} : !step.buffer<rows, 64>
  step.logits %l : !step.buffer<rows, 64>
}

// CHECK-LABEL: step.phase @choose kind <rows>
step.phase @choose kind <rows> {
^bb0(%l: !step.buffer<rows, 64>, %out: !step.buffer<rows, i32>):
  %0 = step.read %l : !step.buffer<rows, 64> -> tensor<?x64xf32>
  %1 = llm.argmax %0 {count = 64 : i64} : tensor<?x64xf32>, tensor<?xi32>
  // CHECK: step.write %{{.*}}, %{{.*}} : tensor<?xi32>, !step.buffer<rows, i32>
  step.write %1, %out : tensor<?xi32>, !step.buffer<rows, i32>
}

// CHECK-LABEL: step.program @choosing
step.program @choosing max_tokens 0 {
  %l = step.buffer "l" slot 0 : !step.buffer<rows, 64>
  // CHECK: %[[C:.*]] = step.buffer "c" slot 1 : !step.buffer<rows, i32>
  %c = step.buffer "c" slot 1 : !step.buffer<rows, i32>
  step.run @choose(%l, %c) layer -1 cost <> : !step.buffer<rows, 64>, !step.buffer<rows, i32>
  step.logits %l : !step.buffer<rows, 64>
  // CHECK: step.chosen %[[C]] : !step.buffer<rows, i32>
  step.chosen %c : !step.buffer<rows, i32>
}
