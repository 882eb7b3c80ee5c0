// RUN: kvasir-opt %s --kvasir-lower=target=cuda:sm_90 | FileCheck %s

// Columns divided among blocks, in steps of more than 8 tokens.
step.phase @p kind <panels> {
^bb0(%x: !step.buffer<tokens, 2048>, %w: !llm.weight<48x2048xbf16>, %out: !step.buffer<tokens, 48>, %sums: !step.buffer<one, 4194304>, %count: !step.counter):
  %0 = step.read %x : !step.buffer<tokens, 2048> -> tensor<?x2048xf32>
  %1 = llm.linear %0, [%w] {step.token_tile = 32} : tensor<?x2048xf32>, [!llm.weight<48x2048xbf16>] -> tensor<?x48xf32>
  step.write %1, %out : tensor<?x48xf32>, !step.buffer<tokens, 48>
}

// CHECK: llvm.func @p(
// CHECK-COUNT-64: nvvm.mma.sync
// CHECK-NOT: llvm.atomicrmw
// A block hands on its sums: all its threads store, then one of them counts, between two fences,
// and all know whether the block is the last one.
// CHECK: llvm.store %{{.*}} {alignment = 16 : i64} : vector<4xf32>, !llvm.ptr<1>
// CHECK: nvvm.barrier0
// CHECK: llvm.fence syncscope("device") acq_rel
// CHECK: llvm.atomicrmw add %{{.*}}, %{{.*}} syncscope("device") monotonic : !llvm.ptr<1>, i32
// CHECK-NEXT: llvm.fence syncscope("device") acq_rel
// CHECK: nvvm.barrier0
// The last one adds the 8 sums in the order of shares.
// CHECK-COUNT-8: llvm.load %{{.*}} {alignment = 16 : i64} : !llvm.ptr<1> -> vector<4xf32>
// CHECK: %[[S0:.*]] = arith.addf
// CHECK: %[[S1:.*]] = arith.addf %[[S0]]
// CHECK: llvm.store %{{.*}} {alignment = 16 : i64} : vector<4xf32>, !llvm.ptr<3>
// CHECK: nvvm.bar.warp.sync
// CHECK-NOT: llvm.atomicrmw
