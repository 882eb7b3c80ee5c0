// RUN: kvasir-opt %s --kvasir-lower | FileCheck %s

// Query heads that share keys are computed together, as many as fit the registers: with AVX-512
// four and the one that is left; with AVX2 one after the other. Phases that have the same shape
// share the function.
step.phase @first kind <attend> {
^bb0(%q: !step.buffer<tokens, 80>, %c: !kv.paged<1x16xf32>, %n: !step.counter, %out: !step.buffer<tokens, 80>):
  %0 = step.read %q : !step.buffer<tokens, 80> -> tensor<?x80xf32>
  %1 = kv.attend %c, %0 {heads = 5 : i64, scale = 0.25 : f32} : !kv.paged<1x16xf32>, tensor<?x80xf32>
  step.write %1, %out : tensor<?x80xf32>, !step.buffer<tokens, 80>
}
step.phase @second kind <attend> {
^bb0(%q: !step.buffer<tokens, 80>, %c: !kv.paged<1x16xf32, window = 9>, %n: !step.counter, %out: !step.buffer<tokens, 80>):
  %0 = step.read %q : !step.buffer<tokens, 80> -> tensor<?x80xf32>
  %1 = kv.attend %c, %0 {heads = 5 : i64, scale = 0.25 : f32} : !kv.paged<1x16xf32, window = 9>, tensor<?x80xf32>
  step.write %1, %out : tensor<?x80xf32>, !step.buffer<tokens, 80>
}

// CHECK: module @"x86-64-v4" {
// CHECK: func.func private @[[FOUR:attend_f32_h1x16_r4_.*]](%
// CHECK: func.func private @[[ONE:attend_f32_h1x16_r1_.*]](%
// CHECK: func.func @first(
// CHECK: call @[[FOUR]](
// CHECK: call @[[ONE]](
// CHECK-NOT: func.func private
// CHECK: func.func @second(
// CHECK: call @[[FOUR]](
// CHECK: call @[[ONE]](
// CHECK: module @"x86-64-v3" {
// CHECK: func.func @first(
// CHECK-COUNT-5: call @[[ONE]](
// CHECK: func.func @second(
