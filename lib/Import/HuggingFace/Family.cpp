// The table of families, and the keys that do not matter.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Family.h"
#include "llvm/ADT/STLExtras.h"

using namespace kvasir;
using namespace kvasir::hf;
using llvm::StringRef;

static std::vector<Family> makeFamilies() {
  return {
      {.modelType = "gpt2",
       .architectures = {"GPT2LMHeadModel"},
       .shape = Shape::gpt2,
       .epsilon = 1e-5,
       .maxContext = 1024,
       .bos = 50256,
       .eos = {50256},
       .neutralKeys = {"summary_type", "summary_use_proj", "summary_activation",
                       "summary_proj_to_labels", "summary_first_dropout", "n_ctx",
                       "intermediate_size", "num_key_value_heads", "predict_special_tokens",
                       "n_special", "reorder_and_upcast_attn"},
       .leftOverTensors = {".attn.bias", ".attn.masked_bias"}},
      {.modelType = "granite",
       .architectures = {"GraniteForCausalLM"},
       .bos = 1,
       .eos = {2},
       .attentionBias = Bias::byConfig,
       .mlpBias = true,
       .multipliers = true,
       .leftOverTensors = {"rotary_emb.inv_freq"}},
      {.modelType = "llama",
       .architectures = {"LlamaForCausalLM", "LLaMAForCausalLM"},
       .bos = 1,
       .eos = {2},
       .attentionBias = Bias::byConfig,
       .mlpBias = true,
       .leftOverTensors = {"rotary_emb.inv_freq"}},
      {.modelType = "mistral",
       .architectures = {"MistralForCausalLM"},
       .kvHeads = 8,
       .maxContext = 131072,
       .bos = 1,
       .eos = {2},
       .window = Window::everyLayer,
       .defaultWindow = 4096,
       .leftOverTensors = {"rotary_emb.inv_freq"}},
      {.modelType = "olmo2",
       .architectures = {"Olmo2ForCausalLM"},
       .epsilon = 1e-5,
       .eos = {50279},
       .attentionBias = Bias::byConfig,
       .queryKeyNorm = QueryKeyNorm::row,
       .normAfter = true},
      {.modelType = "phi3",
       .architectures = {"Phi3ForCausalLM"},
       .epsilon = 1e-5,
       .maxContext = 4096,
       .bos = 1,
       .eos = {32000},
       .fused = true,
       .window = Window::everyLayer,
       .ropeRules = RopeRules::phi3,
       .neutralKeys = {"interpolate_factor", "full_attn_mod"},
       .leftOverTensors = {"rotary_emb.inv_freq"}},
      {.modelType = "qwen2",
       .architectures = {"Qwen2ForCausalLM"},
       .kvHeads = 32,
       .maxContext = 32768,
       .attentionBias = Bias::always,
       .window = Window::byLayer,
       .defaultWindow = 4096,
       .leftOverTensors = {"rotary_emb.inv_freq"}},
      {.modelType = "qwen3",
       .architectures = {"Qwen3ForCausalLM"},
       .kvHeads = 32,
       .headSize = 128,
       .maxContext = 32768,
       .attentionBias = Bias::byConfig,
       .queryKeyNorm = QueryKeyNorm::head,
       .window = Window::byLayer,
       .defaultWindow = 4096},
  };
}

const std::vector<Family> &hf::families() {
  static const std::vector<Family> table = makeFamilies();
  return table;
}

const Family *hf::findFamily(StringRef modelType) {
  for (const Family &family : families())
    if (family.modelType == modelType)
      return &family;
  return nullptr;
}

/// Keys that any configuration may have: training, bookkeeping, and settings of
/// generation (transformers takes those from generation_config.json).
static const StringRef commonKeys[] = {"_attn_implementation",
                                       "_attn_implementation_autoset",
                                       "_commit_hash",
                                       "_name_or_path",
                                       "attention_dropout",
                                       "attn_implementation",
                                       "attn_pdrop",
                                       "auto_map",
                                       "bad_words_ids",
                                       "begin_suppress_tokens",
                                       "chunk_size_feed_forward",
                                       "cls_token_id",
                                       "decoder_start_token_id",
                                       "diversity_penalty",
                                       "do_sample",
                                       "dtype",
                                       "early_stopping",
                                       "embd_pdrop",
                                       "encoder_no_repeat_ngram_size",
                                       "epsilon_cutoff",
                                       "eta_cutoff",
                                       "exponential_decay_length_penalty",
                                       "finetuning_task",
                                       "forced_bos_token_id",
                                       "forced_eos_token_id",
                                       "gradient_checkpointing",
                                       "hidden_dropout",
                                       "id2label",
                                       "initializer_range",
                                       "is_decoder",
                                       "label2id",
                                       "length_penalty",
                                       "mask_token_id",
                                       "max_length",
                                       "max_new_tokens",
                                       "min_length",
                                       "min_p",
                                       "name_or_path",
                                       "no_repeat_ngram_size",
                                       "num_beam_groups",
                                       "num_beams",
                                       "num_labels",
                                       "num_return_sequences",
                                       "output_attentions",
                                       "output_hidden_states",
                                       "output_scores",
                                       "pad_token_id",
                                       "prefix",
                                       "pretraining_tp",
                                       "problem_type",
                                       "remove_invalid_values",
                                       "repetition_penalty",
                                       "resid_pdrop",
                                       "return_dict",
                                       "return_dict_in_generate",
                                       "sep_token_id",
                                       "suppress_tokens",
                                       "task_specific_params",
                                       "temperature",
                                       "tf_legacy_loss",
                                       "tie_encoder_decoder",
                                       "tokenizer_class",
                                       "top_k",
                                       "top_p",
                                       "torch_dtype",
                                       "torchscript",
                                       "transformers_version",
                                       "typical_p",
                                       "unk_token_id",
                                       "unsloth_fixed",
                                       "unsloth_version",
                                       "use_bfloat16",
                                       "use_cache"};

/// Keys whose only neutral value is 1.
static const StringRef oneKeys[] = {"interpolate_factor", "full_attn_mod"};

bool hf::isNeutralKey(const Family &family, StringRef key, const nlohmann::json &value) {
  if (llvm::is_contained(oneKeys, key))
    return llvm::is_contained(family.neutralKeys, key) && value == 1;
  return llvm::is_contained(commonKeys, key) || llvm::is_contained(family.neutralKeys, key);
}
