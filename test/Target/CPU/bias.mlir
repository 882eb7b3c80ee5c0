// RUN: kvasir-opt %s --kvasir-lower | FileCheck %s

// A bias of 40 values ends within a panel of 16: the last load is masked, since what follows in
// memory belongs to another weight. A bias of 48 needs no mask.
step.phase @ragged kind <panels> {
^bb0(%x: !step.buffer<tokens, 32>, %w: !llm.weight<40x32xf32>, %b: !llm.weight<40xf32>, %out: !step.buffer<tokens, 40>):
  %0 = step.read %x : !step.buffer<tokens, 32> -> tensor<?x32xf32>
  %1 = llm.linear %0, [%w] bias [%b] : tensor<?x32xf32>, [!llm.weight<40x32xf32>] bias [!llm.weight<40xf32>] -> tensor<?x40xf32>
  step.write %1, %out : tensor<?x40xf32>, !step.buffer<tokens, 40>
}
step.phase @whole kind <panels> {
^bb0(%x: !step.buffer<tokens, 32>, %w: !llm.weight<48x32xf32>, %b: !llm.weight<48xf32>, %out: !step.buffer<tokens, 48>):
  %0 = step.read %x : !step.buffer<tokens, 32> -> tensor<?x32xf32>
  %1 = llm.linear %0, [%w] bias [%b] : tensor<?x32xf32>, [!llm.weight<48x32xf32>] bias [!llm.weight<48xf32>] -> tensor<?x48xf32>
  step.write %1, %out : tensor<?x48xf32>, !step.buffer<tokens, 48>
}

// CHECK: func.func @ragged(
// CHECK: llvm.intr.masked.load
// CHECK: arith.addf {{.*}} : vector<16xf32>
// CHECK: func.func @whole(
// CHECK-NOT: masked
// CHECK: arith.addf {{.*}} : vector<16xf32>
// CHECK: module
