// What becomes of a kernel.
// RUN: kvasir-opt %s --kvasir-emulate | FileCheck %s

// CHECK-LABEL: module @"emulate:sm_90"
// CHECK: llvm.mlir.global private constant @[[PLACE:where.0]]("llvm.load #2 (emulate.mlir:{{[0-9]+}}:{{[0-9]+}})\00")
// CHECK: llvm.func internal @copy.thread(%[[THREAD:.*]]: !llvm.ptr, %{{.*}}: !llvm.ptr, %{{.*}}: !llvm.ptr)
// CHECK: %[[WHERE:.*]] = llvm.mlir.addressof @[[PLACE]]
// CHECK: %[[HOST:.*]] = llvm.call @kvasir_emu_access(%[[THREAD]], %{{.*}}, %{{.*}}, %{{.*}}, %[[WHERE]])
// CHECK: llvm.load %[[HOST]] : !llvm.ptr -> i32
// CHECK: llvm.call @kvasir_emu_barrier(%[[THREAD]]
// CHECK-NOT: nvvm.
// CHECK: llvm.func @copy(%{{.*}}: !llvm.ptr, %{{.*}}: !llvm.ptr, %{{.*}}: i32, %{{.*}}: i32)
// CHECK: llvm.call @kvasir_emu_launch
// CHECK: llvm.mlir.global external hidden constant @kvasir_emu_limits(dense<[64, 16, 0]> : tensor<3xi32>)
gpu.module @sm_90 {
  llvm.mlir.global internal @s() {addr_space = 3 : i32} : !llvm.array<4 x i32>
  llvm.func @copy(%args: !llvm.ptr, %from: !llvm.ptr) attributes {nvvm.kernel,
      nvvm.reqntid = array<i32: 64, 1, 1>, kvasir.items = array<i64: 1, 0, 0, 0>} {
    %s = llvm.mlir.addressof @s : !llvm.ptr<3>
    %v = llvm.load %from : !llvm.ptr -> i32
    nvvm.barrier0
    llvm.return
  }
}
