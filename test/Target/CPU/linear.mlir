// RUN: sed s/ELEMENT/f32/ %s | kvasir-opt --kvasir-lower | FileCheck %s -DPANEL=4096 -DTYPE=f32 -DSTORED=f32
// RUN: sed s/ELEMENT/f16/ %s | kvasir-opt --kvasir-lower | FileCheck %s -DPANEL=2048 -DTYPE=f16 -DSTORED=f16 --check-prefixes=CHECK,F16
// RUN: sed s/ELEMENT/bf16/ %s | kvasir-opt --kvasir-lower | FileCheck %s -DPANEL=2048 -DTYPE=bf16 -DSTORED=i16 --check-prefixes=CHECK,BF16

// A linear layer with weights of each type: kernels for a number of tokens and of panels, in which
// every output is one chain of fma with K ascending, whatever the number of tokens.
step.phase @p kind <panels> {
^bb0(%x: !step.buffer<tokens, 64>, %w: !llm.weight<48x64xELEMENT>, %out: !step.buffer<tokens, 48>):
  %0 = step.read %x : !step.buffer<tokens, 64> -> tensor<?x64xf32>
  %1 = llm.linear %0, [%w] : tensor<?x64xf32>, [!llm.weight<48x64xELEMENT>] -> tensor<?x48xf32>
  step.write %1, %out : tensor<?x48xf32>, !step.buffer<tokens, 48>
}

// CHECK: module @"x86-64-v4" {
// CHECK: func.func private @linear_[[TYPE]]_k64_x256_m2_p1(%[[X:.*]]: !llvm.ptr, %[[W:.*]]: !llvm.ptr, %[[TILE:.*]]: !llvm.ptr, %[[K:.*]]: i64, %{{.*}}: i64)
// The sums go on where the inputs before left them.
// CHECK: %[[T0:.*]] = llvm.load %[[A0:.*]] {alignment = 64 : i64} : !llvm.ptr -> vector<16xf32>
// CHECK: %[[T1:.*]] = llvm.load %[[A1:.*]] {alignment = 64 : i64} : !llvm.ptr -> vector<16xf32>
// CHECK: %[[END:.*]]:2 = scf.for %{{.*}} to %[[K]] step %{{.*}} iter_args(%[[S0:.*]] = %[[T0]], %[[S1:.*]] = %[[T1]])
// CHECK: llvm.getelementptr %{{.*}}[6144]
// CHECK-NEXT: "llvm.intr.prefetch"
// CHECK: %[[ROW:.*]] = llvm.load {{.*}} -> vector<16x[[STORED]]>
// F16-NEXT: arith.extf %[[ROW]] : vector<16xf16> to vector<16xf32>
// BF16-NEXT: arith.extui %[[ROW]] : vector<16xi16> to vector<16xi32>
// CHECK: %[[U0:.*]] = llvm.intr.fma({{.*}}, %[[S0]])
// CHECK: %[[U1:.*]] = llvm.intr.fma({{.*}}, %[[S1]])
// CHECK: llvm.load {{.*}} -> vector<16x[[STORED]]>
// CHECK: %[[V0:.*]] = llvm.intr.fma({{.*}}, %[[U0]])
// CHECK: %[[V1:.*]] = llvm.intr.fma({{.*}}, %[[U1]])
// CHECK: %[[Y0:.*]] = llvm.intr.fma({{.*}}, %[[V0]])
// CHECK: %[[Y1:.*]] = llvm.intr.fma({{.*}}, %[[V1]])
// CHECK: %[[Z0:.*]] = llvm.intr.fma({{.*}}, %[[Y0]])
// CHECK: %[[Z1:.*]] = llvm.intr.fma({{.*}}, %[[Y1]])
// CHECK-NEXT: scf.yield %[[Z0]], %[[Z1]]
// CHECK: llvm.store %[[END]]#0, %[[A0]] {alignment = 64 : i64}
// CHECK: llvm.store %[[END]]#1, %[[A1]] {alignment = 64 : i64}

// Two panels are two streams: the second begins 16 rows of 64 inputs further on.
// CHECK: func.func private @linear_[[TYPE]]_k64_x256_m1_p2(
// CHECK: arith.constant [[PANEL]] : i64
// CHECK: func.func @p(
// CHECK: func.call @linear_[[TYPE]]_k64_x256(
// CHECK: module @"x86-64-v3" {
// CHECK: func.func @p(
