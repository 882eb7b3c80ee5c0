// RUN: kvasir-opt %s | FileCheck %s

// CHECK-LABEL: func.func @f
// CHECK: %[[Q:.*]] = llm.quantize_rows %{{.*}} : tensor<?x70xf32> -> tensor<?x70xi8, #llm.int8_rows<group = 32, sums = 32, factor = 8>>
// CHECK: llm.linear %[[Q]], [%{{.*}}, %{{.*}}] : tensor<?x70xi8, #llm.int8_rows<group = 32, sums = 32, factor = 8>>, [!llm.weight<48x70x!llm.encoded<"int4-g128">>, !llm.weight<48x70x!llm.encoded<"int8">>] -> tensor<?x48xf32>, tensor<?x48xf32>
func.func @f(%x: tensor<?x70xf32>, %w: !llm.weight<48x70x!llm.encoded<"int4-g128">>, %v: !llm.weight<48x70x!llm.encoded<"int8">>) {
  %0 = llm.quantize_rows %x : tensor<?x70xf32> -> tensor<?x70xi8, #llm.int8_rows<group = 32, sums = 32, factor = 8>>
  %1:2 = llm.linear %0, [%w, %v] : tensor<?x70xi8, #llm.int8_rows<group = 32, sums = 32, factor = 8>>, [!llm.weight<48x70x!llm.encoded<"int4-g128">>, !llm.weight<48x70x!llm.encoded<"int8">>] -> tensor<?x48xf32>, tensor<?x48xf32>
  return
}

// CHECK: step.phase @p
// CHECK: !step.buffer<tokens, 70, <group = 32, sums = 16, factor = 1>>
step.phase @p kind <rows> {
^bb0(%x: !step.buffer<tokens, 70>, %q: !step.buffer<tokens, 70, <group = 32, sums = 16, factor = 1>>):
  %0 = step.read %x : !step.buffer<tokens, 70> -> tensor<?x70xf32>
  %1 = llm.quantize_rows %0 : tensor<?x70xf32> -> tensor<?x70xi8, #llm.int8_rows<group = 32, sums = 16, factor = 1>>
  step.write %1, %q : tensor<?x70xi8, #llm.int8_rows<group = 32, sums = 16, factor = 1>>, !step.buffer<tokens, 70, <group = 32, sums = 16, factor = 1>>
}
