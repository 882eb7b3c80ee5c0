// Opening a tokenizer table, encoding and decoding with it.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "tokenizer/Tokenizer.h"
#include "tokenizer/Core.h"
#include "tokenizer/Decoder.h"
#include "tokenizer/Unicode.h"
#include <algorithm>

namespace kvasir::rt {
using namespace tokenizer;

namespace tokenizer {

/// Whether the bytes are a FlatBuffer of the right kind with sound offsets.
static bool isTable(const uint8_t *data, size_t size) {
  constexpr size_t maxBytes = (size_t(1) << 31) - 1; // FlatBuffers' own limit
  if (size < 8 || size >= maxBytes || !fb::TableBufferHasIdentifier(data))
    return false;
  constexpr uint32_t maxDepth = 16, maxTables = 100'000;
  flatbuffers::Verifier verifier(data, size, maxDepth, maxTables);
  return fb::VerifyTableBuffer(verifier);
}

Result<std::unique_ptr<Core>> Core::open(const uint8_t *data, size_t size) {
  if (reinterpret_cast<uintptr_t>(data) % 8 != 0)
    return error(Code::invalidArgument, "tokenizer table is not 8-byte aligned in memory");
  if (!isTable(data, size))
    return error(Code::dataLoss, format("%zu bytes that are no tokenizer table; "
                                        "compile the model again",
                                        size));
  const fb::Table &table = *fb::GetTable(data);
  if (Status status = checkTable(table); !status)
    return status;
  auto core = std::make_unique<Core>(table);
  core->bpe.prepare();
  if (table.regexes())
    for (const flatbuffers::String *pattern : *table.regexes()) {
      Result<Regex> regex = Regex::compile(view(pattern));
      if (!regex)
        return regex.status();
      core->regexes.push_back(std::move(*regex));
    }
  return core;
}

/// What a token is decoded from.
static std::string_view decodedText(const Core &core, uint32_t id) {
  if (const auto *spellings = core.table.spellings()) {
    uint32_t low = 0, high = spellings->size();
    while (low < high) {
      uint32_t middle = low + (high - low) / 2;
      const fb::Spelling &spelling = *spellings->Get(middle);
      if (spelling.id() == id)
        return view(spelling.text());
      if (spelling.id() < id)
        low = middle + 1;
      else
        high = middle;
    }
  }
  return core.vocabulary.text(id);
}

/// Whether the token of an id takes part in decoding.
static bool isDecoded(const Core &core, int32_t id, bool skipSpecial) {
  uint32_t index = static_cast<uint32_t>(id);
  return id >= 0 && core.vocabulary.has(index, fb::TokenFlag::present) &&
         !(skipSpecial && core.vocabulary.has(index, fb::TokenFlag::skipped));
}

} // namespace tokenizer

Tokenizer::Tokenizer(std::unique_ptr<Core> core) : implementation(std::move(core)) {}
Tokenizer::Tokenizer(Tokenizer &&) = default;
Tokenizer &Tokenizer::operator=(Tokenizer &&) = default;
Tokenizer::~Tokenizer() = default;

Result<Tokenizer> Tokenizer::open(const uint8_t *data, size_t size) {
  Result<std::unique_ptr<Core>> core = Core::open(data, size);
  if (!core)
    return core.status();
  return Tokenizer(std::move(*core));
}

/// Ids of the text alone.
static Status encodeText(const Core &core, std::string_view text, std::vector<int32_t> &ids) {
  Segments segments;
  if (Status status = extractAdded(core, text, segments); !status)
    return status;
  if (Status status = preTokenize(core, segments); !status)
    return status;
  Bpe::Scratch scratch;
  for (const Piece &piece : segments.pieces) {
    if (piece.id >= 0) {
      ids.push_back(piece.id);
      continue;
    }
    if (Status status = core.bpe.encode(segments.view(piece), scratch, ids); !status)
      return status;
  }
  return Status::ok();
}

Result<std::vector<int32_t>> Tokenizer::encode(std::string_view utf8, bool addSpecialTokens) const {
  // Positions inside a text are 32 bits wide, and normalization may lengthen
  // it.
  constexpr size_t maxBytes = size_t(1) << 28;
  if (utf8.size() > maxBytes)
    return error(Code::outOfRange, format("text of %zu bytes, at most %zu can "
                                          "be encoded at once",
                                          utf8.size(), maxBytes));
  if (size_t at = findInvalidUtf8(utf8); at != std::string_view::npos)
    return error(Code::invalidArgument,
                 format("text is not UTF-8: byte 0x%02x at offset %zu",
                        static_cast<unsigned>(static_cast<uint8_t>(utf8[at])), at));
  std::vector<int32_t> ids;
  if (Status status = encodeText(*implementation, utf8, ids); !status)
    return status;
  const auto *around = implementation->table.template_();
  if (!around || around->size() == 0)
    return ids;
  std::vector<int32_t> result;
  for (int32_t id : *around) {
    if (id < 0)
      result.insert(result.end(), ids.begin(), ids.end());
    else if (addSpecialTokens)
      result.push_back(id);
  }
  return result;
}

std::string Tokenizer::decode(std::span<const int32_t> ids, bool skipSpecial) const {
  DecoderChain chain(*implementation);
  for (int32_t id : ids)
    if (isDecoded(*implementation, id, skipSpecial))
      chain.push(decodedText(*implementation, static_cast<uint32_t>(id)));
  chain.finish();
  return chain.take();
}

int32_t Tokenizer::vocabSize() const {
  return static_cast<int32_t>(implementation->vocabulary.size());
}

std::optional<std::string_view> Tokenizer::idToToken(int32_t id) const {
  if (!isDecoded(*implementation, id, false))
    return std::nullopt;
  return implementation->vocabulary.text(static_cast<uint32_t>(id));
}

std::optional<int32_t> Tokenizer::tokenToId(std::string_view token) const {
  int32_t id = implementation->vocabulary.find(token, fb::TokenFlag::present);
  return id < 0 ? std::nullopt : std::optional<int32_t>(id);
}

bool Tokenizer::isSpecial(int32_t id) const {
  return id >= 0 &&
         implementation->vocabulary.has(static_cast<uint32_t>(id), fb::TokenFlag::special);
}

static std::optional<int32_t> optionalId(int32_t id) {
  return id < 0 ? std::nullopt : std::optional<int32_t>(id);
}
std::optional<int32_t> Tokenizer::bosId() const {
  return optionalId(implementation->table.bos_id());
}
std::optional<int32_t> Tokenizer::eosId() const {
  return optionalId(implementation->table.eos_id());
}
std::optional<int32_t> Tokenizer::padId() const {
  return optionalId(implementation->table.pad_id());
}

StreamDecoder::StreamDecoder(const Tokenizer &tokenizer, bool skipSpecial)
    : core(&tokenizer.core()), skipSpecial(skipSpecial),
      chain(std::make_unique<DecoderChain>(*core)) {}
StreamDecoder::StreamDecoder(StreamDecoder &&) = default;
StreamDecoder &StreamDecoder::operator=(StreamDecoder &&) = default;
StreamDecoder::~StreamDecoder() = default;

std::string StreamDecoder::push(int32_t id) {
  if (isDecoded(*core, id, skipSpecial))
    chain->push(decodedText(*core, static_cast<uint32_t>(id)));
  return chain->take();
}

std::string StreamDecoder::flush() {
  chain->finish();
  return chain->take();
}

} // namespace kvasir::rt
