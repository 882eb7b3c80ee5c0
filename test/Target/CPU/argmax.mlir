// RUN: kvasir-opt %s --kvasir-lower | FileCheck %s

// The naive path of the greedy choice: a value that is more than all before takes their place;
// infinity and NaN make it -1.
step.phase @p kind <serial> {
^bb0(%x: !step.buffer<rows, 64>, %out: !step.buffer<rows, i32>):
  %0 = step.read %x : !step.buffer<rows, 64> -> tensor<?x64xf32>
  %1 = llm.argmax %0 {count = 50 : i64} : tensor<?x64xf32>, tensor<?xi32>
  step.write %1, %out : tensor<?xi32>, !step.buffer<rows, i32>
}

// CHECK: func.func @p(
// CHECK: scf.for
// CHECK: %[[END:.*]] = arith.constant 50 : i64
// CHECK: scf.for {{.*}} to %[[END]] {{.*}} -> (f32, i64, i64)
// CHECK: arith.cmpf ogt
// CHECK: arith.cmpf uge
// CHECK: %[[ID:.*]] = arith.trunci %{{.*}} : i64 to i32
// CHECK: llvm.store %[[ID]]
