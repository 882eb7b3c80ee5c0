// Writing the toy tokenizer.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "ToyTokenizer.h"

#include "kvasir/Artifact/Tokenizer_generated.h"
#include "tokenizer/Hash.h"

namespace kvasir::test {

using namespace artifact::tokenizer;

std::string toyTokenizer(int32_t vocab) {
  TableT table;
  table.version = rt::tokenizer::tableVersion;
  std::string bytes;
  auto flag = [](TokenFlag value) { return static_cast<uint8_t>(value); };
  uint32_t slots = 4 * static_cast<uint32_t>(vocab);
  table.vocabulary.assign(slots, VocabularySlot(0, rt::tokenizer::emptySlot));
  table.vocabulary_probes = slots < 256 ? slots : 256;
  const char *special[] = {"<pad>", "<s>", "</s>"};
  for (int32_t id = 0; id < vocab; ++id) {
    std::string text = id < 3 ? special[id] : std::string(1, toyCharacter(id));
    table.token_offsets.push_back(static_cast<uint32_t>(bytes.size()));
    bytes += text;
    table.token_flags.push_back(flag(TokenFlag::present) |
                                (id < 3 ? flag(TokenFlag::special) | flag(TokenFlag::skipped)
                                        : flag(TokenFlag::model) | flag(TokenFlag::whole)));
    uint64_t hash = rt::tokenizer::hashText(text, 0);
    size_t at = rt::tokenizer::firstSlot(hash, slots);
    while (table.vocabulary[at].id() != rt::tokenizer::emptySlot)
      at = (at + 1) % slots;
    table.vocabulary[at] = VocabularySlot(static_cast<uint32_t>(hash), static_cast<uint32_t>(id));
  }
  table.token_offsets.push_back(static_cast<uint32_t>(bytes.size()));
  table.token_bytes.assign(bytes.begin(), bytes.end());
  auto fuse = std::make_unique<DecoderStepT>();
  fuse->kind = DecoderKind::fuse;
  table.decoders.push_back(std::move(fuse));
  table.has_decoder = true;
  table.bos_id = 1;
  table.eos_id = 2;
  flatbuffers::FlatBufferBuilder builder;
  builder.Finish(Table::Pack(builder, &table), TableIdentifier());
  return {reinterpret_cast<const char *>(builder.GetBufferPointer()), builder.GetSize()};
}

} // namespace kvasir::test
