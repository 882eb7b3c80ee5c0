// A one-layer Llama of made-up sizes, as an importer leaves it.
module attributes {llm.directory = ".", llm.model = {architecture = "Llama", layers = 1 : i64, hidden_size = 64 : i64, vocab_size = 256 : i64, heads = 4 : i64, kv_heads = 2 : i64, head_size = 16 : i64, parameters = 100000 : i64, max_context = 128 : i64, weight_type = "bf16", bos = 1 : i64, eos = 2 : i64}} {
  llm.weight @embedding : !llm.weight<256x64xbf16> from <file = "m", offset = 0, stored = tensor<256x64xbf16>>
  llm.weight @norm1 : !llm.weight<64xbf16> from <file = "m", offset = 40000, stored = tensor<64xbf16>>
  llm.weight @q : !llm.weight<64x64xbf16> from <file = "m", offset = 50000, stored = tensor<64x64xbf16>>
  llm.weight @k : !llm.weight<32x64xbf16> from <file = "m", offset = 60000, stored = tensor<32x64xbf16>>
  llm.weight @v : !llm.weight<32x64xbf16> from <file = "m", offset = 70000, stored = tensor<32x64xbf16>>
  llm.weight @o : !llm.weight<64x64xbf16> from <file = "m", offset = 80000, stored = tensor<64x64xbf16>>
  llm.weight @norm2 : !llm.weight<64xbf16> from <file = "m", offset = 90000, stored = tensor<64xbf16>>
  llm.weight @gate : !llm.weight<128x64xbf16> from <file = "m", offset = 100000, stored = tensor<128x64xbf16>>
  llm.weight @up : !llm.weight<128x64xbf16> from <file = "m", offset = 120000, stored = tensor<128x64xbf16>>
  llm.weight @down : !llm.weight<64x128xbf16> from <file = "m", offset = 140000, stored = tensor<64x128xbf16>>
  func.func @step(%ids: tensor<?xi32>, %positions: tensor<?xi32>, %totals: tensor<?xi32>, %rows: tensor<?xi32>) -> tensor<?x256xf32> {
    %table = llm.get_weight @embedding : !llm.weight<256x64xbf16>
    %x = llm.embedding %ids, %table : (tensor<?xi32>, !llm.weight<256x64xbf16>) -> tensor<?x64xf32>
    %rope = llm.rope_table %positions, %totals {frequencies = array<f32: 1.0, 0.5, 0.25, 0.125, 0.0625, 0.03125, 0.015625, 0.0078125>, magnitude = 1.0 : f32} : tensor<?xi32> -> tensor<?x16xf32>
    %norm1 = llm.get_weight @norm1 : !llm.weight<64xbf16>
    %n = llm.rms_norm %x, %norm1 {epsilon = 1.0e-05 : f32, group = 64 : i64} : tensor<?x64xf32>, !llm.weight<64xbf16>
    %wq = llm.get_weight @q : !llm.weight<64x64xbf16>
    %q = llm.linear %n, [%wq] : tensor<?x64xf32>, [!llm.weight<64x64xbf16>] -> tensor<?x64xf32>
    %wk = llm.get_weight @k : !llm.weight<32x64xbf16>
    %k = llm.linear %n, [%wk] : tensor<?x64xf32>, [!llm.weight<32x64xbf16>] -> tensor<?x32xf32>
    %wv = llm.get_weight @v : !llm.weight<32x64xbf16>
    %v = llm.linear %n, [%wv] : tensor<?x64xf32>, [!llm.weight<32x64xbf16>] -> tensor<?x32xf32>
    %qr = llm.rope %q, %rope {head_size = 16 : i64} : tensor<?x64xf32>, tensor<?x16xf32>
    %kr = llm.rope %k, %rope {head_size = 16 : i64} : tensor<?x32xf32>, tensor<?x16xf32>
    %a = llm.attention %qr, %kr, %v {heads = 4 : i64, kv_heads = 2 : i64, layer = 0 : i64, scale = 0.25 : f32} : tensor<?x64xf32>, tensor<?x32xf32>
    %wo = llm.get_weight @o : !llm.weight<64x64xbf16>
    %o = llm.linear %a, [%wo] : tensor<?x64xf32>, [!llm.weight<64x64xbf16>] -> tensor<?x64xf32>
    %y = llm.add %x, %o : tensor<?x64xf32>
    %norm2 = llm.get_weight @norm2 : !llm.weight<64xbf16>
    %m = llm.rms_norm %y, %norm2 {epsilon = 1.0e-05 : f32, group = 64 : i64} : tensor<?x64xf32>, !llm.weight<64xbf16>
    %wg = llm.get_weight @gate : !llm.weight<128x64xbf16>
    %g = llm.linear %m, [%wg] : tensor<?x64xf32>, [!llm.weight<128x64xbf16>] -> tensor<?x128xf32>
    // An importer may compute a norm twice: the pipeline merges it before it looks for shared inputs.
    %norm2b = llm.get_weight @norm2 : !llm.weight<64xbf16>
    %m2 = llm.rms_norm %y, %norm2b {epsilon = 1.0e-05 : f32, group = 64 : i64} : tensor<?x64xf32>, !llm.weight<64xbf16>
    %wu = llm.get_weight @up : !llm.weight<128x64xbf16>
    %u = llm.linear %m2, [%wu] : tensor<?x64xf32>, [!llm.weight<128x64xbf16>] -> tensor<?x128xf32>
    %h = llm.gated_act <silu> %g, %u : tensor<?x128xf32>
    %wd = llm.get_weight @down : !llm.weight<64x128xbf16>
    %d = llm.linear %h, [%wd] : tensor<?x128xf32>, [!llm.weight<64x128xbf16>] -> tensor<?x64xf32>
    %z = llm.add %y, %d : tensor<?x64xf32>
    %last = llm.select_rows %z, %rows : tensor<?x64xf32>, tensor<?xi32>
    %head = llm.get_weight @embedding : !llm.weight<256x64xbf16>
    %logits = llm.linear %last, [%head] : tensor<?x64xf32>, [!llm.weight<256x64xbf16>] -> tensor<?x256xf32>
    return %logits : tensor<?x256xf32>
  }
}
