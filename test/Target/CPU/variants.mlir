// RUN: kvasir-opt %s --kvasir-lower=variants=x86-64-v3 | FileCheck %s
// RUN: kvasir-opt %s --kvasir-lower=variants=x86-64-v4-vnni | FileCheck %s --check-prefix=STANDS
// RUN: not kvasir-opt %s --kvasir-lower=variants=x86-64-v3,z80 2>&1 | FileCheck %s --check-prefix=UNKNOWN

// Code for the variants that are named. Nothing here multiplies bytes: there is no code of its own for dot products.
// CHECK-NOT: module @"x86-64-v4
// CHECK: module @"x86-64-v3" {
// STANDS-NOT: vnni
// STANDS: module @"x86-64-v4" {
// STANDS-NOT: module @"
// UNKNOWN: error: unknown variant 'z80': expected one of x86-64-v4-vnni, x86-64-v4, x86-64-v3-vnni, x86-64-v3
step.phase @p kind <rows> {
^bb0(%x: !step.buffer<tokens, 32>, %y: !step.buffer<tokens, 32>):
  %0 = step.read %x : !step.buffer<tokens, 32> -> tensor<?x32xf32>
  %1 = llm.activation <silu> %0 : tensor<?x32xf32>
  step.write %1, %y : tensor<?x32xf32>, !step.buffer<tokens, 32>
}
