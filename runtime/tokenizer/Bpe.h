// Byte-pair encoding of one piece of text: characters become symbols, and the
// adjacent pair of lowest rank (then leftmost) merges until none is left. n log
// n in the length of the piece.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_RUNTIME_TOKENIZER_BPE_H
#define KVASIR_RUNTIME_TOKENIZER_BPE_H

#include "support/Status.h"
#include "tokenizer/Vocabulary.h"
#include <array>
#include <string>
#include <vector>

namespace kvasir::rt::tokenizer {

class Bpe {
public:
  Bpe(const fb::Table &table, const Vocabulary &vocabulary);
  Bpe(const Bpe &) = delete; // refers to its neighbour, the vocabulary

  /// Fills what is looked up often; after checkTable().
  void prepare();

  /// Memory reused from piece to piece.
  struct Scratch {
    struct Symbol {
      uint32_t id;
      int32_t previous, next; // -1: none
      bool alive;
    };
    struct Merge {
      uint64_t priority; // rank, then position: lowest first
      uint32_t merged;
    };
    std::vector<Symbol> symbols;
    std::vector<Merge> queue;
    std::string key;
  };

  /// Appends the ids of `piece`, UTF-8 of less than 2 GiB.
  Status encode(std::string_view piece, Scratch &scratch, std::vector<int32_t> &ids) const;

  /// Whether BPE proper, without looking up whole pieces first, gives `text` as
  /// the single token `id`.
  bool givesWhole(std::string_view text, uint32_t id, Scratch &scratch) const;

private:
  Status split(std::string_view piece, Scratch &scratch) const;
  Status link(Scratch &scratch) const;
  void merge(Scratch &scratch) const;
  int32_t symbolOf(std::string_view piece, size_t begin, size_t end, std::string &key) const;
  bool appendBytes(std::string_view piece, size_t begin, size_t end, Scratch &scratch) const;
  void queuePair(Scratch &scratch, int32_t left, int32_t right) const;

  const fb::Table &table;
  const Vocabulary &vocabulary;
  std::string_view prefix, suffix;
  /// Ids of single characters below 0x180, when neither prefix nor suffix
  /// changes them, and of the <0xNN> tokens; -1: none.
  std::array<int32_t, 0x180> characterIds;
  std::array<int32_t, 256> byteIds;
};

} // namespace kvasir::rt::tokenizer

#endif // KVASIR_RUNTIME_TOKENIZER_BPE_H
