// RUN: kvasir-opt %s --kvasir-schedule | FileCheck %s

// Costs of phases: bytes and FLOPs by weight, token and row of logits.

// One row of the table for each token.
// CHECK-LABEL: step.program @decode
// CHECK: step.run @rows_embedding({{.*}}) layer -1 cost <bytes_per_token = 64>
// Weights in whole panels of 16 rows: 48 * 32 * 2 bytes for 40 rows; 2 FLOPs for each weight, 20 for
// an activation; 32 inputs of 4 bytes.
// CHECK: step.run @panels_40x32({{.*}}) layer -1 cost <weight_bytes = 3072, bytes_per_token = 128, flops_per_token = 3360>
// Logits are counted by their rows; the copy of a row reads it.
// CHECK: step.run @panels_96x40({{.*}}) layer -1 cost <weight_bytes = 7680, bytes_per_token = 160, flops_per_row = 7720>

llm.weight @table : !llm.weight<96x32xbf16> from <file = "m", offset = 0, stored = tensor<96x32xbf16>>
llm.weight @w : !llm.weight<40x32xbf16> from <file = "m", offset = 0, stored = tensor<40x32xbf16>>
llm.weight @head : !llm.weight<96x40xbf16> from <file = "m", offset = 0, stored = tensor<96x40xbf16>>

func.func @step(%ids: tensor<?xi32>, %positions: tensor<?xi32>, %totals: tensor<?xi32>, %rows: tensor<?xi32>) -> tensor<?x96xf32> {
  %t = llm.get_weight @table : !llm.weight<96x32xbf16>
  %x = llm.embedding %ids, %t : (tensor<?xi32>, !llm.weight<96x32xbf16>) -> tensor<?x32xf32>
  %ww = llm.get_weight @w : !llm.weight<40x32xbf16>
  %y = llm.linear %x, [%ww] : tensor<?x32xf32>, [!llm.weight<40x32xbf16>] -> tensor<?x40xf32>
  %h = llm.activation <gelu> %y : tensor<?x40xf32>
  %s = llm.select_rows %h, %rows : tensor<?x40xf32>, tensor<?xi32>
  %wh = llm.get_weight @head : !llm.weight<96x40xbf16>
  %l = llm.linear %s, [%wh] : tensor<?x40xf32>, [!llm.weight<96x40xbf16>] -> tensor<?x96xf32>
  return %l : tensor<?x96xf32>
}
