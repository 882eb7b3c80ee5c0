// RUN: kvasir-opt %s | FileCheck %s

// CHECK-LABEL: func @rows
func.func @rows(%ids: tensor<?xi32>, %table: !llm.weight<256x64xbf16>, %w: !llm.weight<64xbf16>, %h: !llm.weight<16xbf16>) -> tensor<?x64xf32> {
  // CHECK: llm.embedding %{{.*}}, %{{.*}} : (tensor<?xi32>, !llm.weight<256x64xbf16>) -> tensor<?x64xf32>
  %x = llm.embedding %ids, %table : (tensor<?xi32>, !llm.weight<256x64xbf16>) -> tensor<?x64xf32>
  // CHECK: llm.embedding %{{.*}}, %{{.*}} layout <panel16> :
  %y = llm.embedding %ids, %table layout <panel16> : (tensor<?xi32>, !llm.weight<256x64xbf16>) -> tensor<?x64xf32>
  // CHECK: llm.select_rows %{{.*}}, %{{.*}} : tensor<?x64xf32>, tensor<?xi32>
  %s = llm.select_rows %x, %ids : tensor<?x64xf32>, tensor<?xi32>
  // CHECK: llm.rms_norm %{{.*}}, %{{.*}} {epsilon = {{.*}} : f32, group = 64 : i64} : tensor<?x64xf32>, !llm.weight<64xbf16>
  %n = llm.rms_norm %s, %w {epsilon = 1.0e-06 : f32, group = 64 : i64} : tensor<?x64xf32>, !llm.weight<64xbf16>
  // CHECK: llm.rms_norm %{{.*}}, %{{.*}} {epsilon = {{.*}} : f32, group = 16 : i64} : tensor<?x64xf32>, !llm.weight<16xbf16>
  %m = llm.rms_norm %n, %h {epsilon = 1.0e-06 : f32, group = 16 : i64} : tensor<?x64xf32>, !llm.weight<16xbf16>
  // CHECK: llm.layer_norm %{{.*}}, %{{.*}} {epsilon = {{.*}} : f32} : tensor<?x64xf32>, !llm.weight<64xbf16>
  %l = llm.layer_norm %m, %w {epsilon = 1.0e-05 : f32} : tensor<?x64xf32>, !llm.weight<64xbf16>
  // CHECK: llm.layer_norm %{{.*}}, %{{.*}}, %{{.*}} {epsilon = {{.*}} : f32} : tensor<?x64xf32>, !llm.weight<64xbf16>, !llm.weight<64xbf16>
  %b = llm.layer_norm %l, %w, %w {epsilon = 1.0e-05 : f32} : tensor<?x64xf32>, !llm.weight<64xbf16>, !llm.weight<64xbf16>
  return %b : tensor<?x64xf32>
}

// CHECK-LABEL: func @linear
func.func @linear(%x: tensor<?x64xf32>, %q: !llm.weight<64x64xbf16>, %k: !llm.weight<32x64xf16>, %bq: !llm.weight<64xbf16>, %bk: !llm.weight<32xf16>) {
  // CHECK: llm.linear %{{.*}}, [%{{.*}}] : tensor<?x64xf32>, [!llm.weight<64x64xbf16>] -> tensor<?x64xf32>
  %0 = llm.linear %x, [%q] : tensor<?x64xf32>, [!llm.weight<64x64xbf16>] -> tensor<?x64xf32>
  // CHECK: llm.linear %{{.*}}, [%{{.*}}, %{{.*}}] bias[%{{.*}}, %{{.*}}] : tensor<?x64xf32>, [!llm.weight<64x64xbf16>, !llm.weight<32x64xf16>] bias[!llm.weight<64xbf16>, !llm.weight<32xf16>] -> tensor<?x64xf32>, tensor<?x32xf32>
  %1, %2 = llm.linear %x, [%q, %k] bias [%bq, %bk] : tensor<?x64xf32>, [!llm.weight<64x64xbf16>, !llm.weight<32x64xf16>] bias [!llm.weight<64xbf16>, !llm.weight<32xf16>] -> tensor<?x64xf32>, tensor<?x32xf32>
  return
}

// CHECK-LABEL: func @attention
func.func @attention(%q: tensor<?x64xf32>, %k: tensor<?x32xf32>, %p: tensor<?xi32>, %totals: tensor<?xi32>) {
  // CHECK: llm.rope_table %{{.*}}, %{{.*}} {frequencies = array<f32: 1.000000e+00, 0.00999999977>, magnitude = 1.000000e+00 : f32} : tensor<?xi32> -> tensor<?x4xf32>
  %t = llm.rope_table %p, %totals {frequencies = array<f32: 1.0, 0.01>, magnitude = 1.0 : f32} : tensor<?xi32> -> tensor<?x4xf32>
  // CHECK: llm.rope_table {{.*}}long_frequencies = array<f32: 2.000000e+00>, long_magnitude = 1.500000e+00 : f32, {{.*}}original_context = 32 : i64
  %u = llm.rope_table %p, %totals {frequencies = array<f32: 1.0>, magnitude = 1.0 : f32, long_frequencies = array<f32: 2.0>, long_magnitude = 1.5 : f32, original_context = 32 : i64} : tensor<?xi32> -> tensor<?x2xf32>
  // CHECK: llm.rope %{{.*}}, %{{.*}} {head_size = 16 : i64} : tensor<?x64xf32>, tensor<?x4xf32>
  %r = llm.rope %q, %t {head_size = 16 : i64} : tensor<?x64xf32>, tensor<?x4xf32>
  // CHECK: llm.attention %{{.*}}, %{{.*}}, %{{.*}} {heads = 4 : i64, kv_heads = 2 : i64, layer = 0 : i64, scale = 2.500000e-01 : f32} : tensor<?x64xf32>, tensor<?x32xf32>
  %a = llm.attention %r, %k, %k {heads = 4 : i64, kv_heads = 2 : i64, layer = 0 : i64, scale = 0.25 : f32} : tensor<?x64xf32>, tensor<?x32xf32>
  // CHECK: llm.attention {{.*}} window = 12 : i64
  %b = llm.attention %a, %k, %k {heads = 4 : i64, kv_heads = 2 : i64, layer = 1 : i64, scale = 0.25 : f32, window = 12 : i64} : tensor<?x64xf32>, tensor<?x32xf32>
  return
}

// CHECK-LABEL: func @argmax
func.func @argmax(%x: tensor<?x256xf32>) {
  // CHECK: llm.argmax %{{.*}} {count = 250 : i64} : tensor<?x256xf32>, tensor<?xi32>
  %0 = llm.argmax %x {count = 250 : i64} : tensor<?x256xf32>, tensor<?xi32>
  return
}

// CHECK-LABEL: func @elementwise
func.func @elementwise(%x: tensor<?x64xf32>) {
  // CHECK: llm.activation <silu> %{{.*}} : tensor<?x64xf32>
  %0 = llm.activation <silu> %x : tensor<?x64xf32>
  // CHECK: llm.activation <gelu>
  %1 = llm.activation <gelu> %0 : tensor<?x64xf32>
  // CHECK: llm.activation <relu>
  %2 = llm.activation <relu> %1 : tensor<?x64xf32>
  // CHECK: llm.gated_act <gelu_tanh> %{{.*}}, %{{.*}} : tensor<?x64xf32>
  %3 = llm.gated_act <gelu_tanh> %1, %2 : tensor<?x64xf32>
  // CHECK: llm.add %{{.*}}, %{{.*}} : tensor<?x64xf32>
  %4 = llm.add %3, %x : tensor<?x64xf32>
  // CHECK: llm.add %{{.*}}, %{{.*}} {scale = {{.*}} : f32} : tensor<?x64xf32>
  %5 = llm.add %4, %x {scale = 0.22 : f32} : tensor<?x64xf32>
  // CHECK: llm.scale %{{.*}} {factor = 1.200000e+01 : f32} : tensor<?x64xf32>
  %6 = llm.scale %5 {factor = 12.0 : f32} : tensor<?x64xf32>
  return
}
