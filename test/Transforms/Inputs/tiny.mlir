llm.weight @n : !llm.weight<64xbf16> from <file = "m", offset = 0, stored = tensor<64xbf16>>
