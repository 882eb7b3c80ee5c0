// RUN: kvasir-opt %s --kvasir-lower | FileCheck %s

// Attention on int8 keys and values, with AVX2: scores of codes are multiplied by the keys' scales
// before what is not seen is replaced, weights by the values' scales before they are stored.
step.phase @p kind <attend> {
^bb0(%q: !step.buffer<tokens, 64>, %c: !kv.paged<2x16xi8, window = 12>, %n: !step.counter, %out: !step.buffer<tokens, 64>):
  %0 = step.read %q : !step.buffer<tokens, 64> -> tensor<?x64xf32>
  %1 = kv.attend %c, %0 {heads = 4 : i64, scale = 0.25 : f32} : !kv.paged<2x16xi8, window = 12>, tensor<?x64xf32>
  step.write %1, %out : tensor<?x64xf32>, !step.buffer<tokens, 64>
}

// CHECK: module @"x86-64-v3" {
// CHECK: func.func private @attend_i8_h2x16_r1_
// The page and the keys [from, to) of it that are seen.
// CHECK: %[[KEYS:.*]] = llvm.getelementptr %arg2
// CHECK: %[[FROM:.*]] = arith.maxsi
// CHECK: %[[TO:.*]] = arith.minsi
// CHECK: %[[SCORES:.*]]:4 = scf.for
// CHECK: llvm.load {{.*}} -> vector<16xi8>
// CHECK: arith.extsi {{.*}} : vector<16xi8> to vector<16xi32>
// CHECK: arith.sitofp {{.*}} : vector<16xi32> to vector<16xf32>
// CHECK-COUNT-4: llvm.intr.fma
// CHECK: scf.yield
// Scales of keys behind the keys, scales of values behind the values.
// CHECK: llvm.getelementptr %[[KEYS]][1024]
// CHECK: %[[KEYSCALES:.*]] = llvm.load {{.*}} -> vector<16xf32>
// CHECK: llvm.getelementptr %[[KEYS]][2304]
// CHECK: %[[VALUESCALES:.*]] = llvm.load {{.*}} -> vector<16xf32>
// CHECK: %[[SEEN:.*]] = arith.andi %{{.*}}, %{{.*}} : vector<16xi1>
// CHECK: %[[SCORE:.*]] = arith.mulf %[[SCORES]]#0, %[[KEYSCALES]]
// CHECK: %[[SCALED:.*]] = arith.mulf %[[SCORE]],
// CHECK: arith.select %[[SEEN]], %[[SCALED]], %{{.*}}
// The weight that is stored has the scale of its value in it, the one that is summed has not.
// CHECK: arith.cmpf uno,
// CHECK-NEXT: %[[P:.*]] = arith.select
// CHECK-NEXT: %[[WEIGHT:.*]] = arith.mulf %[[P]], %[[VALUESCALES]]
// CHECK-NEXT: llvm.store %[[WEIGHT]],
// CHECK: arith.addf %[[P]],
// CHECK: llvm.getelementptr %[[KEYS]][1280]
// CHECK: scf.for %{{.*}} = %[[FROM]] to %[[TO]]
// CHECK: llvm.load {{.*}} -> vector<16xi8>
// CHECK: llvm.intr.fma
