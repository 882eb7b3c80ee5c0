// Finds added tokens in a text: leftmost longest in a trie, first in the text
// as it is, then between what was found in the normalized text.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "tokenizer/Core.h"
#include "tokenizer/Unicode.h"
#include <algorithm>

namespace kvasir::rt::tokenizer {
namespace {

struct Match {
  size_t begin, end;
  const fb::AddedToken *token; // null: none
};

/// The child of a node along a byte, or null.
const fb::TrieNode *child(const fb::Trie &trie, const fb::TrieNode &node, uint8_t byte) {
  const auto &edges = *trie.edges();
  uint32_t low = node.first_edge(), high = low + node.edges();
  while (low < high) {
    uint32_t middle = low + (high - low) / 2;
    const fb::TrieEdge &edge = *edges.Get(middle);
    if (edge.byte() == byte)
      return trie.nodes()->Get(edge.node());
    if (edge.byte() < byte)
      low = middle + 1;
    else
      high = middle;
  }
  return nullptr;
}

class Finder {
public:
  Finder(const Core &core, const fb::Trie &trie) : core(core), trie(trie) {
    const fb::TrieNode &root = *trie.nodes()->Get(0);
    for (uint32_t e = 0; e < root.edges(); ++e)
      starts[trie.edges()->Get(root.first_edge() + e)->byte() & 0xff] = true;
  }

  /// The leftmost match at or after `from`, and of those the longest. Ends only
  /// where characters do.
  Match next(std::string_view text, size_t from) const {
    for (size_t begin = from; begin < text.size(); ++begin) {
      if (!starts[static_cast<uint8_t>(text[begin])] || isContinuation(text[begin]))
        continue;
      if (Match match = longestAt(text, begin); match.token)
        return match;
    }
    return {0, 0, nullptr};
  }

private:
  Match longestAt(std::string_view text, size_t begin) const {
    Match match{begin, begin, nullptr};
    const fb::TrieNode *node = trie.nodes()->Get(0);
    for (size_t at = begin; at < text.size();) {
      node = child(trie, *node, static_cast<uint8_t>(text[at]));
      if (!node)
        break;
      ++at;
      if (node->added() >= 0 && (at == text.size() || !isContinuation(text[at])))
        match = {begin, at, core.table.added()->Get(static_cast<uint32_t>(node->added()))};
    }
    return match;
  }

  const Core &core;
  const fb::Trie &trie;
  bool starts[256] = {};
};

bool hasFlag(const fb::AddedToken &token, fb::AddedFlag flag) {
  return token.flags() & static_cast<uint32_t>(flag);
}

bool standsAlone(std::string_view text, size_t begin, size_t end) {
  if (begin > 0 && isWordCharacter(previousCharacter(text, begin)))
    return false;
  return end == text.size() || !isWordCharacter(nextCharacter(text, end));
}

/// Calls `piece(begin, end, id)` for consecutive stretches of `text`, id -1
/// between tokens. White space that a token strips belongs to it, so that after
/// a token that strips to its right another may start inside that stretch: the
/// reference implementation yields both, and so do we.
template <class F> void split(std::string_view text, const Finder &finder, F &&piece) {
  size_t done = 0;
  for (Match match = finder.next(text, 0); match.token; match = finder.next(text, match.end)) {
    size_t begin = match.begin, end = match.end;
    if (hasFlag(*match.token, fb::AddedFlag::single_word) && !standsAlone(text, begin, end))
      continue;
    if (hasFlag(*match.token, fb::AddedFlag::strip_left)) {
      while (begin > done) {
        size_t before = begin;
        if (!isWhitespace(previousCharacter(text, before)))
          break;
        begin = before;
      }
      begin = std::max(begin, done);
    }
    if (hasFlag(*match.token, fb::AddedFlag::strip_right))
      while (end < text.size()) {
        size_t after = end;
        if (!isWhitespace(nextCharacter(text, after)))
          break;
        end = after;
      }
    if (done < begin)
      piece(done, begin, -1);
    if (begin < end)
      piece(begin, end, static_cast<int32_t>(match.token->id()));
    done = end;
  }
  if (done < text.size())
    piece(done, text.size(), -1);
}

/// Normalizes one stretch of the input and looks for added tokens in it.
Status appendNormalized(const Core &core, const Finder *finder, std::string_view stretch,
                        bool atOrigin, Segments &into) {
  std::string text(stretch);
  if (Status status = normalize(core, text, atOrigin); !status)
    return status;
  size_t base = into.text.size();
  into.text += text;
  auto add = [&](size_t begin, size_t end, int32_t id) {
    into.pieces.push_back({base + begin, base + end, id, atOrigin && begin == 0});
  };
  if (finder)
    split(text, *finder, add);
  else if (!text.empty())
    add(0, text.size(), -1);
  return Status::ok();
}

} // namespace

Status extractAdded(const Core &core, std::string_view text, Segments &into) {
  std::optional<Finder> raw, normalized;
  if (core.table.raw_trie())
    raw.emplace(core, *core.table.raw_trie());
  if (core.table.normalized_trie())
    normalized.emplace(core, *core.table.normalized_trie());
  const Finder *second = normalized ? &*normalized : nullptr;
  into.text.reserve(text.size() + text.size() / 4);
  if (!raw)
    return appendNormalized(core, second, text, true, into);
  Status status = Status::ok();
  split(text, *raw, [&](size_t begin, size_t end, int32_t id) {
    if (!status)
      return;
    if (id < 0) {
      status = appendNormalized(core, second, text.substr(begin, end - begin), begin == 0, into);
      return;
    }
    // The text of a token no longer matters, only that it is there.
    into.pieces.push_back({into.text.size(), into.text.size(), id, false});
  });
  return status;
}

} // namespace kvasir::rt::tokenizer
