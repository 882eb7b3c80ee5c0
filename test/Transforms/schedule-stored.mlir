// RUN: kvasir-opt %s --kvasir-schedule=blocks | FileCheck %s
// RUN: sed 's/weight<64x64xbf16>/weight<64x64x!llm.encoded<"int8">>/g' %s | kvasir-opt --kvasir-schedule=blocks | FileCheck %s --check-prefix=CODES
// RUN: kvasir-opt %s --kvasir-schedule | FileCheck %s --check-prefix=CPU

// For GPUs: what only linear layers read is stored as they round it. %n is, and %h; %x is read by
// the addition too, and the weight @c is of f32. For codes it is interleaved, too.

// CHECK-LABEL: step.phase @rows_rms_norm
// CHECK: step.write %{{.*}}, %{{.*}} {step.stored = bf16} : tensor<?x64xf32>, !step.buffer<rows, 64>
// CHECK-LABEL: step.phase @panels_64x64
// CHECK: step.read %{{.*}} {step.stored = bf16} : !step.buffer<rows, 64> -> tensor<?x64xf32>
// CHECK: llm.linear
// CHECK: llm.activation
// CHECK: step.write %{{.*}}, %{{.*}} {step.stored = bf16} : tensor<?x64xf32>, !step.buffer<rows, 64>
// CHECK-LABEL: step.phase @panels_64x64_1
// CHECK: step.read %{{.*}} {step.stored = bf16}
// CHECK: llm.linear
// CHECK: llm.add
// CHECK: step.write %{{.*}}, %{{.*}} : tensor<?x64xf32>
// CHECK-LABEL: step.phase @rows_rms_norm_1
// CHECK: step.write %{{.*}}, %{{.*}} : tensor<?x64xf32>
// CHECK-NOT: step.stored
// CHECK: step.program @decode2

// CODES-LABEL: step.phase @rows_rms_norm
// CODES: step.write %{{.*}}, %{{.*}} {step.interleaved, step.stored = bf16}
// CODES-LABEL: step.phase @panels_64x64
// CODES: step.read %{{.*}} {step.interleaved, step.stored = bf16}

// CPU-NOT: step.stored

module attributes {llm.model = {max_context = 64 : i64, vocab_size = 64 : i64}} {
  llm.weight @w : !llm.weight<64xf32> from <file = "m", offset = 0, stored = tensor<64xf32>>
  llm.weight @a : !llm.weight<64x64xbf16> from <file = "m", offset = 0, stored = tensor<64x64xbf16>>
  llm.weight @c : !llm.weight<64x64xf32> from <file = "m", offset = 0, stored = tensor<64x64xf32>>
  func.func @step(%ids: tensor<?xi32>, %positions: tensor<?xi32>, %totals: tensor<?xi32>, %rows: tensor<?xi32>) -> tensor<?x64xf32> {
    %w = llm.get_weight @w : !llm.weight<64xf32>
    %a = llm.get_weight @a : !llm.weight<64x64xbf16>
    %c = llm.get_weight @c : !llm.weight<64x64xf32>
    %x = llm.embedding %ids, %a : (tensor<?xi32>, !llm.weight<64x64xbf16>) -> tensor<?x64xf32>
    %s = llm.select_rows %x, %rows : tensor<?x64xf32>, tensor<?xi32>
    %n = llm.rms_norm %s, %w {epsilon = 1.0e-6 : f32, group = 64 : i64} : tensor<?x64xf32>, !llm.weight<64xf32>
    %0 = llm.linear %n, [%a] : tensor<?x64xf32>, [!llm.weight<64x64xbf16>] -> tensor<?x64xf32>
    %h = llm.activation <silu> %0 : tensor<?x64xf32>
    %1 = llm.linear %h, [%a] : tensor<?x64xf32>, [!llm.weight<64x64xbf16>] -> tensor<?x64xf32>
    %y = llm.add %s, %1 : tensor<?x64xf32>
    %m = llm.rms_norm %y, %w {epsilon = 1.0e-6 : f32, group = 64 : i64} : tensor<?x64xf32>, !llm.weight<64xf32>
    %l = llm.linear %m, [%c] : tensor<?x64xf32>, [!llm.weight<64x64xf32>] -> tensor<?x64xf32>
    return %l : tensor<?x64xf32>
  }
}
