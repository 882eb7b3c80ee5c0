// RUN: kvasir-opt %s --kvasir-schedule=blocks | FileCheck %s
// RUN: kvasir-opt %s --kvasir-schedule | FileCheck %s --check-prefix=CPU

// For GPUs: a layer has a form for few tokens, one for many and one for prompts. But for the first,
// layers with few outputs may have their columns divided among blocks. They get memory for the blocks'
// sums, all of them the same, and a counter. A layer of many outputs, or of few columns, does not.

// CHECK-LABEL: step.phase @panels_96x256 kind
// CHECK-NEXT: ^bb0(%{{.*}}: !step.buffer<tokens, 256>, %{{.*}}: !llm.weight<96x256xbf16>, %{{.*}}: !step.buffer<tokens, 96>):
// CHECK: llm.linear %{{.*}}, [%{{.*}}] {step.token_tile = 8 : i64}
// CHECK-LABEL: step.program @decode2 max_tokens 2
// CHECK: step.run @panels_96x256(
// CHECK: step.run @panels_256x96(

// CHECK-LABEL: step.phase @panels_96x256_1
// CHECK-NEXT: ^bb0(%{{.*}}: !step.buffer<tokens, 256>, %{{.*}}: !llm.weight<96x256xbf16>, %{{.*}}: !step.buffer<tokens, 96>, %{{.*}}: !step.buffer<one, 4194304>, %{{.*}}: !step.counter):
// CHECK: llm.linear %{{.*}}, [%{{.*}}] {step.token_tile = 32 : i64}
// CHECK-LABEL: step.phase @panels_256x96_1
// CHECK-NEXT: ^bb0(%{{.*}}: !step.buffer<tokens, 96>, %{{.*}}: !llm.weight<256x96xbf16>, %{{.*}}: !step.buffer<tokens, 256>):
// CHECK-LABEL: step.phase @panels_16400x256_1
// CHECK-NEXT: ^bb0(%{{.*}}: !step.buffer<rows, 256>, %{{.*}}: !llm.weight<16400x256xbf16>, %{{.*}}: !step.buffer<rows, 16400>):

// CHECK-LABEL: step.program @decode32 max_tokens 32
// CHECK: %[[SUMS:.*]] = step.buffer "sums" slot [[SLOT:.*]] : !step.buffer<one, 4194304>
// CHECK-NEXT: %[[COUNT:.*]] = step.counter
// CHECK-NEXT: step.run @panels_96x256_1({{.*}}, %[[SUMS]], %[[COUNT]])
// CHECK: step.run @panels_256x96_1(
// CHECK: %[[AGAIN:.*]] = step.buffer "sums" slot [[SLOT]] : !step.buffer<one, 4194304>
// CHECK-NEXT: %[[OTHER:.*]] = step.counter
// CHECK-NEXT: step.run @panels_96x256_1({{.*}}, %[[AGAIN]], %[[OTHER]])

// CHECK-LABEL: step.phase @panels_96x256_2
// CHECK: llm.linear %{{.*}}, [%{{.*}}] {step.token_tile = 64 : i64}
// CHECK-LABEL: step.program @prefill max_tokens 0
// CHECK: step.run @panels_96x256_2({{.*}}) layer

// CPU-NOT: "sums"

module attributes {llm.model = {max_context = 64 : i64, vocab_size = 16400 : i64}} {
  llm.weight @table : !llm.weight<16400x256xbf16> from <file = "m", offset = 0, stored = tensor<16400x256xbf16>>
  llm.weight @a : !llm.weight<96x256xbf16> from <file = "m", offset = 0, stored = tensor<96x256xbf16>>
  llm.weight @b : !llm.weight<256x96xbf16> from <file = "m", offset = 0, stored = tensor<256x96xbf16>>
  func.func @step(%ids: tensor<?xi32>, %positions: tensor<?xi32>, %totals: tensor<?xi32>, %rows: tensor<?xi32>) -> tensor<?x16400xf32> {
    %t = llm.get_weight @table : !llm.weight<16400x256xbf16>
    %a = llm.get_weight @a : !llm.weight<96x256xbf16>
    %b = llm.get_weight @b : !llm.weight<256x96xbf16>
    %x = llm.embedding %ids, %t : (tensor<?xi32>, !llm.weight<16400x256xbf16>) -> tensor<?x256xf32>
    %0 = llm.linear %x, [%a] : tensor<?x256xf32>, [!llm.weight<96x256xbf16>] -> tensor<?x96xf32>
    %1 = llm.linear %0, [%b] : tensor<?x96xf32>, [!llm.weight<256x96xbf16>] -> tensor<?x256xf32>
    %2 = llm.linear %1, [%a] : tensor<?x256xf32>, [!llm.weight<96x256xbf16>] -> tensor<?x96xf32>
    %3 = llm.linear %2, [%b] : tensor<?x96xf32>, [!llm.weight<256x96xbf16>] -> tensor<?x256xf32>
    %s = llm.select_rows %3, %rows : tensor<?x256xf32>, tensor<?xi32>
    %l = llm.linear %s, [%t] : tensor<?x256xf32>, [!llm.weight<16400x256xbf16>] -> tensor<?x16400xf32>
    return %l : tensor<?x16400xf32>
  }
}
