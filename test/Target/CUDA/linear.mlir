// RUN: sed s/ELEMENT/bf16/ %s | kvasir-opt --kvasir-lower=target=cuda:sm_90 | FileCheck %s --check-prefixes=CHECK,BF16
// RUN: sed s/ELEMENT/f16/ %s | kvasir-opt --kvasir-lower=target=cuda:sm_90 | FileCheck %s --check-prefixes=CHECK,F16

// A linear layer of 48 outputs and 2048 inputs: tiles of 16 outputs are dealt to the blocks, the
// 64 tiles of K to the 8 warps of a block; four are loaded ahead of the products.
step.phase @p kind <panels> {
^bb0(%x: !step.buffer<tokens, 2048>, %w: !llm.weight<48x2048xELEMENT>, %out: !step.buffer<tokens, 48>):
  %0 = step.read %x : !step.buffer<tokens, 2048> -> tensor<?x2048xf32>
  %1 = llm.linear %0, [%w] : tensor<?x2048xf32>, [!llm.weight<48x2048xELEMENT>] -> tensor<?x48xf32>
  step.write %1, %out : tensor<?x48xf32>, !step.buffer<tokens, 48>
}

// CHECK: gpu.module @sm_90 {
// CHECK: llvm.mlir.global internal @[[SHARED:.*]]() {addr_space = 3 : i32, alignment = 16 : i64} : !llvm.array<20480 x i8>
// CHECK: llvm.func @p(%{{.*}}: !llvm.ptr, %{{.*}}: !llvm.ptr, %{{.*}}: !llvm.ptr, %{{.*}}: !llvm.ptr)
// CHECK-SAME: kvasir.items = array<i64: 3, 0, 0, 0>
// CHECK-SAME: nvvm.kernel
// CHECK-SAME: nvvm.reqntid = array<i32: 256, 1, 1>
// More than 32 tokens: a tile of the warp's weights and 32 tokens, whose inputs are in shared memory.
// CHECK: llvm.store %{{.*}} {alignment = 16 : i64} : vector<4xi32>, !llvm.ptr<3>
// CHECK: nvvm.barrier0
// CHECK-COUNT-8: nvvm.mma.sync
// CHECK: nvvm.barrier0
// Fewer, in three widths: more than 16 tokens (of 32), of 16, of 8. Each has 8 products of 4 tiles for each 8 tokens.
// CHECK: scf.for {{.*}} iter_args
// CHECK-COUNT-32: nvvm.mma.sync
// CHECK: nvvm.barrier0
// CHECK: scf.for {{.*}} iter_args
// CHECK-COUNT-16: nvvm.mma.sync
// CHECK: nvvm.barrier0
// CHECK: scf.for {{.*}} iter_args
// The weights of the next round are loaded first.
// CHECK-COUNT-8: llvm.load %{{.*}} invariant {alignment = 16 : i64} : !llvm.ptr<1> -> vector<4xi32>
// BF16: arith.truncf {{.*}} : vector<2xf32> to vector<2xbf16>
// F16: arith.truncf {{.*}} : vector<2xf32> to vector<2xf16>
// BF16: nvvm.mma.sync {{.*}} {layoutA = #nvvm.mma_layout<row>, layoutB = #nvvm.mma_layout<col>, multiplicandAPtxType = #nvvm.mma_type<bf16>, multiplicandBPtxType = #nvvm.mma_type<bf16>, shape = #nvvm.shape<m = 16, n = 8, k = 16>}
// F16: nvvm.mma.sync {{.*}}shape = #nvvm.shape<m = 16, n = 8, k = 16>} : (vector<2xf16>, vector<2xf16>, f32)
// CHECK-COUNT-7: nvvm.mma.sync
// CHECK: scf.yield
// Sums of the warps, in their order; then the output.
// CHECK: nvvm.barrier0
// CHECK-COUNT-4: llvm.store %{{.*}} : f32, !llvm.ptr<3>
// CHECK: nvvm.barrier0
// CHECK: %[[P0:.*]] = llvm.load %{{.*}} : !llvm.ptr<3> -> f32
// CHECK: %[[P1:.*]] = llvm.load %{{.*}} : !llvm.ptr<3> -> f32
// CHECK-NEXT: arith.addf %[[P0]], %[[P1]] : f32
// CHECK: llvm.store %{{.*}} : f32, !llvm.ptr<1>
