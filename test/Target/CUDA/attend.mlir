// RUN: kvasir-opt %s --kvasir-lower=target=cuda:sm_80 | FileCheck %s

// Attention: up to 16 tokens of 4 heads that share keys are 8 chunks of 8 rows, for each of 2 heads
// of the cache. Partitions, then tiles; what is masked is never multiplied.
step.phase @p kind <attend> {
^bb0(%c: !kv.paged<2x64xbf16>, %q: !step.buffer<tokens, 512>, %out: !step.buffer<tokens, 512>, %n: !step.counter):
  %0 = step.read %q : !step.buffer<tokens, 512> -> tensor<?x512xf32>
  %1 = kv.attend %c, %0 {heads = 8 : i64, scale = 0.125 : f32} : !kv.paged<2x64xbf16>, tensor<?x512xf32>
  step.write %1, %out : tensor<?x512xf32>, !step.buffer<tokens, 512>
}

// CHECK: gpu.module @sm_80
// CHECK: llvm.func @p(
// CHECK-SAME: kvasir.items = array<i64: 0, 0, 0, 16>
// CHECK: scf.for
// CHECK: scf.if
// The row's maximum and sum, and two outputs of the thread: over partitions, over tiles.
// CHECK: scf.for {{.*}} iter_args({{.*}}) -> (f32, f32, f32, f32)
// CHECK: scf.for {{.*}} iter_args({{.*}}) -> (f32, f32, f32, f32)
// CHECK: nvvm.barrier0
// Two scores of a thread.
// CHECK: scf.for {{.*}} iter_args({{.*}}) -> (f32, f32)
// CHECK: llvm.intr.fma
// CHECK: nvvm.barrier0
// CHECK: arith.select {{.*}} : f32
// CHECK-COUNT-5: nvvm.shfl.sync bfly
// CHECK-COUNT-5: nvvm.shfl.sync bfly
// CHECK: nvvm.barrier0
// From the first key that the row sees to the last.
// CHECK: arith.maxsi
// CHECK: arith.minsi
// CHECK: scf.for {{.*}} iter_args({{.*}}) -> (f32)
// CHECK: llvm.load {{.*}} : !llvm.ptr<1> -> bf16
