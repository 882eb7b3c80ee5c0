// RUN: sed s/ENCODING/q4_1/g %s | kvasir-opt --kvasir-quantize=activations=int8 | FileCheck %s -DNAME=q4_1 -DROWS='<group = 32, sums = 32, factor = 1>'
// RUN: sed s/ENCODING/q5_0/g %s | kvasir-opt --kvasir-quantize=activations=int8 | FileCheck %s -DNAME=q5_0 -DROWS='<group = 32, sums = 32, factor = 16>'
// RUN: sed s/ENCODING/q5_1/g %s | kvasir-opt --kvasir-quantize=activations=int8 | FileCheck %s -DNAME=q5_1 -DROWS='<group = 32, sums = 32, factor = 1>'
// RUN: sed s/ENCODING/q2_k/g %s | kvasir-opt --kvasir-quantize=activations=int8 | FileCheck %s -DNAME=q2_k -DROWS='<group = 32, sums = 16, factor = 1>'
// RUN: sed s/ENCODING/q3_k/g %s | kvasir-opt --kvasir-quantize=activations=int8 | FileCheck %s -DNAME=q3_k -DROWS='<group = 32, sums = 16, factor = 4>'
// RUN: sed s/ENCODING/q4_k/g %s | kvasir-opt --kvasir-quantize=activations=int8 | FileCheck %s -DNAME=q4_k -DROWS='<group = 32, sums = 32, factor = 1>'
// RUN: sed s/ENCODING/q5_k/g %s | kvasir-opt --kvasir-quantize=activations=int8 | FileCheck %s -DNAME=q5_k -DROWS='<group = 32, sums = 32, factor = 1>'
// RUN: sed s/ENCODING/q6_k/g %s | kvasir-opt --kvasir-quantize=activations=int8 | FileCheck %s -DNAME=q6_k -DROWS='<group = 32, sums = 16, factor = 32>'
// RUN: sed s/ENCODING/iq4_nl/g %s | kvasir-opt --kvasir-quantize=activations=int8 | FileCheck %s -DNAME=iq4_nl -DROWS='<group = 32, sums = 32, factor = 128>'
// RUN: sed s/ENCODING/iq4_xs/g %s | kvasir-opt --kvasir-quantize=activations=int8 | FileCheck %s -DNAME=iq4_xs -DROWS='<group = 32, sums = 32, factor = 128>'

// Encodings that only files have: they stay, whatever floats are asked to be.
llm.weight @w : !llm.weight<48x256x!llm.encoded<"ENCODING">> from <file = "m", offset = 0, stored = tensor<48x256x!llm.encoded<"ENCODING">>>

func.func @step(%x: tensor<?x256xf32>) -> tensor<?x48xf32> {
  %w = llm.get_weight @w : !llm.weight<48x256x!llm.encoded<"ENCODING">>
  %0 = llm.linear %x, [%w] : tensor<?x256xf32>, [!llm.weight<48x256x!llm.encoded<"ENCODING">>] -> tensor<?x48xf32>
  return %0 : tensor<?x48xf32>
}

// CHECK: llm.weight @w : !llm.weight<48x256x!llm.encoded<"[[NAME]]">> from
// CHECK: %[[Q:.*]] = llm.quantize_rows %{{.*}} -> tensor<?x256xi8, #llm.int8_rows[[ROWS]]>
// CHECK: llm.linear %[[Q]], {{.*}}!llm.encoded<"[[NAME]]">
