// RUN: kvasir-opt %s | FileCheck %s

// CHECK: module attributes {llm.directory = "model", llm.model = {architecture = "Llama", layers = 2 : i64}}
module attributes {llm.directory = "model", llm.model = {architecture = "Llama", layers = 2 : i64}} {
  // CHECK: llm.weight @layers.0.q : !llm.weight<64x64xbf16> from <file = "a.safetensors", offset = 128, stored = tensor<64x64xbf16>>
  llm.weight @layers.0.q : !llm.weight<64x64xbf16> from #llm.source<file = "a.safetensors", offset = 128, stored = tensor<64x64xbf16>>
  // A slice of rows of a transposed matrix.
  // CHECK: llm.weight @k : !llm.weight<32x64xf32> from <file = "b", offset = 0, stored = tensor<64x128xf32>, transpose = true, row = 96>
  llm.weight @k : !llm.weight<32x64xf32> from #llm.source<file = "b", offset = 0, stored = tensor<64x128xf32>, transpose = true, row = 96>
  // CHECK: llm.weight @norm : !llm.weight<64xf16> {{.*}} layout <row_major>
  llm.weight @norm : !llm.weight<64xf16> from <file = "b", offset = 8, stored = tensor<64xf16>> layout <row_major>
  // CHECK: llm.weight @panels : !llm.weight<48x64xf16> {{.*}} layout <panel16>
  llm.weight @panels : !llm.weight<48x64xf16> from <file = "b", offset = 8, stored = tensor<48x64xf16>> layout <panel16>

  // CHECK-LABEL: func @get
  func.func @get() -> (!llm.weight<64x64xbf16>, !llm.weight<64xf16>) {
    // CHECK: llm.get_weight @layers.0.q : !llm.weight<64x64xbf16>
    %q = llm.get_weight @layers.0.q : !llm.weight<64x64xbf16>
    // CHECK: llm.get_weight @norm : !llm.weight<64xf16>
    %n = llm.get_weight @norm : !llm.weight<64xf16>
    return %q, %n : !llm.weight<64x64xbf16>, !llm.weight<64xf16>
  }
}
