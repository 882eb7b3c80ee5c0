// RUN: kvasir-opt %s --kvasir-lower | FileCheck %s

// Keys and values are rounded to the cache's type when they are written: to nearest, ties to even,
// by arithmetic on the bits (there may be no instruction for it).
step.phase @p kind <rows> {
^bb0(%k: !step.buffer<tokens, 32>, %c: !kv.paged<2x16xbf16>):
  %0 = step.read %k : !step.buffer<tokens, 32> -> tensor<?x32xf32>
  %p = step.input <positions> : tensor<?xi32>
  kv.append %c, %0, %0, %p : !kv.paged<2x16xbf16>, tensor<?x32xf32>, tensor<?xi32>
}

// CHECK: func.func @p(
// CHECK: scf.for
// The page of the position, and its place in it.
// CHECK: arith.divui %[[POSITION:.*]], %{{.*}}64
// CHECK: arith.remui %[[POSITION]], %{{.*}}64
// Two heads.
// CHECK: scf.for
// Keys one by one, 128 bytes apart.
// CHECK: scf.for
// CHECK: %[[KEY:.*]] = arith.trunci {{.*}} : i32 to i16
// CHECK-NEXT: llvm.store %[[KEY]],
// Values as a row.
// CHECK: scf.for
// CHECK: %[[VALUES:.*]] = arith.trunci {{.*}} : vector<16xi32> to vector<16xi16>
// CHECK-NEXT: llvm.store %[[VALUES]],
