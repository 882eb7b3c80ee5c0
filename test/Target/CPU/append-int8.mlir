// RUN: kvasir-opt %s --kvasir-lower | FileCheck %s

// A head of keys and a head of values become codes and a scale each: the largest magnitude / 127.
step.phase @p kind <rows> {
^bb0(%k: !step.buffer<tokens, 32>, %c: !kv.paged<2x16xi8>):
  %0 = step.read %k : !step.buffer<tokens, 32> -> tensor<?x32xf32>
  %p = step.input <positions> : tensor<?xi32>
  kv.append %c, %0, %0, %p : !kv.paged<2x16xi8>, tensor<?x32xf32>, tensor<?xi32>
}

// CHECK: func.func @p(
// CHECK: scf.for
// Pages of 2 heads, each 2 * (64 * 16 + 64 * 4) bytes.
// CHECK: arith.constant 5120 : i64
// CHECK: scf.for
// CHECK: arith.constant 2560 : i64
// The scale of the keys lies behind them.
// CHECK: %[[MOST:.*]] = scf.for
// CHECK: llvm.intr.fabs
// CHECK: arith.maxnumf
// CHECK: %[[SCALE:.*]] = arith.divf %[[LARGEST:.*]], %{{.*}} : f32
// CHECK: %[[ZERO:.*]] = arith.cmpf oeq, %[[LARGEST]],
// CHECK: %[[INVERSE:.*]] = arith.select %[[ZERO]],
// CHECK: llvm.getelementptr %[[HEAD:.*]][1024]
// CHECK: llvm.store %[[SCALE]],
// CHECK: vector.broadcast %[[INVERSE]]
// Keys one by one, 64 bytes apart.
// CHECK: scf.for
// CHECK: llvm.intr.roundeven
// CHECK: arith.minnumf
// CHECK: arith.maxnumf
// CHECK: %[[CODES:.*]] = arith.trunci {{.*}} : vector<16xi32> to vector<16xi8>
// CHECK: %[[FIRST:.*]] = vector.extract %[[CODES]][0]
// CHECK-NEXT: llvm.store %[[FIRST]],
// CHECK: vector.extract %[[CODES]][1]
// CHECK: llvm.getelementptr %{{.*}}[64]
// CHECK: vector.extract %[[CODES]][15]
// Values as a row behind the keys and their scales, their scale behind them.
// CHECK: llvm.getelementptr %[[HEAD]][1280]
// CHECK: llvm.getelementptr %[[HEAD]][2304]
// CHECK: %[[ROW:.*]] = arith.trunci {{.*}} : vector<16xi32> to vector<16xi8>
// CHECK-NEXT: {{.*}}getelementptr
// CHECK-NEXT: llvm.store %[[ROW]],
