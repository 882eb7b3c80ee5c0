// RUN: kvasir-opt %s --kvasir-schedule=naive | FileCheck %s

// The naive path: every op is a phase of kind serial, in one program for any number of tokens.

// CHECK: step.phase @serial_embedding kind <serial> {
// CHECK: step.phase @serial_96x32_32x32_32x32 kind <serial> {
// CHECK: step.phase @serial_append kind <serial> {
// CHECK: step.phase @serial_attend kind <serial> {
// CHECK-NOT: step.counter
// CHECK: step.phase @serial_select_rows kind <serial> {
// CHECK-LABEL: step.program @naive max_tokens 0 {
// CHECK: step.run @serial_embedding(
// CHECK: step.run @serial_96x32_32x32_32x32(
// CHECK: step.run @serial_append(
// CHECK: step.run @serial_attend(
// CHECK: step.run @serial_select_rows(
// CHECK-NOT: step.program

kv.cache @layer7 layer 7 : !kv.paged<2x16xbf16, window = 12>
llm.weight @table : !llm.weight<96x32xf32> from <file = "m", offset = 0, stored = tensor<96x32xf32>>
llm.weight @wq : !llm.weight<96x32xf32> from <file = "m", offset = 0, stored = tensor<96x32xf32>>
llm.weight @wk : !llm.weight<32x32xf32> from <file = "m", offset = 0, stored = tensor<32x32xf32>>
llm.weight @wv : !llm.weight<32x32xf32> from <file = "m", offset = 0, stored = tensor<32x32xf32>>

func.func @step(%ids: tensor<?xi32>, %positions: tensor<?xi32>, %totals: tensor<?xi32>, %rows: tensor<?xi32>) -> tensor<?x96xf32> {
  %t = llm.get_weight @table : !llm.weight<96x32xf32>
  %x = llm.embedding %ids, %t : (tensor<?xi32>, !llm.weight<96x32xf32>) -> tensor<?x32xf32>
  %q0 = llm.get_weight @wq : !llm.weight<96x32xf32>
  %k0 = llm.get_weight @wk : !llm.weight<32x32xf32>
  %v0 = llm.get_weight @wv : !llm.weight<32x32xf32>
  %q, %k, %v = llm.linear %x, [%q0, %k0, %v0] : tensor<?x32xf32>, [!llm.weight<96x32xf32>, !llm.weight<32x32xf32>, !llm.weight<32x32xf32>] -> tensor<?x96xf32>, tensor<?x32xf32>, tensor<?x32xf32>
  %c = kv.get_cache @layer7 : !kv.paged<2x16xbf16, window = 12>
  kv.append %c, %k, %v, %positions : !kv.paged<2x16xbf16, window = 12>, tensor<?x32xf32>, tensor<?xi32>
  %a = kv.attend %c, %q {heads = 6 : i64, scale = 0.25 : f32} : !kv.paged<2x16xbf16, window = 12>, tensor<?x96xf32>
  %s = llm.select_rows %a, %rows : tensor<?x96xf32>, tensor<?xi32>
  return %s : tensor<?x96xf32>
}
