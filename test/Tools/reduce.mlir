// RUN: kvasir-reduce %s -reduction-tree='traversal-mode=0 test=%S/Inputs/has-attention.sh' | FileCheck %s

// CHECK-NOT: @other
func.func @other(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %0 = llm.scale %x {factor = 2.0 : f32} : tensor<?x64xf32>
  return %0 : tensor<?x64xf32>
}

// CHECK: func.func @step
// CHECK: llm.attention
func.func @step(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %0 = llm.attention %x, %x, %x {heads = 4 : i64, kv_heads = 4 : i64, layer = 0 : i64, scale = 0.25 : f32} : tensor<?x64xf32>, tensor<?x64xf32>
  return %0 : tensor<?x64xf32>
}
