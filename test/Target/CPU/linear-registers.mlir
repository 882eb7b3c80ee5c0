// RUN: kvasir-opt %s --kvasir-lower | FileCheck %s

// What a kernel computes side by side fits the registers: with AVX2 seven tokens take a panel in
// two halves; with AVX-512 twelve tokens take two panels, and more tokens are two kernels.
step.phase @p kind <panels> {
^bb0(%x: !step.buffer<tokens, 32>, %w: !llm.weight<32x32xf32>, %out: !step.buffer<tokens, 32>):
  %0 = step.read %x : !step.buffer<tokens, 32> -> tensor<?x32xf32>
  %1 = llm.linear %0, [%w] : tensor<?x32xf32>, [!llm.weight<32x32xf32>] -> tensor<?x32xf32>
  step.write %1, %out : tensor<?x32xf32>, !step.buffer<tokens, 32>
}

// CHECK: module @"x86-64-v4" {
// CHECK: func.func private @linear_f32_k32_x128(
// Two panels of sixteen tokens.
// CHECK: case 32 {
// CHECK: func.call @linear_f32_k32_x128_m8_p2(
// CHECK: func.call @linear_f32_k32_x128_m8_p2(
// CHECK: scf.yield
// CHECK-NOT: func.func private @linear_f32_k32_x128_m13
// CHECK: func.func private @linear_f32_k32_x128_m12_p2(
// CHECK-COUNT-24: llvm.load {{.*}} {alignment = 64 : i64} : !llvm.ptr -> vector<16xf32>
// CHECK: scf.for

// CHECK: module @"x86-64-v3" {
// CHECK: func.func private @linear_f32_k32_x128_m6_p1(
// CHECK: llvm.load {{.*}} {alignment = 64 : i64} : !llvm.ptr -> vector<16xf32>
// CHECK: func.func private @linear_f32_k32_x128_m7_p1(
// CHECK-COUNT-7: llvm.load {{.*}} {alignment = 32 : i64} : !llvm.ptr -> vector<8xf32>
// CHECK: scf.for
// CHECK: "llvm.intr.prefetch"
// CHECK-COUNT-7: llvm.store {{.*}} {alignment = 32 : i64} : vector<8xf32>
// The other half of the rows.
// CHECK: llvm.getelementptr %{{.*}}[32]
// CHECK-COUNT-7: llvm.store {{.*}} {alignment = 32 : i64} : vector<8xf32>
// CHECK: return
