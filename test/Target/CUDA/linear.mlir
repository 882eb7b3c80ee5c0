// RUN: sed s/ELEMENT/bf16/ %s | kvasir-opt --kvasir-lower=target=cuda:sm_90 | FileCheck %s --check-prefixes=CHECK,BF16
// RUN: sed s/ELEMENT/f16/ %s | kvasir-opt --kvasir-lower=target=cuda:sm_90 | FileCheck %s --check-prefixes=CHECK,F16

// A linear layer of 48 outputs and 2048 inputs: tiles of 16 outputs are dealt to the blocks, the
// 64 tiles of K to the 8 warps of a block; weights come through a ring of stages of four tiles.
step.phase @p kind <panels> {
^bb0(%x: !step.buffer<tokens, 2048>, %w: !llm.weight<48x2048xELEMENT>, %out: !step.buffer<tokens, 48>):
  %0 = step.read %x : !step.buffer<tokens, 2048> -> tensor<?x2048xf32>
  %1 = llm.linear %0, [%w] : tensor<?x2048xf32>, [!llm.weight<48x2048xELEMENT>] -> tensor<?x48xf32>
  step.write %1, %out : tensor<?x48xf32>, !step.buffer<tokens, 48>
}

// CHECK: gpu.module @sm_90 {
// CHECK: llvm.mlir.global external @dynamic_shared() {addr_space = 3 : i32, alignment = 128 : i64} : !llvm.array<0 x i8>
// CHECK: llvm.func @p(%{{.*}}: !llvm.ptr, %{{.*}}: !llvm.ptr, %{{.*}}: !llvm.ptr, %{{.*}}: !llvm.ptr)
// CHECK-SAME: kvasir.dynamic_shared = 114688 : i64
// CHECK-SAME: kvasir.items = array<i64: 3, 0, 0, 0>
// CHECK-SAME: nvvm.kernel
// CHECK-SAME: nvvm.reqntid = array<i32: 256, 1, 1>
// The first weights are copied before the kernel waits for those before it: three stages, 16 bytes
// of a lane at a time.
// CHECK: nvvm.griddepcontrol launch_dependents
// CHECK: scf.for %{{.*}} = %c0_i32{{.*}} to %c3_i32
// CHECK: scf.if
// CHECK-COUNT-8: nvvm.cp.async.shared.global %{{.*}}, %{{.*}}, 16, cache = cg
// CHECK-NOT: nvvm.cp.async.shared.global
// CHECK: nvvm.cp.async.commit.group
// CHECK: nvvm.griddepcontrol wait
// Up to 8 tokens: a stage has arrived. The inputs of the next one are loaded as those of this one
// have been multiplied, tile by tile.
// CHECK: scf.for {{.*}} step %c4_i32{{.*}} iter_args
// CHECK: nvvm.cp.async.wait.group 2
// CHECK-NEXT: %{{.*}} = arith.constant -1 : i32
// CHECK-NEXT: nvvm.bar.warp.sync
// CHECK-COUNT-2: llvm.load %{{.*}} {alignment = 16 : i64} : !llvm.ptr<3> -> vector<4xi32>
// BF16: nvvm.mma.sync {{.*}} {layoutA = #nvvm.mma_layout<row>, layoutB = #nvvm.mma_layout<col>, multiplicandAPtxType = #nvvm.mma_type<bf16>, multiplicandBPtxType = #nvvm.mma_type<bf16>, shape = #nvvm.shape<m = 16, n = 8, k = 16>}
// F16: nvvm.mma.sync {{.*}}shape = #nvvm.shape<m = 16, n = 8, k = 16>} : (vector<2xf16>, vector<2xf16>, f32)
// CHECK: nvvm.mma.sync
// CHECK-NOT: nvvm.mma.sync
// CHECK-COUNT-2: llvm.load %{{.*}} {alignment = 16 : i64} : !llvm.ptr<1> -> vector<4xf32>
// CHECK-COUNT-6: nvvm.mma.sync
// CHECK-NOT: nvvm.mma.sync
// CHECK-COUNT-2: llvm.load %{{.*}} {alignment = 16 : i64} : !llvm.ptr<1> -> vector<4xf32>
// The stage's place is copied to again when all lanes have read.
// CHECK: nvvm.bar.warp.sync
// CHECK-COUNT-8: nvvm.cp.async.shared.global
// CHECK: nvvm.cp.async.commit.group
// BF16: arith.truncf {{.*}} : vector<2xf32> to vector<2xbf16>
// F16: arith.truncf {{.*}} : vector<2xf32> to vector<2xf16>
// CHECK: scf.yield
// Sums of the warps, in their order; then the output.
// CHECK: nvvm.barrier0
// CHECK-COUNT-4: llvm.store %{{.*}} : f32, !llvm.ptr<3>
// CHECK: nvvm.barrier0
// CHECK: %[[P0:.*]] = llvm.load %{{.*}} : !llvm.ptr<3> -> f32
// CHECK: %[[P1:.*]] = llvm.load %{{.*}} : !llvm.ptr<3> -> f32
// CHECK-NEXT: arith.addf %[[P0]], %[[P1]] : f32
// CHECK: llvm.store %{{.*}} : f32, !llvm.ptr<1>
// CHECK-NOT: nvvm.mma.sync
