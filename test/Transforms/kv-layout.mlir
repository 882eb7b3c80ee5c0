// RUN: kvasir-opt %s --kvasir-kv-layout=element-type=bf16 | FileCheck %s
// RUN: kvasir-opt %s --kvasir-kv-layout | FileCheck %s --check-prefix=F32
// RUN: kvasir-opt %s --kvasir-kv-layout=element-type=f16 | FileCheck %s --check-prefix=F16
// RUN: kvasir-opt %s --kvasir-kv-layout=element-type=i8 | FileCheck %s --check-prefix=I8

// Keys and values, 2 bytes each: 2 * 2 * (2 * 16 + 1 * 32).
// CHECK: module attributes {kv.bytes_per_token = 256 : i64}
// CHECK: kv.cache @layer0 layer 0 : !kv.paged<2x16xbf16>
// CHECK: kv.cache @layer1 layer 1 : !kv.paged<1x32xbf16, window = 12>
// F32: module attributes {kv.bytes_per_token = 512 : i64}
// F32: !kv.paged<2x16xf32>
// F16: module attributes {kv.bytes_per_token = 256 : i64}
// F16: !kv.paged<2x16xf16>
// Keys and values, a byte each, with a scale of 4 bytes for each head: 2 * (2 * 20 + 1 * 36).
// I8: module attributes {kv.bytes_per_token = 152 : i64}
// I8: !kv.paged<2x16xi8>
// I8: !kv.paged<1x32xi8, window = 12>
kv.cache @layer0 layer 0 : !kv.cache<2x16>
kv.cache @layer1 layer 1 : !kv.cache<1x32, window = 12>

// CHECK-LABEL: func @step
func.func @step(%ids: tensor<?xi32>, %positions: tensor<?xi32>, %q: tensor<?x64xf32>, %k: tensor<?x32xf32>) -> tensor<?x64xf32> {
  // CHECK: %[[C:.*]] = kv.get_cache @layer1 : !kv.paged<1x32xbf16, window = 12>
  %c = kv.get_cache @layer1 : !kv.cache<1x32, window = 12>
  // CHECK: kv.append %[[C]], {{.*}} : !kv.paged<1x32xbf16, window = 12>
  kv.append %c, %k, %k, %positions : !kv.cache<1x32, window = 12>, tensor<?x32xf32>, tensor<?xi32>
  // CHECK: kv.attend %[[C]], {{.*}} : !kv.paged<1x32xbf16, window = 12>
  %a = kv.attend %c, %q {heads = 2 : i64, scale = 0.25 : f32} : !kv.cache<1x32, window = 12>, tensor<?x64xf32>
  return %a : tensor<?x64xf32>
}
