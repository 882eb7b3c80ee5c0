// RUN: kvasir-opt %s | FileCheck %s

// CHECK: kv.cache @l0 layer 0 : !kv.cache<2x16>
kv.cache @l0 layer 0 : !kv.cache<2x16>
// CHECK: kv.cache @l1 layer 1 : !kv.cache<2x16, window = 12>
kv.cache @l1 layer 1 : !kv.cache<2x16, window = 12>
// CHECK: kv.cache @l2 layer 2 : !kv.paged<2x16xbf16>
kv.cache @l2 layer 2 : !kv.paged<2x16xbf16>
// CHECK: kv.cache @l3 layer 3 : !kv.paged<2x16xf16, window = 12>
kv.cache @l3 layer 3 : !kv.paged<2x16xf16, window = 12>
// CHECK: kv.cache @l4 layer 4 : !kv.paged<2x16xi8, window = 12>
kv.cache @l4 layer 4 : !kv.paged<2x16xi8, window = 12>

// CHECK-LABEL: func @unplaced
func.func @unplaced(%q: tensor<?x64xf32>, %k: tensor<?x32xf32>, %v: tensor<?x32xf32>, %positions: tensor<?xi32>) -> tensor<?x64xf32> {
  // CHECK: %[[C:.*]] = kv.get_cache @l0 : !kv.cache<2x16>
  %c = kv.get_cache @l0 : !kv.cache<2x16>
  // CHECK: kv.append %[[C]], %{{.*}}, %{{.*}}, %{{.*}} : !kv.cache<2x16>, tensor<?x32xf32>, tensor<?xi32>
  kv.append %c, %k, %v, %positions : !kv.cache<2x16>, tensor<?x32xf32>, tensor<?xi32>
  // CHECK: kv.attend %[[C]], %{{.*}} {heads = 4 : i64, scale = 2.500000e-01 : f32} : !kv.cache<2x16>, tensor<?x64xf32>
  %a = kv.attend %c, %q {heads = 4 : i64, scale = 0.25 : f32} : !kv.cache<2x16>, tensor<?x64xf32>
  return %a : tensor<?x64xf32>
}

// CHECK-LABEL: func @paged
func.func @paged(%q: tensor<?x64xf32>, %k: tensor<?x32xf32>, %v: tensor<?x32xf32>, %positions: tensor<?xi32>) -> tensor<?x64xf32> {
  // CHECK: %[[C:.*]] = kv.get_cache @l3 : !kv.paged<2x16xf16, window = 12>
  %c = kv.get_cache @l3 : !kv.paged<2x16xf16, window = 12>
  // CHECK: kv.append %[[C]], {{.*}} : !kv.paged<2x16xf16, window = 12>, tensor<?x32xf32>, tensor<?xi32>
  kv.append %c, %k, %v, %positions : !kv.paged<2x16xf16, window = 12>, tensor<?x32xf32>, tensor<?xi32>
  // CHECK: kv.attend %[[C]], {{.*}} : !kv.paged<2x16xf16, window = 12>, tensor<?x64xf32>
  %a = kv.attend %c, %q {heads = 4 : i64, scale = 0.25 : f32} : !kv.paged<2x16xf16, window = 12>, tensor<?x64xf32>
  return %a : tensor<?x64xf32>
}

// CHECK-LABEL: func @partitions
func.func @partitions(%c: !kv.paged<2x16xbf16>, %q: tensor<?x64xf32>, %positions: tensor<?xi32>) -> tensor<?x64xf32> {
  // CHECK: %[[P:.*]] = kv.attend_partitions %{{.*}}, %{{.*}} {heads = 4 : i64, partitions = 2 : i64, scale = 2.500000e-01 : f32} : !kv.paged<2x16xbf16>, tensor<?x64xf32>, tensor<?x144xf32>
  %p = kv.attend_partitions %c, %q {heads = 4 : i64, partitions = 2 : i64, scale = 0.25 : f32} : !kv.paged<2x16xbf16>, tensor<?x64xf32>, tensor<?x144xf32>
  // CHECK: kv.merge_partitions %[[P]], %{{.*}} {heads = 4 : i64, partitions = 2 : i64, window = 12 : i64} : tensor<?x144xf32>, tensor<?xi32>, tensor<?x64xf32>
  %a = kv.merge_partitions %p, %positions {heads = 4 : i64, partitions = 2 : i64, window = 12 : i64} : tensor<?x144xf32>, tensor<?xi32>, tensor<?x64xf32>
  return %a : tensor<?x64xf32>
}
