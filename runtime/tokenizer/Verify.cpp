// Checks a tokenizer table once, so that everything after it can index without
// checking.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "tokenizer/Core.h"
#include "tokenizer/Unicode.h"
#include <algorithm>

namespace kvasir::rt::tokenizer {
namespace {

constexpr uint32_t maxTokens = 1u << 22;
constexpr uint32_t maxSteps = 64, maxRegexes = 256;
constexpr size_t maxStepBytes = 4096; // of a literal or replacement
/// How much longer replacements may make a text, all steps of a list together.
constexpr uint64_t maxGrowth = 1u << 20;

Status broken(const char *what) {
  return error(Code::dataLoss,
               format("tokenizer table is corrupt: %s; compile the model again", what));
}

template <class V> uint32_t sizeOf(const V *vector) { return vector ? vector->size() : 0; }

Status checkTokens(const fb::Table &table) {
  uint32_t count = table.token_flags()->size();
  const auto &offsets = *table.token_offsets();
  std::string_view bytes(reinterpret_cast<const char *>(table.token_bytes()->data()),
                         table.token_bytes()->size());
  if (count > maxTokens || offsets.size() != count + 1)
    return broken("number of tokens");
  if (offsets.Get(0) != 0 || offsets.Get(count) != bytes.size())
    return broken("bounds of the token texts");
  for (uint32_t i = 0; i < count; ++i) {
    uint32_t begin = offsets.Get(i);
    if (begin > offsets.Get(i + 1) || (begin < bytes.size() && isContinuation(bytes[begin])))
      return broken("order of the token texts");
  }
  if (findInvalidUtf8(bytes) != std::string_view::npos)
    return broken("token text that is not UTF-8");
  return Status::ok();
}

Status checkHashTables(const fb::Table &table, uint32_t count) {
  const auto &slots = *table.vocabulary();
  if (slots.size() == 0 || table.vocabulary_probes() > maxProbes ||
      table.merge_probes() > maxProbes)
    return broken("size of a hash table");
  for (uint32_t i = 0; i < slots.size(); ++i)
    if (uint32_t id = slots.Get(i)->id(); id >= count && id != emptySlot)
      return broken("id in the vocabulary");
  const auto &merges = *table.merges();
  for (uint32_t i = 0; i < merges.size(); ++i) {
    const fb::MergeSlot &slot = *merges.Get(i);
    if (slot.left() != emptySlot &&
        (slot.left() >= count || slot.right() >= count || slot.merged() >= count))
      return broken("id in a merge");
  }
  return Status::ok();
}

Status checkTrie(const fb::Trie *trie, uint32_t added) {
  if (!trie)
    return Status::ok();
  const auto &nodes = *trie->nodes();
  const auto &edges = *trie->edges();
  if (nodes.size() == 0)
    return broken("empty trie");
  for (uint32_t i = 0; i < nodes.size(); ++i) {
    const fb::TrieNode &node = *nodes.Get(i);
    if (node.first_edge() > edges.size() || node.edges() > edges.size() - node.first_edge() ||
        node.added() < -1 || node.added() >= static_cast<int64_t>(added))
      return broken("node of a trie");
    for (uint32_t e = 0; e < node.edges(); ++e) {
      const fb::TrieEdge &edge = *edges.Get(node.first_edge() + e);
      if (edge.node() <= i || edge.node() >= nodes.size())
        return broken("edge of a trie");
    }
  }
  return Status::ok();
}

Status checkAdded(const fb::Table &table, uint32_t count) {
  uint32_t added = sizeOf(table.added());
  for (uint32_t i = 0; i < added; ++i)
    if (table.added()->Get(i)->id() >= count)
      return broken("id of an added token");
  for (uint32_t i = 0, last = 0; i < sizeOf(table.spellings()); ++i) {
    const fb::Spelling &spelling = *table.spellings()->Get(i);
    if (spelling.id() >= count || (i > 0 && spelling.id() <= last) ||
        findInvalidUtf8(view(spelling.text())) != std::string_view::npos)
      return broken("spelling of a token");
    last = spelling.id();
  }
  if (Status status = checkTrie(table.raw_trie(), added); !status)
    return status;
  return checkTrie(table.normalized_trie(), added);
}

/// Strings are UTF-8, regexes exist, and replacements do not explode.
class StepCheck {
public:
  StepCheck(uint32_t regexes) : regexes(regexes) {}

  bool text(const flatbuffers::String *string, bool needed) {
    return (!needed || (string && string->size())) && view(string).size() <= maxStepBytes &&
           findInvalidUtf8(view(string)) == std::string_view::npos;
  }
  bool regex(uint32_t index) { return index < regexes; }
  bool grow(const flatbuffers::String *content) {
    growth *= view(content).size() + 1;
    return growth <= maxGrowth;
  }

private:
  uint32_t regexes;
  uint64_t growth = 1;
};

Status checkNormalizers(const fb::Table &table, uint32_t regexes) {
  uint32_t steps = sizeOf(table.normalizers());
  StepCheck check(regexes);
  bool sound = steps <= maxSteps;
  for (uint32_t i = 0; sound && i < steps; ++i) {
    const fb::NormalizerStep &step = *table.normalizers()->Get(i);
    fb::NormalizerKind kind = step.kind();
    bool literal = kind == fb::NormalizerKind::replace_literal;
    bool regex = kind == fb::NormalizerKind::replace_regex;
    sound = kind <= fb::NormalizerKind::MAX && check.text(step.text(), literal) &&
            check.text(step.content(), false) && (!regex || check.regex(step.regex())) &&
            (!(regex || literal) || check.grow(step.content()));
  }
  return sound ? Status::ok() : broken("normalizers");
}

Status checkPreTokenizers(const fb::Table &table, uint32_t regexes) {
  uint32_t steps = sizeOf(table.pre_tokenizers());
  StepCheck check(regexes);
  bool sound = steps <= maxSteps;
  for (uint32_t i = 0; sound && i < steps; ++i) {
    const fb::PreTokenizerStep &step = *table.pre_tokenizers()->Get(i);
    bool space = step.kind() == fb::PreTokenizerKind::metaspace;
    bool regex = step.kind() == fb::PreTokenizerKind::split_regex;
    sound = step.kind() <= fb::PreTokenizerKind::MAX && step.behavior() <= fb::SplitBehavior::MAX &&
            step.scheme() <= fb::PrependScheme::MAX && check.text(step.text(), space) &&
            (!regex || check.regex(step.regex())) && (!space || check.grow(step.text()));
  }
  return sound ? Status::ok() : broken("pre-tokenizers");
}

Status checkDecoders(const fb::Table &table, uint32_t regexes) {
  uint32_t steps = sizeOf(table.decoders());
  StepCheck check(regexes);
  bool sound = steps <= maxSteps;
  for (uint32_t i = 0; sound && i < steps; ++i) {
    const fb::DecoderStep &step = *table.decoders()->Get(i);
    fb::DecoderKind kind = step.kind();
    bool literal = kind == fb::DecoderKind::replace_literal;
    bool regex = kind == fb::DecoderKind::replace_regex;
    bool text = literal || kind == fb::DecoderKind::strip || kind == fb::DecoderKind::metaspace ||
                kind == fb::DecoderKind::word_suffix;
    sound = kind <= fb::DecoderKind::MAX && step.scheme() <= fb::PrependScheme::MAX &&
            check.text(step.text(), text) && check.text(step.content(), false) &&
            (!regex || check.regex(step.regex())) &&
            (!(regex || literal) || check.grow(step.content()));
  }
  return sound ? Status::ok() : broken("decoders");
}

} // namespace

Status checkTable(const fb::Table &table) {
  if (table.version() != tableVersion)
    return error(Code::unsupported, format("tokenizer table of version %u, this runtime reads "
                                           "version %u; compile the model again",
                                           table.version(), tableVersion));
  if (Status status = checkTokens(table); !status)
    return status;
  uint32_t count = table.token_flags()->size();
  if (Status status = checkHashTables(table, count); !status)
    return status;
  if (Status status = checkAdded(table, count); !status)
    return status;
  uint32_t regexes = sizeOf(table.regexes());
  if (regexes > maxRegexes)
    return broken("number of patterns");
  if (Status status = checkNormalizers(table, regexes); !status)
    return status;
  if (Status status = checkPreTokenizers(table, regexes); !status)
    return status;
  if (Status status = checkDecoders(table, regexes); !status)
    return status;
  auto isId = [&](int64_t id, int64_t lowest) {
    return id >= lowest && id < static_cast<int64_t>(count);
  };
  for (uint32_t i = 0; i < sizeOf(table.template_()); ++i)
    if (!isId(table.template_()->Get(i), -1))
      return broken("template");
  if (!isId(table.unknown_id(), -2) || !isId(table.bos_id(), -1) || !isId(table.eos_id(), -1) ||
      !isId(table.pad_id(), -1))
    return broken("special ids");
  // A longer affix than any real one would only multiply work.
  for (const auto *affix : {table.continuing_prefix(), table.end_suffix()})
    if (view(affix).size() > 256 || findInvalidUtf8(view(affix)) != std::string_view::npos)
      return broken("prefix or suffix of subwords");
  return Status::ok();
}

} // namespace kvasir::rt::tokenizer
