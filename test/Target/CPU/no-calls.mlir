// RUN: kvasir-opt %s --kvasir-pipeline="from=schedule until=lower" -o %t.mlir
// RUN: kvasir-translate --to-llvmir --variant=x86-64-v3 %t.mlir | FileCheck %s
// RUN: kvasir-translate --to-llvmir --variant=x86-64-v4 %t.mlir | FileCheck %s

// A phase calls nothing but functions of its own module and intrinsics; what it multiplies and adds
// is rounded as it is written. Math functions are written out, in the naive path too.

// CHECK-NOT: fmuladd
// CHECK-NOT: llvm.{{(exp|tanh|cos|sin|erf)}}
// CHECK-NOT: {{(fast|contract|reassoc|afn)}} {{<|float}}
// CHECK-NOT: declare {{.*}} @{{([^l]|l[^l]|ll[^v])}}
step.phase @rows kind <rows> {
^bb0(%x: !step.buffer<tokens, 32>, %t: !step.buffer<tokens, 8>, %h: !step.buffer<one, 32>, %out: !step.buffer<tokens, 32>):
  %0 = step.read %x : !step.buffer<tokens, 32> -> tensor<?x32xf32>
  %p = step.input <positions> : tensor<?xi32>
  %m = step.input <totals> : tensor<?xi32>
  %1 = llm.rope_table %p, %m {frequencies = array<f32: 1.0, 0.5, 0.25, 0.125>, magnitude = 1.0 : f32} : tensor<?xi32> -> tensor<?x8xf32>
  %2 = llm.activation <gelu> %0 : tensor<?x32xf32>
  %3 = llm.gated_act <gelu_tanh> %2, %0 : tensor<?x32xf32>
  step.write %1, %t : tensor<?x8xf32>, !step.buffer<tokens, 8>
  step.write %2, %h : tensor<?x32xf32>, !step.buffer<one, 32>
  step.write %3, %out : tensor<?x32xf32>, !step.buffer<tokens, 32>
}
step.phase @panels kind <panels> {
^bb0(%x: !step.buffer<tokens, 32>, %w: !llm.weight<40x32xbf16>, %b: !llm.weight<40xbf16>, %out: !step.buffer<tokens, 40>):
  %0 = step.read %x : !step.buffer<tokens, 32> -> tensor<?x32xf32>
  %1 = llm.linear %0, [%w] bias [%b] : tensor<?x32xf32>, [!llm.weight<40x32xbf16>] bias [!llm.weight<40xbf16>] -> tensor<?x40xf32>
  %2 = llm.activation <silu> %1 : tensor<?x40xf32>
  step.write %2, %out : tensor<?x40xf32>, !step.buffer<tokens, 40>
}
step.phase @append kind <rows> {
^bb0(%k: !step.buffer<tokens, 32>, %c: !kv.paged<2x16xbf16>):
  %0 = step.read %k : !step.buffer<tokens, 32> -> tensor<?x32xf32>
  %p = step.input <positions> : tensor<?xi32>
  kv.append %c, %0, %0, %p : !kv.paged<2x16xbf16>, tensor<?x32xf32>, tensor<?xi32>
}
step.phase @serial kind <serial> {
^bb0(%q: !step.buffer<tokens, 64>, %c: !kv.paged<2x16xf16>, %out: !step.buffer<tokens, 64>):
  %0 = step.read %q : !step.buffer<tokens, 64> -> tensor<?x64xf32>
  %1 = kv.attend %c, %0 {heads = 4 : i64, scale = 0.25 : f32} : !kv.paged<2x16xf16>, tensor<?x64xf32>
  step.write %1, %out : tensor<?x64xf32>, !step.buffer<tokens, 64>
}
step.phase @serial_act kind <serial> {
^bb0(%x: !step.buffer<tokens, 32>, %out: !step.buffer<tokens, 32>):
  %0 = step.read %x : !step.buffer<tokens, 32> -> tensor<?x32xf32>
  %1 = llm.activation <gelu> %0 : tensor<?x32xf32>
  step.write %1, %out : tensor<?x32xf32>, !step.buffer<tokens, 32>
}
