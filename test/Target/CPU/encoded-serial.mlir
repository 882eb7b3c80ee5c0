// RUN: kvasir-opt %s --kvasir-lower | FileCheck %s

// The naive path reads encoded weights as packed for it, decoded to f32, and quantized rows as the
// numbers they stand for.
step.phase @p kind <serial> {
^bb0(%x: !step.buffer<tokens, 64, <group = 32, sums = 32, factor = 8>>, %w: !llm.weight<48x64x!llm.encoded<"int4-g32">>, %out: !step.buffer<tokens, 48>):
  %0 = step.read %x : !step.buffer<tokens, 64, <group = 32, sums = 32, factor = 8>> -> tensor<?x64xi8, #llm.int8_rows<group = 32, sums = 32, factor = 8>>
  %1 = llm.linear %0, [%w] : tensor<?x64xi8, #llm.int8_rows<group = 32, sums = 32, factor = 8>>, [!llm.weight<48x64x!llm.encoded<"int4-g32">>] -> tensor<?x48xf32>
  step.write %1, %out : tensor<?x48xf32>, !step.buffer<tokens, 48>
}

// CHECK-NOT: vector
// CHECK: func.func @p(
// CHECK-COUNT-3: scf.for
// CHECK-DAG: %[[WEIGHT:.*]] = llvm.load %{{.*}} : !llvm.ptr -> f32
// CHECK-DAG: %[[CODE:.*]] = llvm.load %{{.*}} : !llvm.ptr -> i8
// CHECK: %[[INTEGER:.*]] = arith.extsi %{{.*}} : i8 to i32
// CHECK: %[[FLOAT:.*]] = arith.sitofp %[[INTEGER]] : i32 to f32
// CHECK: %[[INPUT:.*]] = arith.mulf %[[FLOAT]], %{{.*}} : f32
// CHECK: %[[PRODUCT:.*]] = arith.mulf %[[INPUT]], %{{.*}} : f32
// CHECK: arith.addf %{{.*}}, %[[PRODUCT]] : f32
// CHECK-NOT: vector
// CHECK: module
