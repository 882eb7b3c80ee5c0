// Byte-pair encoding of one piece of text with a heap of candidate merges.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "tokenizer/Bpe.h"
#include "tokenizer/Core.h"
#include "tokenizer/Unicode.h"
#include <algorithm>

namespace kvasir::rt::tokenizer {

Bpe::Bpe(const fb::Table &table, const Vocabulary &vocabulary)
    : table(table), vocabulary(vocabulary), prefix(view(table.continuing_prefix())),
      suffix(view(table.end_suffix())) {
  characterIds.fill(-1);
  byteIds.fill(-1);
}

void Bpe::prepare() {
  for (char32_t c = 0; c < characterIds.size(); ++c) {
    std::string text;
    appendCharacter(text, c);
    characterIds[c] = vocabulary.find(text, fb::TokenFlag::model);
  }
  for (unsigned byte = 0; byte < 256; ++byte)
    byteIds[byte] = vocabulary.find(format("<0x%02X>", byte), fb::TokenFlag::model);
}

/// Id of one character with what its place in the piece adds to it, or -1.
/// Leaves the text that was looked up in `key` unless it is the plain
/// character.
int32_t Bpe::symbolOf(std::string_view piece, size_t begin, size_t end, std::string &key) const {
  key.clear();
  bool withPrefix = begin > 0 && !prefix.empty();
  bool withSuffix = end == piece.size() && !suffix.empty();
  std::string_view character = piece.substr(begin, end - begin);
  if (!withPrefix && !withSuffix) {
    size_t at = 0;
    char32_t c = end - begin <= 2 ? nextCharacter(character, at) : 0x180;
    if (c < characterIds.size())
      return characterIds[c];
    return vocabulary.find(character, fb::TokenFlag::model);
  }
  if (withPrefix)
    key += prefix;
  key += character;
  if (withSuffix)
    key += suffix;
  return vocabulary.find(key, fb::TokenFlag::model);
}

/// One byte token for each byte of a character that is not in the vocabulary;
/// all or none.
bool Bpe::appendBytes(std::string_view piece, size_t begin, size_t end, Scratch &scratch) const {
  std::string_view bytes =
      scratch.key.empty() ? piece.substr(begin, end - begin) : std::string_view(scratch.key);
  for (char byte : bytes)
    if (byteIds[static_cast<uint8_t>(byte)] < 0)
      return false;
  for (char byte : bytes)
    scratch.symbols.push_back(
        {static_cast<uint32_t>(byteIds[static_cast<uint8_t>(byte)]), 0, 0, true});
  return true;
}

Status Bpe::split(std::string_view piece, Scratch &scratch) const {
  scratch.symbols.clear();
  int32_t unknown = table.unknown_id();
  // A run of unknown characters is one token if they fuse; it is only added
  // when something else follows, as byte tokens do not end such a run.
  bool pending = false;
  auto add = [&](int32_t id) {
    scratch.symbols.push_back({static_cast<uint32_t>(id), 0, 0, true});
  };
  for (size_t begin = 0, end = 0; begin < piece.size(); begin = end) {
    nextCharacter(piece, end);
    int32_t id = symbolOf(piece, begin, end, scratch.key);
    if (id >= 0) {
      if (pending)
        add(unknown);
      pending = false;
      add(id);
      continue;
    }
    if (table.byte_fallback() && appendBytes(piece, begin, end, scratch))
      continue;
    if (unknown == -2)
      return error(Code::invalidArgument,
                   format("character \"%.*s\" is not in the vocabulary, and "
                          "neither is the unknown token \"%s\"",
                          static_cast<int>(end - begin), piece.data() + begin,
                          std::string(view(table.unknown_token())).c_str()));
    if (unknown < 0)
      continue;
    if (pending && !table.fuse_unknown())
      add(unknown);
    pending = true;
  }
  if (pending)
    add(unknown);
  return link(scratch);
}

/// Makes a list of the symbols.
Status Bpe::link(Scratch &scratch) const {
  if (scratch.symbols.size() > INT32_MAX)
    return error(Code::outOfRange, "text has more characters than can be "
                                   "encoded at once; split the text");
  int32_t count = static_cast<int32_t>(scratch.symbols.size());
  for (int32_t i = 0; i < count; ++i) {
    scratch.symbols[i].previous = i - 1;
    scratch.symbols[i].next = i + 1 < count ? i + 1 : -1;
  }
  return Status::ok();
}

static bool mergesLater(const Bpe::Scratch::Merge &a, const Bpe::Scratch::Merge &b) {
  return a.priority > b.priority;
}

void Bpe::queuePair(Scratch &scratch, int32_t left, int32_t right) const {
  const fb::MergeSlot *found =
      vocabulary.findMerge(scratch.symbols[left].id, scratch.symbols[right].id);
  if (!found)
    return;
  scratch.queue.push_back(
      {uint64_t(found->rank()) << 32 | static_cast<uint32_t>(left), found->merged()});
  std::push_heap(scratch.queue.begin(), scratch.queue.end(), mergesLater);
}

void Bpe::merge(Scratch &scratch) const {
  auto &symbols = scratch.symbols;
  auto &queue = scratch.queue;
  queue.clear();
  for (size_t i = 0; i + 1 < symbols.size(); ++i)
    queuePair(scratch, static_cast<int32_t>(i), static_cast<int32_t>(i + 1));
  while (!queue.empty()) {
    std::pop_heap(queue.begin(), queue.end(), mergesLater);
    Scratch::Merge top = queue.back();
    queue.pop_back();
    int32_t at = static_cast<int32_t>(static_cast<uint32_t>(top.priority));
    int32_t right = symbols[at].next;
    if (!symbols[at].alive || right < 0)
      continue;
    // The pair may have changed since it was queued. Like the reference
    // implementation, an entry still counts if today's pair merges into the
    // same token.
    const fb::MergeSlot *today = vocabulary.findMerge(symbols[at].id, symbols[right].id);
    if (!today || today->merged() != top.merged)
      continue;
    symbols[at].id = top.merged;
    symbols[at].next = symbols[right].next;
    symbols[right].alive = false;
    if (symbols[at].next >= 0) {
      symbols[symbols[at].next].previous = at;
      queuePair(scratch, at, symbols[at].next);
    }
    if (symbols[at].previous >= 0)
      queuePair(scratch, symbols[at].previous, at);
  }
}

Status Bpe::encode(std::string_view piece, Scratch &scratch, std::vector<int32_t> &ids) const {
  fb::TokenFlag known =
      table.ignore_merges() ? fb::TokenFlag::model : fb::TokenFlag::model | fb::TokenFlag::whole;
  if (int32_t id = vocabulary.find(piece, known); id >= 0) {
    ids.push_back(id);
    return Status::ok();
  }
  if (Status status = split(piece, scratch); !status)
    return status;
  merge(scratch);
  for (const Scratch::Symbol &symbol : scratch.symbols)
    if (symbol.alive)
      ids.push_back(static_cast<int32_t>(symbol.id));
  return Status::ok();
}

bool Bpe::givesWhole(std::string_view text, uint32_t id, Scratch &scratch) const {
  if (text.empty() || !split(text, scratch))
    return false;
  merge(scratch);
  return std::count_if(scratch.symbols.begin(), scratch.symbols.end(),
                       [](const auto &symbol) { return symbol.alive; }) == 1 &&
         scratch.symbols[0].id == id;
}

} // namespace kvasir::rt::tokenizer
