// RUN: kvasir-opt %s --kvasir-quantize="encoding=int8 activations=int8" | FileCheck %s -DENCODING=int8 -DROWS='<group = 32, sums = 32, factor = 128>'
// RUN: kvasir-opt %s --kvasir-quantize="encoding=int8-g32 activations=int8" | FileCheck %s -DENCODING=int8-g32 -DROWS='<group = 32, sums = 32, factor = 128>'
// RUN: kvasir-opt %s --kvasir-quantize="encoding=int8-g64 activations=int8" | FileCheck %s -DENCODING=int8-g64 -DROWS='<group = 32, sums = 32, factor = 128>'
// RUN: kvasir-opt %s --kvasir-quantize="encoding=int8-g128 activations=int8" | FileCheck %s -DENCODING=int8-g128 -DROWS='<group = 32, sums = 32, factor = 128>'
// RUN: kvasir-opt %s --kvasir-quantize="encoding=int4-g32 activations=int8" | FileCheck %s -DENCODING=int4-g32 -DROWS='<group = 32, sums = 32, factor = 8>'
// RUN: kvasir-opt %s --kvasir-quantize="encoding=int4-g64 activations=int8" | FileCheck %s -DENCODING=int4-g64 -DROWS='<group = 64, sums = 64, factor = 8>'
// RUN: kvasir-opt %s --kvasir-quantize="encoding=int4-g128 activations=int8" | FileCheck %s -DENCODING=int4-g128 -DROWS='<group = 128, sums = 128, factor = 8>'
// RUN: kvasir-opt %s --kvasir-quantize="encoding=int4-g32-asym activations=int8" | FileCheck %s -DENCODING=int4-g32-asym -DROWS='<group = 32, sums = 32, factor = 1>'
// RUN: kvasir-opt %s --kvasir-quantize="encoding=int4-g64-asym activations=int8" | FileCheck %s -DENCODING=int4-g64-asym -DROWS='<group = 64, sums = 64, factor = 1>'
// RUN: kvasir-opt %s --kvasir-quantize="encoding=int4-g128-asym activations=int8" | FileCheck %s -DENCODING=int4-g128-asym -DROWS='<group = 128, sums = 128, factor = 1>'
// RUN: kvasir-opt %s --kvasir-quantize="encoding=int4-g32-bf16 activations=int8" | FileCheck %s -DENCODING=int4-g32-bf16 -DROWS='<group = 32, sums = 32, factor = 8>'
// RUN: kvasir-opt %s --kvasir-quantize="encoding=int4-g64-bf16 activations=int8" | FileCheck %s -DENCODING=int4-g64-bf16 -DROWS='<group = 64, sums = 64, factor = 8>'
// RUN: kvasir-opt %s --kvasir-quantize="encoding=int4-g128-bf16 activations=int8" | FileCheck %s -DENCODING=int4-g128-bf16 -DROWS='<group = 128, sums = 128, factor = 8>'
// RUN: kvasir-opt %s --kvasir-quantize="encoding=int4-g32-asym-bf16 activations=int8" | FileCheck %s -DENCODING=int4-g32-asym-bf16 -DROWS='<group = 32, sums = 32, factor = 1>'
// RUN: kvasir-opt %s --kvasir-quantize="encoding=int4-g64-asym-bf16 activations=int8" | FileCheck %s -DENCODING=int4-g64-asym-bf16 -DROWS='<group = 64, sums = 64, factor = 1>'
// RUN: kvasir-opt %s --kvasir-quantize="encoding=int4-g128-asym-bf16 activations=int8" | FileCheck %s -DENCODING=int4-g128-asym-bf16 -DROWS='<group = 128, sums = 128, factor = 1>'
// RUN: kvasir-opt %s --kvasir-quantize="encoding=mxfp4 activations=int8" | FileCheck %s -DENCODING=mxfp4 -DROWS='<group = 32, sums = 32, factor = 128>'

// A linear layer before the last, which is that of the logits: the weight's type, and the rows that its integers are multiplied with. Groups are
// those of the weight, within 32 to 128 columns, and 32 for weights of 8 bits; the factor is what its codes are above its integers.
llm.weight @w : !llm.weight<48x256xbf16> from <file = "m", offset = 0, stored = tensor<48x256xbf16>>

func.func @step(%x: tensor<?x256xf32>) -> tensor<?x48xf32> {
  %w = llm.get_weight @w : !llm.weight<48x256xbf16>
  %0 = llm.linear %x, [%w] : tensor<?x256xf32>, [!llm.weight<48x256xbf16>] -> tensor<?x48xf32>
  %1 = llm.linear %x, [%w] : tensor<?x256xf32>, [!llm.weight<48x256xbf16>] -> tensor<?x48xf32>
  %2 = llm.add %0, %1 : tensor<?x48xf32>
  return %2 : tensor<?x48xf32>
}

// CHECK: llm.weight @w : !llm.weight<48x256x!llm.encoded<"[[ENCODING]]">> from <file = "m", offset = 0, stored = tensor<48x256xbf16>>
// CHECK: func.func @step(%[[X:.*]]: tensor<?x256xf32>)
// CHECK: %[[Q:.*]] = llm.quantize_rows %[[X]] : tensor<?x256xf32> -> tensor<?x256xi8, #llm.int8_rows[[ROWS]]>
// CHECK: %[[W:.*]] = llm.get_weight @w : !llm.weight<48x256x!llm.encoded<"[[ENCODING]]">>
// CHECK: llm.linear %[[Q]], [%[[W]]] : tensor<?x256xi8, #llm.int8_rows[[ROWS]]>, [!llm.weight<48x256x!llm.encoded<"[[ENCODING]]">>] -> tensor<?x48xf32>
