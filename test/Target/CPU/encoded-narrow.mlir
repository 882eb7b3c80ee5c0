// Matrices of all sizes share the decoder of an encoding: even of a narrow one, a row has one scale.
// RUN: kvasir-opt %s --kvasir-lower | FileCheck %s

step.phase @p kind <panels> {
^bb0(%x: !step.buffer<tokens, 12>, %w: !llm.weight<48x12x!llm.encoded<"int8">>, %out: !step.buffer<tokens, 48>):
  %0 = step.read %x : !step.buffer<tokens, 12> -> tensor<?x12xf32>
  %1 = llm.linear %0, [%w] : tensor<?x12xf32>, [!llm.weight<48x12x!llm.encoded<"int8">>] -> tensor<?x48xf32>
  step.write %1, %out : tensor<?x48xf32>, !step.buffer<tokens, 48>
}

// CHECK: module @"x86-64-v4" {
// CHECK: func.func private @decode_int8_32(
// CHECK-COUNT-2: llvm.load {{.*}} -> vector<16xf32>
// CHECK-NOT: llvm.load {{.*}} -> vector<16xf32>
// CHECK: return
