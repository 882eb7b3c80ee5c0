// RUN: sed s/ENCODING/int4-g128/ %s | kvasir-opt --kvasir-lower=target=cuda:sm_90 | FileCheck %s --check-prefixes=CHECK,INT4
// RUN: sed s/ENCODING/q6_k/ %s | kvasir-opt --kvasir-lower=target=cuda:sm_90 | FileCheck %s --check-prefixes=CHECK,Q6K
// RUN: sed s/ENCODING/q4_k/ %s | kvasir-opt --kvasir-lower=target=cuda:sm_90 | FileCheck %s --check-prefixes=CHECK,Q4K

// Codes become integers in bf16, and a scale is applied to the sum of a group.
step.phase @p kind <panels> {
^bb0(%x: !step.buffer<tokens, 2048>, %w: !llm.weight<48x2048x!llm.encoded<"ENCODING">>, %out: !step.buffer<tokens, 48>):
  %0 = step.read %x : !step.buffer<tokens, 2048> -> tensor<?x2048xf32>
  %1 = llm.linear %0, [%w] : tensor<?x2048xf32>, [!llm.weight<48x2048x!llm.encoded<"ENCODING">>] -> tensor<?x48xf32>
  step.write %1, %out : tensor<?x48xf32>, !step.buffer<tokens, 48>
}

// CHECK: llvm.func @p(
// CHECK-SAME: kvasir.items = array<i64: 3, 0, 0, 0>
// CHECK: nvvm.cp.async.wait.group
// 128 + code, the byte 0x43 above each code, less what that is too large by; then the products of a
// tile.
// INT4: nvvm.prmt
// INT4: arith.constant 1128481603 : i32
// INT4: arith.addf %{{.*}} : vector<2xbf16>
// INT4: nvvm.mma.sync
// A group is four tiles, 8 products: then its scale, one for each row.
// INT4-COUNT-7: nvvm.mma.sync
// INT4-NEXT: llvm.extractvalue
// INT4: llvm.intr.fma(%{{.*}}, %[[S:[^,]*]], %{{.*}}) : (f32, f32, f32) -> f32
// INT4-NEXT: llvm.intr.fma(%{{.*}}, %[[S]], %{{.*}}) : (f32, f32, f32) -> f32
// INT4-NEXT: llvm.intr.fma(%{{.*}}, %[[T:[^,]*]], %{{.*}}) : (f32, f32, f32) -> f32
// INT4-NEXT: llvm.intr.fma(%{{.*}}, %[[T]], %{{.*}}) : (f32, f32, f32) -> f32

// Groups of 16: each product has a scale.
// Q6K: nvvm.mma.sync
// Q6K-NOT: nvvm.mma.sync
// Q6K-COUNT-4: llvm.intr.fma{{.*}} : (f32, f32, f32) -> f32
// Q6K: nvvm.mma.sync

// Minima take the sum of the inputs, made by products with ones.
// Q4K: nvvm.mma.sync
// Q4K: nvvm.mma.sync A[%[[A:.*]], %[[B:.*]], %[[A]], %[[B]]]
// Q4K-COUNT-2: nvvm.mma.sync
// Q4K-NOT: nvvm.mma.sync
// Q4K-COUNT-8: llvm.intr.fma{{.*}} : (f32, f32, f32) -> f32
