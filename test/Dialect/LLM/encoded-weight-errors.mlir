// RUN: kvasir-opt %s --split-input-file --verify-diagnostics

// expected-error @below {{weight_c4: expected whole heads of 16 rows, not transposed}}
llm.weight @w : !llm.weight<40x32xf32> from <file = "a", offset = 0, stored = tensor<40x32xf32>, interleaved = 16>

// -----

// expected-error @below {{weight_c5: expected encoded values that are not transposed}}
llm.weight @w : !llm.weight<32x32x!llm.encoded<"int4-g32">> from <file = "a", offset = 0, stored = tensor<32x32x!llm.encoded<"int4-g32">>, transpose = true>

// -----

// expected-error @below {{weight_c6: expected floats or encoded values, but got 'tensor<32x32xi8>'}}
llm.weight @w : !llm.weight<32x32x!llm.encoded<"int4-g32">> from <file = "a", offset = 0, stored = tensor<32x32xi8>>

// -----

// expected-error @below {{weight_c6: expected the format of values with scales or zeros}}
llm.weight @w : !llm.weight<32x32x!llm.encoded<"int4-g32">> from <file = "a", offset = 0, stored = tensor<32x32x!llm.encoded<"int4-g32">>, scales = <file = "a", offset = 0, stored = tensor<1x32xf16>>>

// -----

// expected-error @below {{weight_c6: expected encoded values in a known format, but got 'tensor<32x32x!llm.encoded<"int4-g32">>' in "other"}}
llm.weight @w : !llm.weight<32x32x!llm.encoded<"int4-g32">> from <file = "a", offset = 0, stored = tensor<32x32x!llm.encoded<"int4-g32">>, format = "other">

// -----

// expected-error @below {{weight_c6: q4_k is not what format gptq holds}}
llm.weight @w : !llm.weight<32x256x!llm.encoded<"q4_k">> from <file = "a", offset = 0, stored = tensor<32x256x!llm.encoded<"q4_k">>, format = "gptq", scales = <file = "a", offset = 0, stored = tensor<1x32xf16>>>

// -----

// expected-error @below {{weight_c6: expected scales of shape [2, 32], but got [32, 2]}}
llm.weight @w : !llm.weight<32x64x!llm.encoded<"int4-g32">> from <file = "a", offset = 0, stored = tensor<32x64x!llm.encoded<"int4-g32">>, format = "gptq", scales = <file = "a", offset = 0, stored = tensor<32x2xf16>>>

// -----

// expected-error @below {{weight_c6: expected rows of format "packed" that are not interleaved}}
llm.weight @w : !llm.weight<32x64x!llm.encoded<"int4-g32">> from <file = "a", offset = 0, stored = tensor<32x64x!llm.encoded<"int4-g32">>, interleaved = 16, format = "packed", scales = <file = "a", offset = 0, stored = tensor<32x2xf16>>>
