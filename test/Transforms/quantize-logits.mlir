// RUN: kvasir-opt %s --kvasir-quantize="encoding=int8 activations=int8" | FileCheck %s --check-prefix=EXACT
// RUN: kvasir-opt %s --kvasir-quantize="encoding=int4-g32 activations=int8" | FileCheck %s --check-prefix=ROUNDED

// The layer of the logits, elementwise ops behind it: with weights of 8 bits its inputs stay exact.
llm.weight @w : !llm.weight<48x256xbf16> from <file = "m", offset = 0, stored = tensor<48x256xbf16>>

// EXACT: func.func @step(%[[X:.*]]: tensor<?x256xf32>)
// EXACT-NOT: llm.quantize_rows
// EXACT: llm.linear %[[X]], [{{.*}}] : tensor<?x256xf32>, [!llm.weight<48x256x!llm.encoded<"int8">>]
// ROUNDED: %[[Q:.*]] = llm.quantize_rows
// ROUNDED: llm.linear %[[Q]]
func.func @step(%x: tensor<?x256xf32>) -> tensor<?x48xf32> {
  %w = llm.get_weight @w : !llm.weight<48x256xbf16>
  %0 = llm.linear %x, [%w] : tensor<?x256xf32>, [!llm.weight<48x256xbf16>] -> tensor<?x48xf32>
  %1 = llm.activation <relu> %0 : tensor<?x48xf32>
  return %1 : tensor<?x48xf32>
}
