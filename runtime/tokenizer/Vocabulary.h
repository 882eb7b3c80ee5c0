// Tokens by id and by text, and the pairs that merge: lookups in the mapped
// hash tables.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_RUNTIME_TOKENIZER_VOCABULARY_H
#define KVASIR_RUNTIME_TOKENIZER_VOCABULARY_H

#include "kvasir/Artifact/Tokenizer_generated.h"
#include "tokenizer/Hash.h"
#include <string_view>

namespace kvasir::rt::tokenizer {
namespace fb = kvasir::artifact::tokenizer;

/// A view of a table; lookups are only made after checkTable().
class Vocabulary {
public:
  explicit Vocabulary(const fb::Table &table)
      : bytes(reinterpret_cast<const char *>(table.token_bytes()->data())),
        offsets(table.token_offsets()->data()), tokenFlags(table.token_flags()->data()),
        count(table.token_flags()->size()),
        slots(reinterpret_cast<const fb::VocabularySlot *>(table.vocabulary()->Data())),
        slotCount(table.vocabulary()->size()), salt(table.vocabulary_salt()),
        probes(table.vocabulary_probes()),
        merges(reinterpret_cast<const fb::MergeSlot *>(table.merges()->Data())),
        mergeCount(table.merges()->size()), mergeSalt(table.merge_salt()),
        mergeProbes(table.merge_probes()) {}

  uint32_t size() const { return count; }
  std::string_view text(uint32_t id) const {
    return {bytes + offsets[id], offsets[id + 1] - offsets[id]};
  }
  bool has(uint32_t id, fb::TokenFlag flag) const {
    return id < count && (tokenFlags[id] & static_cast<uint8_t>(flag));
  }

  /// Id of the token with this text and all of `wanted`, or -1.
  int32_t find(std::string_view token, fb::TokenFlag wanted) const {
    uint64_t hash = hashText(token, salt);
    uint32_t tag = static_cast<uint32_t>(hash);
    size_t at = firstSlot(hash, slotCount);
    for (uint32_t probe = 0; probe < probes; ++probe) {
      const fb::VocabularySlot &slot = slots[at];
      if (slot.id() == emptySlot)
        return -1;
      if (slot.tag() == tag && text(slot.id()) == token) {
        uint8_t mask = static_cast<uint8_t>(wanted);
        return (tokenFlags[slot.id()] & mask) == mask ? static_cast<int32_t>(slot.id()) : -1;
      }
      at = at + 1 == slotCount ? 0 : at + 1;
    }
    return -1;
  }

  /// The merge of two tokens, or null.
  const fb::MergeSlot *findMerge(uint32_t left, uint32_t right) const {
    if (mergeCount == 0)
      return nullptr;
    size_t at = firstSlot(hashPair(left, right, mergeSalt), mergeCount);
    for (uint32_t probe = 0; probe < mergeProbes; ++probe) {
      const fb::MergeSlot &slot = merges[at];
      if (slot.left() == left && slot.right() == right)
        return &slot;
      if (slot.left() == emptySlot)
        return nullptr;
      at = at + 1 == mergeCount ? 0 : at + 1;
    }
    return nullptr;
  }

private:
  const char *bytes;
  const uint32_t *offsets;
  const uint8_t *tokenFlags;
  uint32_t count;
  const fb::VocabularySlot *slots;
  size_t slotCount;
  uint32_t salt, probes;
  const fb::MergeSlot *merges;
  size_t mergeCount;
  uint32_t mergeSalt, mergeProbes;
};

} // namespace kvasir::rt::tokenizer

#endif // KVASIR_RUNTIME_TOKENIZER_VOCABULARY_H
