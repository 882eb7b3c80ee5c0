// RUN: kvasir-opt %s --kvasir-fuse-attention | FileCheck %s

// Caches are declared in the order of the attentions.
// CHECK: kv.cache @layer0 layer 0 : !kv.cache<2x16>
// CHECK: kv.cache @layer1 layer 1 : !kv.cache<1x32, window = 12>
// CHECK-LABEL: func @step(
// CHECK-SAME: %{{.*}}: tensor<?xi32>, %[[POSITIONS:.*]]: tensor<?xi32>, %{{.*}}: tensor<?xi32>, %{{.*}}: tensor<?xi32>, %[[Q:.*]]: tensor<?x64xf32>, %[[K:.*]]: tensor<?x32xf32>, %[[V:.*]]: tensor<?x32xf32>)
func.func @step(%ids: tensor<?xi32>, %positions: tensor<?xi32>, %totals: tensor<?xi32>, %rows: tensor<?xi32>,
                %q: tensor<?x64xf32>, %k: tensor<?x32xf32>, %v: tensor<?x32xf32>) -> tensor<?x64xf32> {
  // Keys and values of the step are seen by the step itself: append, then attend.
  // CHECK: %[[C0:.*]] = kv.get_cache @layer0 : !kv.cache<2x16>
  // CHECK-NEXT: kv.append %[[C0]], %[[K]], %[[V]], %[[POSITIONS]] : !kv.cache<2x16>
  // CHECK-NEXT: %[[A0:.*]] = kv.attend %[[C0]], %[[Q]] {heads = 4 : i64, scale = 2.500000e-01 : f32} : !kv.cache<2x16>, tensor<?x64xf32>
  %0 = llm.attention %q, %k, %v {heads = 4 : i64, kv_heads = 2 : i64, layer = 0 : i64, scale = 0.25 : f32} : tensor<?x64xf32>, tensor<?x32xf32>
  // CHECK-NEXT: %[[C1:.*]] = kv.get_cache @layer1 : !kv.cache<1x32, window = 12>
  // CHECK-NEXT: kv.append %[[C1]], %[[V]], %[[K]], %[[POSITIONS]]
  // CHECK-NEXT: %[[A1:.*]] = kv.attend %[[C1]], %[[A0]] {heads = 2 : i64, scale = 1.250000e-01 : f32}
  %1 = llm.attention %0, %v, %k {heads = 2 : i64, kv_heads = 1 : i64, layer = 1 : i64, scale = 0.125 : f32, window = 12 : i64} : tensor<?x64xf32>, tensor<?x32xf32>
  // CHECK-NOT: llm.attention
  // CHECK: return %[[A1]]
  return %1 : tensor<?x64xf32>
}
