// RUN: kvasir-opt %s --kvasir-lower=target=cuda:sm_90 | FileCheck %s --check-prefixes=CHECK,DEPENDENT
// RUN: kvasir-opt %s --kvasir-lower=target=cuda:sm_80 | FileCheck %s --check-prefixes=CHECK,ALONE --implicit-check-not=griddepcontrol

// Work on rows: a block has a row, with a barrier after each op. What only this phase reads lies in
// shared memory.
step.phase @p kind <rows> {
^bb0(%x: !step.buffer<tokens, 512>, %w: !llm.weight<64xbf16>, %t: !step.buffer<tokens, 64>, %s: !step.buffer<one, 512>, %out: !step.buffer<tokens, 512>):
  %0 = step.read %x : !step.buffer<tokens, 512> -> tensor<?x512xf32>
  %1 = step.read %t : !step.buffer<tokens, 64> -> tensor<?x64xf32>
  %2 = llm.rms_norm %0, %w {epsilon = 1.0e-06 : f32, group = 64 : i64} : tensor<?x512xf32>, !llm.weight<64xbf16>
  %3 = llm.rope %2, %1 {head_size = 64 : i64} : tensor<?x512xf32>, tensor<?x64xf32>
  step.write %2, %s : tensor<?x512xf32>, !step.buffer<one, 512>
  step.write %3, %out : tensor<?x512xf32>, !step.buffer<tokens, 512>
}

// CHECK: llvm.mlir.global internal @[[SCRATCH:.*]]() {addr_space = 3 : i32, alignment = 16 : i64} : !llvm.array<2048 x i8>
// CHECK: llvm.func @p(
// DEPENDENT-SAME: kvasir.dependent
// ALONE-NOT: kvasir.dependent
// CHECK-SAME: kvasir.items = array<i64: 0, 1, 0, 0>
// CHECK: llvm.mlir.addressof @[[SCRATCH]] : !llvm.ptr<3>
// From sm_90 on the next kernel may start when this one has, which reads nothing that others wrote
// before it has waited for them.
// DEPENDENT: nvvm.griddepcontrol launch_dependents
// CHECK: %[[BLOCK:.*]] = nvvm.read.ptx.sreg.ctaid.x : i32
// CHECK: %[[GRID:.*]] = nvvm.read.ptx.sreg.nctaid.x : i32
// DEPENDENT: nvvm.griddepcontrol wait
// CHECK: scf.for %{{.*}} = %[[BLOCK]] to %{{.*}} step %[[GRID]]
// Eight heads, one for each warp.
// CHECK-COUNT-5: nvvm.shfl.sync bfly
// CHECK: llvm.store %{{.*}} : f32, !llvm.ptr<3>
// CHECK: nvvm.barrier0
// CHECK: llvm.load %{{.*}} : !llvm.ptr<3> -> f32
// CHECK: llvm.store %{{.*}} : f32, !llvm.ptr<1>
// CHECK: nvvm.barrier0
