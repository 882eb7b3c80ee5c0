// RUN: kvasir-opt %s --kvasir-quantize="encoding=int4-g32 activations=exact" | FileCheck %s -DENCODING=int4-g32
// RUN: kvasir-opt %s --kvasir-quantize="encoding=fp8-e4m3 activations=int8" | FileCheck %s -DENCODING=fp8-e4m3
// RUN: kvasir-opt %s --kvasir-quantize="encoding=fp8-e4m3-g128 activations=int8" | FileCheck %s -DENCODING=fp8-e4m3-g128
// RUN: kvasir-opt %s --kvasir-quantize | FileCheck %s --check-prefix=FLOATS

// Rows stay f32 where that is asked for, and for weights that are no integers.
llm.weight @w : !llm.weight<48x256xbf16> from <file = "m", offset = 0, stored = tensor<48x256xbf16>>

func.func @step(%x: tensor<?x256xf32>) -> tensor<?x48xf32> {
  %w = llm.get_weight @w : !llm.weight<48x256xbf16>
  %0 = llm.linear %x, [%w] : tensor<?x256xf32>, [!llm.weight<48x256xbf16>] -> tensor<?x48xf32>
  return %0 : tensor<?x48xf32>
}

// CHECK-NOT: quantize_rows
// CHECK: llm.linear %{{.*}} : tensor<?x256xf32>, [!llm.weight<48x256x!llm.encoded<"[[ENCODING]]">>] -> tensor<?x48xf32>
// FLOATS-NOT: quantize_rows
// FLOATS: llm.linear %{{.*}} : tensor<?x256xf32>, [!llm.weight<48x256xbf16>] -> tensor<?x48xf32>
