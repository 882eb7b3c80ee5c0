// RUN: sed s/ELEMENT/f32/ %s | kvasir-opt --kvasir-lower=target=cuda:sm_80 | FileCheck %s --check-prefixes=CHECK,FLOATS
// RUN: sed s/ELEMENT/bf16/ %s | kvasir-opt --kvasir-lower=target=cuda:sm_80 | FileCheck %s --check-prefixes=CHECK,TILES

// Attention over a cache of 2 heads, each for 4 heads of queries. Of f32: up to 16 tokens are 8 chunks
// of 8 rows for each head of the cache. Of bf16: 4 chunks of 16 rows, on tensor cores.
step.phase @p kind <attend> {
^bb0(%c: !kv.paged<2x64xELEMENT>, %q: !step.buffer<tokens, 512>, %out: !step.buffer<tokens, 512>, %n: !step.counter):
  %0 = step.read %q : !step.buffer<tokens, 512> -> tensor<?x512xf32>
  %1 = kv.attend %c, %0 {heads = 8 : i64, scale = 0.125 : f32} : !kv.paged<2x64xELEMENT>, tensor<?x512xf32>
  step.write %1, %out : tensor<?x512xf32>, !step.buffer<tokens, 512>
}

// CHECK: gpu.module @sm_80
// CHECK: llvm.func @p(
// FLOATS-SAME: kvasir.items = array<i64: 0, 0, 0, 16>
// FLOATS: scf.for
// FLOATS: scf.if
// The row's maximum and sum, and two outputs of the thread: over partitions, over tiles.
// FLOATS: scf.for {{.*}} iter_args({{.*}}) -> (f32, f32, f32, f32)
// FLOATS: scf.for {{.*}} iter_args({{.*}}) -> (f32, f32, f32, f32)
// FLOATS: nvvm.barrier0
// Two scores of a thread.
// FLOATS: scf.for {{.*}} iter_args({{.*}}) -> (f32, f32)
// FLOATS: llvm.intr.fma
// FLOATS: nvvm.barrier0
// FLOATS: arith.select {{.*}} : f32
// FLOATS-COUNT-5: nvvm.shfl.sync bfly
// FLOATS-COUNT-5: nvvm.shfl.sync bfly
// FLOATS: nvvm.barrier0
// From the first key that the row sees to the last.
// FLOATS: arith.maxsi
// FLOATS: arith.minsi
// FLOATS: scf.for {{.*}} iter_args({{.*}}) -> (f32)
// FLOATS: llvm.load {{.*}} : !llvm.ptr<1> -> f32

// TILES-SAME: kvasir.items = array<i64: 0, 0, 0, 8>
// Passes: totals of the thread, 4 of 16 x 64 values.
// TILES: scf.for {{.*}} iter_args({{.*}}) -> (f32, f32, f32, f32)
// A tile for each warp: 8 x 8 keys, 32 columns of queries in the loop, 32 after it.
// TILES: scf.if
// TILES: scf.for
// TILES-COUNT-16: nvvm.mma.sync
// TILES: scf.yield
// TILES-COUNT-16: nvvm.mma.sync
// Two rows of a lane: maximum and sum over 4 lanes.
// TILES-COUNT-8: nvvm.shfl.sync bfly
// 64 keys, and 8 x 8 columns of values: row by row where some are not finite, and in one go.
// TILES: scf.for
// TILES-COUNT-32: nvvm.mma.sync
// TILES: } else {
// TILES-COUNT-32: nvvm.mma.sync
// TILES-NOT: nvvm.mma.sync
