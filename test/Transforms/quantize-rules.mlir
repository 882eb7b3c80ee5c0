// RUN: kvasir-opt %s --kvasir-quantize="encoding=int4-g128 rules=layers.?.down=float,*norm_table=int8,model.up*=q4_0,lm_head=int8 activations=int8" | FileCheck %s

// The first rule that matches decides: by symbol, by the tensor's name with or without ".weight", or
// lm_head for what makes the logits. Tables of positions and vectors stay floats.

// CHECK: llm.weight @embed : !llm.weight<96x64x!llm.encoded<"int8">>
// CHECK: llm.weight @positions : !llm.weight<32x64xf32>
// CHECK: llm.weight @layers.0.up : !llm.weight<64x64x!llm.encoded<"int4-g32">>
// CHECK: llm.weight @layers.0.gate : !llm.weight<64x64x!llm.encoded<"int4-g128">>
// CHECK: llm.weight @layers.0.down : !llm.weight<64x64xf32>
// CHECK: llm.weight @norm_table : !llm.weight<64x64x!llm.encoded<"int8">>
// CHECK: llm.weight @norm : !llm.weight<64xf32>
llm.weight @embed : !llm.weight<96x64xf32> from <file = "m", offset = 0, stored = tensor<96x64xf32>>
llm.weight @positions : !llm.weight<32x64xf32> from <file = "m", offset = 0, stored = tensor<32x64xf32>>
llm.weight @layers.0.up : !llm.weight<64x64xf32> from <file = "m", offset = 0, stored = tensor<64x64xf32>> loc("model.up.weight")
llm.weight @layers.0.gate : !llm.weight<64x64xf32> from <file = "m", offset = 0, stored = tensor<64x64xf32>>
llm.weight @layers.0.down : !llm.weight<64x64xf32> from <file = "m", offset = 0, stored = tensor<64x64xf32>>
llm.weight @norm_table : !llm.weight<64x64xf32> from <file = "m", offset = 0, stored = tensor<64x64xf32>>
llm.weight @norm : !llm.weight<64xf32> from <file = "m", offset = 0, stored = tensor<64xf32>>

// A float beside integers in one layer, or groups of 128, 32 and a whole row on one input: one rounding
// for all layers of integers, in the shortest groups; the layer with floats reads f32, and so does that
// of the logits with its 8 bits.
// CHECK: func.func @step
// CHECK: %[[X:.*]] = llm.rms_norm
// CHECK: %[[Q:.*]] = llm.quantize_rows %[[X]] : tensor<?x64xf32> -> tensor<?x64xi8, #llm.int8_rows<group = 32, sums = 32, factor = 8>>
// CHECK-NOT: llm.quantize_rows %[[X]]
// CHECK: llm.linear %[[Q]], {{.*}}"int4-g32"
// CHECK: llm.linear %[[Q]], {{.*}}"int4-g128"
// CHECK: %[[DOWN:.*]] = llm.linear %[[X]], [{{.*}}] : tensor<?x64xf32>, [!llm.weight<64x64xf32>]
// CHECK: llm.linear %[[Q]], {{.*}}"int8"
// CHECK-NOT: llm.quantize_rows
// CHECK: llm.linear %{{.*}} : tensor<?x64xf32>, [!llm.weight<96x64x!llm.encoded<"int8">>]
func.func @step(%ids: tensor<?xi32>, %positions: tensor<?xi32>) -> tensor<?x96xf32> {
  %e = llm.get_weight @embed : !llm.weight<96x64xf32>
  %p = llm.get_weight @positions : !llm.weight<32x64xf32>
  %0 = llm.embedding %ids, %e : (tensor<?xi32>, !llm.weight<96x64xf32>) -> tensor<?x64xf32>
  %1 = llm.embedding %positions, %p : (tensor<?xi32>, !llm.weight<32x64xf32>) -> tensor<?x64xf32>
  %2 = llm.add %0, %1 : tensor<?x64xf32>
  %n = llm.get_weight @norm : !llm.weight<64xf32>
  %x = llm.rms_norm %2, %n {epsilon = 1.0e-5 : f32, group = 64 : i64} : tensor<?x64xf32>, !llm.weight<64xf32>
  %w0 = llm.get_weight @layers.0.up : !llm.weight<64x64xf32>
  %w1 = llm.get_weight @layers.0.gate : !llm.weight<64x64xf32>
  %w2 = llm.get_weight @layers.0.down : !llm.weight<64x64xf32>
  %w3 = llm.get_weight @norm_table : !llm.weight<64x64xf32>
  %3 = llm.linear %x, [%w0] : tensor<?x64xf32>, [!llm.weight<64x64xf32>] -> tensor<?x64xf32>
  %4 = llm.linear %x, [%w1] : tensor<?x64xf32>, [!llm.weight<64x64xf32>] -> tensor<?x64xf32>
  %5 = llm.linear %x, [%w2] : tensor<?x64xf32>, [!llm.weight<64x64xf32>] -> tensor<?x64xf32>
  %6 = llm.linear %x, [%w3] : tensor<?x64xf32>, [!llm.weight<64x64xf32>] -> tensor<?x64xf32>
  %7 = llm.add %3, %4 : tensor<?x64xf32>
  %8 = llm.add %5, %6 : tensor<?x64xf32>
  %9 = llm.add %7, %8 : tensor<?x64xf32>
  %10 = llm.linear %9, [%e] : tensor<?x64xf32>, [!llm.weight<96x64xf32>] -> tensor<?x96xf32>
  return %10 : tensor<?x96xf32>
}
