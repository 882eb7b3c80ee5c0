// RUN: kvasir-opt %s --kvasir-lower=target=cuda:sm_90 | FileCheck %s
// RUN: kvasir-opt %s --kvasir-lower=target=cuda:sm_80 | FileCheck %s --check-prefix=OLD

// A layer for many tokens: 256 outputs and 32 tokens of a block. One ring has weights of the warps and
// inputs of all, which lie in memory as they are multiplied.
step.phase @p kind <panels> {
^bb0(%x: !step.buffer<tokens, 2048>, %w: !llm.weight<512x2048x!llm.encoded<"int4-g128">>, %out: !step.buffer<tokens, 512>):
  %0 = step.read %x {step.stored = bf16, step.interleaved} : !step.buffer<tokens, 2048> -> tensor<?x2048xf32>
  %1 = llm.linear %0, [%w] {step.token_tile = 32} : tensor<?x2048xf32>, [!llm.weight<512x2048x!llm.encoded<"int4-g128">>] -> tensor<?x512xf32>
  step.write %1, %out : tensor<?x512xf32>, !step.buffer<tokens, 512>
}

// CHECK: llvm.func @p(
// CHECK-SAME: kvasir.dynamic_shared = 223360 : i64
// CHECK-SAME: kvasir.items = array<i64: 2, 1, 0, 0>
// CHECK-SAME: nvvm.minctasm = 1 : i32
// All stages but one of the ring: weights before the kernel waits for those before it, two tile rows of
// four tiles with their scales; then inputs, 16 bytes of a thread at a time.
// CHECK: scf.for %{{.*}} = %c0_i32{{.*}} to %c6_i32
// CHECK-COUNT-6: nvvm.cp.async.shared.global %{{.*}}, %{{.*}}, 16, cache = cg
// CHECK-NOT: nvvm.cp.async.shared.global
// CHECK: nvvm.cp.async.commit.group
// CHECK: nvvm.griddepcontrol wait
// CHECK: nvvm.cp.async.commit.group
// CHECK: scf.for %{{.*}} = %c0_i32{{.*}} to %c6_i32
// CHECK-COUNT-2: nvvm.cp.async.shared.global %{{.*}}, %{{.*}}, 16, cache = cg
// CHECK-NOT: nvvm.cp.async.shared.global
// CHECK: nvvm.cp.async.commit.group
// The next stage is there for all warps, and all have read the one before, whose place is copied to.
// CHECK: scf.for {{.*}} step %c4_i32{{.*}} iter_args
// CHECK: nvvm.cp.async.wait.group 5
// CHECK-NEXT: nvvm.barrier0
// CHECK-COUNT-8: nvvm.cp.async.shared.global %{{.*}}, %{{.*}}, 16, cache = cg
// CHECK: nvvm.cp.async.commit.group
// Each load of inputs meets both tile rows.
// CHECK: %[[X:.*]] = llvm.load %{{.*}} {alignment = 16 : i64} : !llvm.ptr<3> -> vector<4xi32>
// CHECK-COUNT-4: nvvm.mma.sync
// CHECK: llvm.load %{{.*}} {alignment = 16 : i64} : !llvm.ptr<3> -> vector<4xi32>
// CHECK-COUNT-60: nvvm.mma.sync
// Up to 8 tokens are one column.
// CHECK: } else {
// CHECK-COUNT-16: nvvm.mma.sync
// CHECK-NOT: nvvm.mma.sync

// Where a block has 99 KB, a stage is of two tiles, and two of them make a group of 128 columns.
// OLD: kvasir.dynamic_shared
// OLD: scf.for {{.*}} step %c4_i32{{.*}} iter_args
// OLD: nvvm.barrier0
// OLD-COUNT-40: nvvm.mma.sync
// OLD: nvvm.barrier0
// OLD-COUNT-40: nvvm.mma.sync
// OLD-NOT: nvvm.mma.sync
