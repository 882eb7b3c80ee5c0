// RUN: sed s/ELEMENT/f32/ %s | kvasir-opt --kvasir-lower=target=cuda:sm_80 | FileCheck %s --check-prefixes=CHECK,FLOATS
// RUN: sed s/ELEMENT/bf16/ %s | kvasir-opt --kvasir-lower=target=cuda:sm_80 | FileCheck %s --check-prefixes=CHECK,TILES

// A context divided among blocks, over a cache of 2 heads, each for 4 heads of queries. Before it, words
// in which blocks count themselves are cleared: one for each head of queries of the row's token.
step.phase @clear kind <rows> {
^bb0(%c: !kv.paged<2x64xELEMENT>, %k: !step.buffer<tokens, 128>, %counts: !step.buffer<tokens, 8>):
  %p = step.input <positions> : tensor<?xi32>
  %0 = step.read %k : !step.buffer<tokens, 128> -> tensor<?x128xf32>
  kv.append %c, %0, %0, %p : !kv.paged<2x64xELEMENT>, tensor<?x128xf32>, tensor<?xi32>
}
step.phase @p kind <attend> {
^bb0(%c: !kv.paged<2x64xELEMENT>, %q: !step.buffer<tokens, 512>, %parts: !step.buffer<tokens, 2112>, %out: !step.buffer<tokens, 512>, %counts: !step.buffer<tokens, 8>, %n: !step.counter):
  %t = step.input <positions> : tensor<?xi32>
  %0 = step.read %q : !step.buffer<tokens, 512> -> tensor<?x512xf32>
  %1 = kv.attend_partitions %c, %0 {heads = 8 : i64, partitions = 4 : i64, scale = 0.125 : f32} : !kv.paged<2x64xELEMENT>, tensor<?x512xf32>, tensor<?x2112xf32>
  %2 = kv.merge_partitions %1, %t {heads = 8 : i64, partitions = 4 : i64, window = 0 : i64} : tensor<?x2112xf32>, tensor<?xi32>, tensor<?x512xf32>
  step.write %1, %parts : tensor<?x2112xf32>, !step.buffer<tokens, 2112>
  step.write %2, %out : tensor<?x512xf32>, !step.buffer<tokens, 512>
}

// CHECK: llvm.func @clear(
// CHECK: scf.for %[[I:.*]] = %{{.*}} to %c8_i32 step
// CHECK: %[[ZERO:.*]] = arith.constant 0 : i32
// CHECK: %[[AT:.*]] = arith.muli %[[I]],
// CHECK-NEXT: %[[WORD:.*]] = llvm.getelementptr %{{.*}}[%[[AT]]]
// CHECK-NEXT: llvm.store %[[ZERO]], %[[WORD]] {alignment = 4 : i64} : i32, !llvm.ptr<1>

// CHECK: llvm.func @p(
// FLOATS-SAME: kvasir.items = array<i64: 0, 0, 0, 64>
// TILES-SAME: kvasir.items = array<i64: 0, 0, 0, 32>
// CHECK-NOT: llvm.atomicrmw
// The only partition of its context goes nowhere but to the result. Others are left in memory.
// FLOATS-COUNT-2: arith.divf
// TILES-COUNT-4: arith.divf
// CHECK: } else {
// CHECK-NOT: arith.divf
// All threads have left what they have, then one of them counts, between two fences, and all know
// whether the block is the last one.
// CHECK: nvvm.barrier0
// CHECK: llvm.fence syncscope("device") acq_rel
// CHECK: llvm.atomicrmw add %{{.*}}, %{{.*}} syncscope("device") monotonic : !llvm.ptr<1>, i32
// CHECK-NEXT: llvm.fence syncscope("device") acq_rel
// CHECK: nvvm.barrier0
// CHECK: scf.if
// Four columns of a row of queries are a thread's: maximum, sum of weights, sums of values, over 8
// partitions at a time.
// CHECK: scf.for {{.*}} -> (f32, f32, f32, f32, f32, f32)
// CHECK-COUNT-8: llvm.load %{{.*}} {alignment = 16 : i64} : !llvm.ptr<1> -> vector<4xf32>
// CHECK: llvm.intr.fma
// CHECK-NOT: llvm.atomicrmw
