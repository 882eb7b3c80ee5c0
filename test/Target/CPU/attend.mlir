// RUN: kvasir-opt %s --kvasir-lower | FileCheck %s

// Attention of one query head, with AVX2: scores of a tile of 64 keys, of which those outside the
// window are replaced before anything is computed with them; then only the values that are seen.
step.phase @p kind <attend> {
^bb0(%q: !step.buffer<tokens, 64>, %c: !kv.paged<2x16xbf16, window = 12>, %n: !step.counter, %out: !step.buffer<tokens, 64>):
  %0 = step.read %q : !step.buffer<tokens, 64> -> tensor<?x64xf32>
  %1 = kv.attend %c, %0 {heads = 4 : i64, scale = 0.25 : f32} : !kv.paged<2x16xbf16, window = 12>, tensor<?x64xf32>
  step.write %1, %out : tensor<?x64xf32>, !step.buffer<tokens, 64>
}

// CHECK: module @"x86-64-v3" {
// CHECK: func.func private @[[ATTEND:attend_bf16_h2x16_r1_.*]](%[[Q:.*]]: !llvm.ptr, %{{.*}}: !llvm.ptr, %[[CACHE:.*]]: !llvm.ptr, %[[TABLE:.*]]: !llvm.ptr, %[[FIRST:.*]]: i64, %[[END:.*]]: i64)
// Partitions of 512 keys, tiles of 64.
// CHECK: arith.constant 512 : i64
// CHECK: scf.for
// CHECK: arith.constant 64 : i64
// CHECK: scf.for
// The page, and the keys [from, to) of it that are seen.
// CHECK: llvm.getelementptr %[[TABLE]]
// CHECK: %[[FROM:.*]] = arith.maxsi
// CHECK: %[[TO:.*]] = arith.minsi
// CHECK: %[[SCORES:.*]]:4 = scf.for
// CHECK-COUNT-4: llvm.intr.fma
// CHECK: scf.yield
// CHECK: %[[SEEN:.*]] = arith.andi %{{.*}}, %{{.*}} : vector<16xi1>
// CHECK: %[[SCALED:.*]] = arith.mulf %[[SCORES]]#0,
// CHECK-NEXT: %[[NONE:.*]] = arith.constant dense<0xFF800000> : vector<16xf32>
// CHECK-NEXT: %[[S:.*]] = arith.select %[[SEEN]], %[[SCALED]], %[[NONE]]
// CHECK: arith.maxnumf %[[S]],
// The exponential begins with the masked score.
// CHECK: arith.subf %[[S]],
// CHECK: llvm.intr.fma
// CHECK: scf.for %{{.*}} = %[[FROM]] to %[[TO]]
// CHECK-NEXT: arith.constant
// CHECK: llvm.load {{.*}} -> vector<16xi16>
// CHECK: llvm.intr.fma

// Items are taken from the counter. Two query heads share a head of keys.
// CHECK: func.func @p(
// CHECK: scf.while
// CHECK: llvm.atomicrmw add %{{.*}}, %{{.*}} monotonic
// CHECK: scf.condition
// CHECK: func.call @[[ATTEND]](
// CHECK: func.call @[[ATTEND]](
