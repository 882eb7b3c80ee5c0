// Hash tables and tries of a tokenizer, and the FlatBuffer around them.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Compilation.h"
#include "tokenizer/Core.h"
#include "tokenizer/Hash.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringSet.h"
#include <memory>

namespace kvasir::tokenizer {
namespace {
namespace rtt = rt::tokenizer;

/// Fills an open-addressing table of `count` entries with the first salt for
/// which probe sequences stay short. `hash(i, salt)` and `place(i, slot)` are
/// about entry i, `isFree(slot)` about the table, which `clear()` empties.
template <class Hash, class Clear, class IsFree, class Place>
bool fillTable(size_t count, size_t slots, uint32_t &salt, uint32_t &probes, Hash hash, Clear clear,
               IsFree isFree, Place place) {
  constexpr uint32_t maxSalts = 16;
  for (salt = 0; salt < maxSalts; ++salt) {
    clear();
    probes = 0;
    for (size_t i = 0; i < count && probes <= rtt::maxProbes; ++i) {
      size_t at = rtt::firstSlot(hash(i, salt), slots);
      uint32_t length = 1;
      for (; !isFree(at) && length <= rtt::maxProbes; ++length)
        at = at + 1 == slots ? 0 : at + 1;
      if (length <= rtt::maxProbes)
        place(i, at);
      probes = std::max(probes, length);
    }
    if (probes <= rtt::maxProbes)
      return true;
  }
  return false;
}

void buildVocabulary(Compilation &compilation) {
  fb::TableT &table = compilation.table;
  std::vector<uint32_t> ids;
  table.token_offsets.assign(1, 0);
  for (uint32_t id = 0; id < compilation.texts.size(); ++id) {
    const std::string &text = compilation.texts[id];
    table.token_bytes.insert(table.token_bytes.end(), text.begin(), text.end());
    table.token_offsets.push_back(static_cast<uint32_t>(table.token_bytes.size()));
    if (compilation.has(id, fb::TokenFlag::present))
      ids.push_back(id);
  }
  size_t slots = ids.size() * 2 + 1;
  auto &entries = table.vocabulary;
  bool filled = fillTable(
      ids.size(), slots, table.vocabulary_salt, table.vocabulary_probes,
      [&](size_t i, uint32_t salt) { return rtt::hashText(compilation.texts[ids[i]], salt); },
      [&] { entries.assign(slots, fb::VocabularySlot(0, rtt::emptySlot)); },
      [&](size_t at) { return entries[at].id() == rtt::emptySlot; },
      [&](size_t i, size_t at) {
        uint64_t hash = rtt::hashText(compilation.texts[ids[i]], table.vocabulary_salt);
        entries[at] = fb::VocabularySlot(static_cast<uint32_t>(hash), ids[i]);
      });
  if (!filled)
    compilation.problem("model.vocab", "too many tokens with equal hashes");
}

void buildMerges(Compilation &compilation) {
  fb::TableT &table = compilation.table;
  // A pair that is listed twice has the rank of its last place.
  llvm::DenseMap<std::pair<uint32_t, uint32_t>, uint32_t> places;
  const auto &merges = compilation.merges;
  for (uint32_t i = 0; i < merges.size(); ++i)
    places[{merges[i].left, merges[i].right}] = i;
  std::vector<uint32_t> kept;
  for (uint32_t i = 0; i < merges.size(); ++i)
    if (places[{merges[i].left, merges[i].right}] == i)
      kept.push_back(i);
  size_t slots = kept.empty() ? 0 : kept.size() * 8 / 5 + 1;
  auto &entries = table.merges;
  bool filled = fillTable(
      kept.size(), slots, table.merge_salt, table.merge_probes,
      [&](size_t i, uint32_t salt) {
        const auto &merge = merges[kept[i]];
        return rtt::hashPair(merge.left, merge.right, salt);
      },
      [&] { entries.assign(slots, fb::MergeSlot(rtt::emptySlot, 0, 0, 0)); },
      [&](size_t at) { return entries[at].left() == rtt::emptySlot; },
      [&](size_t i, size_t at) {
        const auto &merge = merges[kept[i]];
        entries[at] = fb::MergeSlot(merge.left, merge.right, merge.rank, merge.merged);
      });
  if (!filled)
    compilation.problem("model.merges", "too many merges with equal hashes");
}

/// A trie of texts, each with the index of its added token. Nodes are numbered
/// breadth first.
std::unique_ptr<fb::TrieT> buildTrie(Compilation &compilation,
                                     std::vector<std::pair<std::string, int32_t>> texts) {
  if (texts.empty())
    return nullptr;
  llvm::sort(texts);
  for (size_t i = 1; i < texts.size(); ++i)
    if (texts[i].first == texts[i - 1].first)
      compilation.problem("added_tokens", "two tokens are both \"" + texts[i].first +
                                              "\" once they are normalized");
  struct Range {
    size_t begin, end, depth; // texts with the same first `depth` bytes
  };
  std::vector<Range> ranges{{0, texts.size(), 0}};
  auto trie = std::make_unique<fb::TrieT>();
  for (size_t i = 0; i < ranges.size(); ++i) {
    auto [begin, end, depth] = ranges[i];
    uint32_t firstEdge = static_cast<uint32_t>(trie->edges.size());
    int32_t added = -1;
    for (; begin < end && texts[begin].first.size() == depth; ++begin)
      added = texts[begin].second;
    while (begin < end) {
      char byte = texts[begin].first[depth];
      size_t next = begin;
      while (next < end && texts[next].first[depth] == byte)
        ++next;
      trie->edges.emplace_back(static_cast<uint8_t>(byte), static_cast<uint32_t>(ranges.size()));
      ranges.push_back({begin, next, depth + 1});
      begin = next;
    }
    trie->nodes.emplace_back(firstEdge, static_cast<uint32_t>(trie->edges.size()) - firstEdge,
                             added);
  }
  return trie;
}

std::vector<uint8_t> pack(Compilation &compilation) {
  compilation.table.token_flags = compilation.flags;
  flatbuffers::FlatBufferBuilder builder(1 << 14);
  fb::FinishTableBuffer(builder, fb::Table::Pack(builder, &compilation.table));
  return {builder.GetBufferPointer(), builder.GetBufferPointer() + builder.GetSize()};
}

/// The opened table, or null after a problem.
std::unique_ptr<rtt::Core> open(Compilation &compilation, const std::vector<uint8_t> &bytes) {
  auto core = rtt::Core::open(bytes.data(), bytes.size());
  if (core)
    return std::move(*core);
  compilation.problem("table", core.status().message());
  return nullptr;
}

/// Asks the runtime which tokens BPE gives back whole.
void markWholeTokens(Compilation &compilation, const rtt::Core &core) {
  // Looked up whole anyway, or too long to be a common word.
  constexpr size_t maxBytes = 128;
  if (compilation.table.ignore_merges)
    return;
  rtt::Bpe::Scratch scratch;
  for (uint32_t id = 0; id < compilation.texts.size(); ++id)
    if (compilation.has(id, fb::TokenFlag::model) && compilation.texts[id].size() <= maxBytes &&
        core.bpe.givesWhole(compilation.texts[id], id, scratch))
      compilation.set(id, fb::TokenFlag::whole);
}

/// Tries and flags of the added tokens. Those that are normalized are looked
/// for, and decoded, as what the normalizer makes of them.
void addAddedTokens(Compilation &compilation, const rtt::Core &core) {
  fb::TableT &table = compilation.table;
  std::vector<std::pair<std::string, int32_t>> raw, normalized;
  llvm::StringSet<> special;
  llvm::sort(compilation.added,
             [](const AddedToken &a, const AddedToken &b) { return a.id < b.id; });
  for (const AddedToken &token : compilation.added)
    if (token.special)
      special.insert(token.content);
  for (const AddedToken &token : compilation.added) {
    int32_t index = static_cast<int32_t>(table.added.size());
    table.added.emplace_back(token.id, token.flags);
    std::string text = token.content;
    bool atOrigin = true;
    if (token.normalized)
      if (rt::Status status = rtt::normalize(core, text, atOrigin); !status)
        compilation.problem("added_tokens", status.message());
    if (text != token.content) {
      auto spelling = std::make_unique<fb::SpellingT>();
      spelling->id = token.id;
      spelling->text = text;
      table.spellings.push_back(std::move(spelling));
    }
    if (!text.empty())
      (token.normalized ? normalized : raw).emplace_back(text, index);
    if (special.contains(text) || token.special)
      compilation.set(token.id, fb::TokenFlag::skipped);
  }
  table.raw_trie = buildTrie(compilation, std::move(raw));
  table.normalized_trie = buildTrie(compilation, std::move(normalized));
}

} // namespace

std::vector<uint8_t> buildTable(Compilation &compilation) {
  compilation.table.version = rtt::tableVersion;
  buildVocabulary(compilation);
  buildMerges(compilation);
  if (compilation.problemCount)
    return {};
  {
    std::vector<uint8_t> draft = pack(compilation);
    std::unique_ptr<rtt::Core> core = open(compilation, draft);
    if (!core)
      return {};
    markWholeTokens(compilation, *core);
    addAddedTokens(compilation, *core);
  }
  std::vector<uint8_t> bytes = pack(compilation);
  if (!compilation.problemCount)
    open(compilation, bytes);
  return bytes;
}

} // namespace kvasir::tokenizer
