// RUN: kvasir-opt %s --kvasir-lower | FileCheck %s

// The naive path: worker 0 does everything, in scalar loops, with a multiplication and an addition
// for each product.
step.phase @p kind <serial> {
^bb0(%x: !step.buffer<tokens, 64>, %w: !llm.weight<48x64xbf16>, %out: !step.buffer<tokens, 48>):
  %0 = step.read %x : !step.buffer<tokens, 64> -> tensor<?x64xf32>
  %1 = llm.linear %0, [%w] : tensor<?x64xf32>, [!llm.weight<48x64xbf16>] -> tensor<?x48xf32>
  step.write %1, %out : tensor<?x48xf32>, !step.buffer<tokens, 48>
}

// CHECK-NOT: vector
// CHECK: func.func @p(%{{.*}}: !llvm.ptr, %{{.*}}: !llvm.ptr, %[[W:.*]]: i32, %{{.*}}: i32)
// CHECK: %[[WORKER:.*]] = arith.extsi %[[W]]
// CHECK: %[[FIRST:.*]] = arith.cmpi eq, %[[WORKER]],
// CHECK: scf.if %[[FIRST]] {
// CHECK-COUNT-3: scf.for
// CHECK: %[[PRODUCT:.*]] = arith.mulf %{{.*}}, %{{.*}} : f32
// CHECK-NEXT: arith.addf %{{.*}}, %[[PRODUCT]] : f32
// CHECK-NOT: vector
// CHECK: module
