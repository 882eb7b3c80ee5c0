// RUN: kvasir-opt %s --kvasir-lower | FileCheck %s

// A phase of rows: worker w of W does the rows [T w / W, T (w + 1) / W), all ops of a row before
// the next one. What lies in one row of scratch has no row number.
step.phase @p kind <rows> {
^bb0(%x: !step.buffer<tokens, 64>, %w: !llm.weight<64xbf16>, %h: !step.buffer<one, 64>, %out: !step.buffer<tokens, 64>):
  %0 = step.read %x : !step.buffer<tokens, 64> -> tensor<?x64xf32>
  %1 = llm.rms_norm %0, %w {epsilon = 1.0e-05 : f32, group = 64 : i64} : tensor<?x64xf32>, !llm.weight<64xbf16>
  %2 = llm.scale %1 {factor = 2.0 : f32} : tensor<?x64xf32>
  step.write %1, %h : tensor<?x64xf32>, !step.buffer<one, 64>
  step.write %2, %out : tensor<?x64xf32>, !step.buffer<tokens, 64>
}

// CHECK: func.func @p(%[[ARGS:.*]]: !llvm.ptr, %[[OPERANDS:.*]]: !llvm.ptr, %[[W:.*]]: i32, %[[WS:.*]]: i32)
// CHECK: %[[WORKER:.*]] = arith.extsi %[[W]]
// CHECK: %[[WORKERS:.*]] = arith.extsi %[[WS]]
// CHECK: %[[FIELD:.*]] = llvm.getelementptr %[[ARGS]][4]
// CHECK: %[[T32:.*]] = llvm.load %[[FIELD]] {alignment = 4 : i64} : !llvm.ptr -> i32
// CHECK: %[[T:.*]] = arith.extsi %[[T32]]
// CHECK: %[[BELOW:.*]] = arith.muli %[[T]], %[[WORKER]]
// CHECK: %[[FIRST:.*]] = arith.divui %[[BELOW]], %[[WORKERS]]
// CHECK: %[[LAST:.*]] = arith.divui %{{.*}}, %[[WORKERS]]
// CHECK: scf.for %[[ROW:.*]] = %[[FIRST]] to %[[LAST]]
// A row of 64 values is 256 bytes.
// CHECK: %[[OFFSET:.*]] = arith.muli %[[ROW]], %{{.*}}256
// Squares in lanes, folded in halves; the norm's weight is in f32 whatever the checkpoint has.
// CHECK: llvm.intr.fma({{.*}}) : (vector<16xf32>
// CHECK: vector.shuffle {{.*}} [0, 1, 2, 3, 4, 5, 6, 7]
// CHECK: llvm.intr.sqrt
// CHECK: arith.mulf {{.*}} : vector<16xf32>
// CHECK: arith.constant dense<2.000000e+00> : vector<16xf32>
// CHECK: return
