llm.weight @w : !llm.weight<48x64xbf16> from <file = "m", offset = 0, stored = tensor<48x64xbf16>>
llm.weight @stored : !llm.weight<48x64x!llm.encoded<"int4-g32">> from <file = "m", offset = 0, stored = tensor<48x64x!llm.encoded<"int4-g32">>>
llm.weight @n : !llm.weight<64xbf16> from <file = "m", offset = 0, stored = tensor<64xbf16>>

func.func @step(%x: tensor<?x64xf32>) -> (tensor<?x48xf32>, tensor<?x48xf32>) {
  %n = llm.get_weight @n : !llm.weight<64xbf16>
  %0 = llm.rms_norm %x, %n {epsilon = 1.0e-5 : f32, group = 64 : i64} : tensor<?x64xf32>, !llm.weight<64xbf16>
  %w = llm.get_weight @w : !llm.weight<48x64xbf16>
  %v = llm.get_weight @stored : !llm.weight<48x64x!llm.encoded<"int4-g32">>
  %1 = llm.linear %0, [%w] : tensor<?x64xf32>, [!llm.weight<48x64xbf16>] -> tensor<?x48xf32>
  %2 = llm.linear %0, [%v] : tensor<?x64xf32>, [!llm.weight<48x64x!llm.encoded<"int4-g32">>] -> tensor<?x48xf32>
  return %1, %2 : tensor<?x48xf32>, tensor<?x48xf32>
}
