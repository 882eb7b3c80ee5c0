// Post-processors and decoders of tokenizer.json, on the side of the ids.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Compilation.h"
#include <memory>

namespace kvasir::tokenizer {
namespace {

/// All that a post-processor does to ids is to put others around them.
class PostProcessorReader {
public:
  PostProcessorReader(Compilation &compilation) : compilation(compilation) {}

  void step(llvm::StringRef type, const Json &object, const std::string &path) {
    ObjectReader reader(compilation, object, path);
    if (type == "ByteLevel") { // changes offsets only
      reader.allow({"type", "add_prefix_space", "trim_offsets", "use_regex"});
    } else if (type == "TemplateProcessing") {
      once(reader);
      templateProcessing(reader, object);
    } else if (type == "BertProcessing" || type == "RobertaProcessing") {
      once(reader);
      reader.allow({"type", "sep", "cls", "trim_offsets", "add_prefix_space"});
      addPair(reader, "cls");
      compilation.table.template_.push_back(-1);
      addPair(reader, "sep");
    } else {
      reader.problem("post-processor \"" + type +
                     "\" is not supported (supported: TemplateProcessing, "
                     "ByteLevel, BertProcessing, RobertaProcessing, Sequence)");
    }
  }

private:
  void once(ObjectReader &reader) {
    if (seen)
      reader.problem("a second post-processor that adds tokens is not "
                     "supported");
    seen = true;
  }

  void addId(ObjectReader &reader, llvm::StringRef token, const Json &id) {
    uint64_t value = id.is_number_unsigned() ? id.get<uint64_t>() : UINT64_MAX;
    if (value >= compilation.texts.size() ||
        !compilation.has(static_cast<uint32_t>(value), fb::TokenFlag::present))
      return reader.problem("token \"" + token + "\" has an id that is not in the vocabulary");
    compilation.table.template_.push_back(static_cast<int32_t>(value));
  }

  /// A member ["text", id].
  void addPair(ObjectReader &reader, const char *key) {
    const Json *pair = reader.member(key);
    if (!pair || !pair->is_array() || pair->size() != 2 || !(*pair)[0].is_string())
      return reader.problem("\"" + llvm::Twine(key) + "\": expected [\"token\", id]");
    addId(reader, (*pair)[0].get_ref<const std::string &>(), (*pair)[1]);
  }

  void templateProcessing(ObjectReader &reader, const Json &object) {
    reader.allow({"type", "single", "pair", "special_tokens"});
    const Json *pieces = reader.array("single");
    const Json *tokens = reader.member("special_tokens");
    for (size_t i = 0; pieces && i < pieces->size(); ++i) {
      const Json &piece = (*pieces)[i];
      bool single = piece.is_object() && piece.size() == 1;
      std::string kind = single ? piece.begin().key() : "";
      const Json *id = nullptr;
      if (single && piece.begin()->is_object())
        if (auto found = piece.begin()->find("id"); found != piece.begin()->end())
          id = &*found;
      if (kind == "Sequence" && id && *id == "A")
        compilation.table.template_.push_back(-1);
      else if (kind == "SpecialToken" && id && id->is_string())
        specialToken(reader, tokens, id->get_ref<const std::string &>());
      else
        reader.problem("piece " + llvm::Twine(i) +
                       " of \"single\": expected a SpecialToken or Sequence A");
    }
    // An empty template leaves nothing; a table without one leaves the text.
    if (pieces && pieces->empty())
      reader.problem("\"single\" is empty");
  }

  void specialToken(ObjectReader &reader, const Json *tokens, const std::string &name) {
    if (tokens && tokens->is_object())
      if (auto found = tokens->find(name); found != tokens->end())
        if (found->is_object() && found->contains("ids") && (*found)["ids"].is_array()) {
          for (const Json &id : (*found)["ids"])
            addId(reader, name, id);
          return;
        }
    reader.problem("token \"" + name + "\" is not in \"special_tokens\"");
  }

  Compilation &compilation;
  bool seen = false;
};

class DecoderReader {
public:
  DecoderReader(Compilation &compilation) : compilation(compilation) {}

  void step(llvm::StringRef type, const Json &object, const std::string &path) {
    using Kind = fb::DecoderKind;
    ObjectReader reader(compilation, object, path);
    if (type == "ByteLevel") {
      reader.allow({"type", "add_prefix_space", "trim_offsets", "use_regex"});
      add(Kind::byte_level);
    } else if (type == "ByteFallback" || type == "Fuse") {
      reader.allow({"type"});
      add(type == "Fuse" ? Kind::fuse : Kind::byte_fallback);
    } else if (type == "Strip") {
      reader.allow({"type", "content", "start", "stop"});
      fb::DecoderStepT &strip = add(Kind::strip);
      strip.text = readCharacter(reader, "content");
      strip.start = reader.number("start", 0);
      strip.stop = reader.number("stop", 0);
    } else if (type == "Replace") {
      compileReplace<fb::DecoderKind>(compilation, reader,
                                      [&](auto kind) -> auto & { return add(kind); });
    } else if (type == "Metaspace") {
      fb::DecoderStepT &step = add(Kind::metaspace);
      bool split = false;
      readMetaspace(reader, step.text, step.scheme, split);
    } else if (type == "BPEDecoder") {
      reader.allow({"type", "suffix"});
      add(Kind::word_suffix).text = reader.needString("suffix");
    } else {
      reader.problem("decoder \"" + type +
                     "\" is not supported (supported: ByteLevel, ByteFallback, "
                     "Fuse, Strip, Replace, Metaspace, BPEDecoder, Sequence)");
    }
  }

private:
  fb::DecoderStepT &add(fb::DecoderKind kind) {
    auto &steps = compilation.table.decoders;
    steps.push_back(std::make_unique<fb::DecoderStepT>());
    steps.back()->kind = kind;
    return *steps.back();
  }

  Compilation &compilation;
};

} // namespace

void readPostProcessor(Compilation &compilation, const Json *postProcessor) {
  PostProcessorReader reader(compilation);
  forEachStep(compilation, postProcessor, "post_processor", "processors",
              [&](llvm::StringRef type, const Json &object, const std::string &path) {
                reader.step(type, object, path);
              });
}

void readDecoder(Compilation &compilation, const Json *decoder) {
  compilation.table.has_decoder = decoder != nullptr;
  DecoderReader reader(compilation);
  forEachStep(compilation, decoder, "decoder", "decoders",
              [&](llvm::StringRef type, const Json &object, const std::string &path) {
                reader.step(type, object, path);
              });
}

} // namespace kvasir::tokenizer
