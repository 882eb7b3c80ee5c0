// RUN: kvasir-opt %s -verify-diagnostics --kvasir-verify-phase=phase=fuse-attention

// A cache without a place is what this phase makes.
kv.cache @layer0 layer 0 : !kv.cache<2x16>

func.func @step(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  // expected-error @below {{unexpected 'llm.attention' after phase 'fuse-attention'}}
  %0 = llm.attention %x, %x, %x {heads = 4 : i64, kv_heads = 4 : i64, layer = 0 : i64, scale = 0.25 : f32} : tensor<?x64xf32>, tensor<?x64xf32>
  return %0 : tensor<?x64xf32>
}
