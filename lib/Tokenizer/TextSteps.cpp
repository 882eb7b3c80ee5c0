// Normalizers and pre-tokenizers of tokenizer.json as flat lists of the
// runtime's steps.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Compilation.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringSwitch.h"
#include <memory>

namespace kvasir::tokenizer {
namespace {

/// GPT-2's pattern, which ByteLevel splits by.
constexpr llvm::StringLiteral gpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

class NormalizerReader {
public:
  NormalizerReader(Compilation &compilation) : compilation(compilation) {}

  void step(llvm::StringRef type, const Json &object, const std::string &path) {
    using Kind = fb::NormalizerKind;
    ObjectReader reader(compilation, object, path);
    auto plain = llvm::StringSwitch<std::optional<Kind>>(type)
                     .Case("NFC", Kind::nfc)
                     .Case("NFD", Kind::nfd)
                     .Case("NFKC", Kind::nfkc)
                     .Case("NFKD", Kind::nfkd)
                     .Case("Lowercase", Kind::lowercase)
                     .Case("StripAccents", Kind::strip_marks)
                     .Case("ByteLevel", Kind::byte_level)
                     .Default(std::nullopt);
    if (plain) {
      reader.allow({"type"});
      add(*plain);
    } else if (type == "Strip") {
      reader.allow({"type", "strip_left", "strip_right"});
      fb::NormalizerStepT &strip = add(Kind::strip_spaces);
      strip.left = reader.boolean("strip_left", true);
      strip.right = reader.boolean("strip_right", true);
    } else if (type == "Prepend") {
      reader.allow({"type", "prepend"});
      add(Kind::prepend).text = reader.needString("prepend", false);
    } else if (type == "Replace") {
      compileReplace<fb::NormalizerKind>(compilation, reader,
                                         [&](auto kind) -> auto & { return add(kind); });
    } else if (type == "BertNormalizer") {
      bert(reader);
    } else {
      reader.problem("normalizer \"" + type +
                     "\" is not supported (supported: NFC, NFD, NFKC, NFKD, "
                     "Lowercase, StripAccents, Strip, Prepend, Replace, "
                     "BertNormalizer, ByteLevel, Sequence)");
    }
  }

private:
  fb::NormalizerStepT &add(fb::NormalizerKind kind) {
    auto &steps = compilation.table.normalizers;
    steps.push_back(std::make_unique<fb::NormalizerStepT>());
    steps.back()->kind = kind;
    return *steps.back();
  }

  void bert(ObjectReader &reader) {
    reader.allow({"type", "clean_text", "handle_chinese_chars", "strip_accents", "lowercase"});
    bool lowercase = reader.boolean("lowercase", true);
    if (reader.boolean("clean_text", true))
      add(fb::NormalizerKind::clean_text);
    if (reader.boolean("handle_chinese_chars", true))
      add(fb::NormalizerKind::space_ideographs);
    if (reader.boolean("strip_accents", lowercase)) {
      add(fb::NormalizerKind::nfd);
      add(fb::NormalizerKind::strip_nonspacing_marks);
    }
    if (lowercase)
      add(fb::NormalizerKind::lowercase);
  }

  Compilation &compilation;
};

class PreTokenizerReader {
public:
  PreTokenizerReader(Compilation &compilation) : compilation(compilation) {}

  void step(llvm::StringRef type, const Json &object, const std::string &path) {
    using Kind = fb::PreTokenizerKind;
    using Behavior = fb::SplitBehavior;
    ObjectReader reader(compilation, object, path);
    if (type == "ByteLevel") {
      byteLevel(reader);
    } else if (type == "Split") {
      split(reader);
    } else if (type == "Metaspace") {
      metaspace(reader);
    } else if (type == "Whitespace") {
      reader.allow({"type"});
      regex(R"([\w\x{200c}\x{200d}]+|[^\w\s\x{200c}\x{200d}]+)", Behavior::removed, true);
    } else if (type == "WhitespaceSplit") {
      reader.allow({"type"});
      add(Kind::split_whitespace).behavior = Behavior::removed;
    } else if (type == "BertPreTokenizer") {
      reader.allow({"type"});
      add(Kind::split_whitespace).behavior = Behavior::removed;
      add(Kind::split_punctuation).behavior = Behavior::isolated;
    } else if (type == "Punctuation") {
      reader.allow({"type", "behavior"});
      Behavior behavior = readBehavior(reader, "Isolated");
      add(Kind::split_punctuation).behavior = behavior;
    } else if (type == "Digits") {
      reader.allow({"type", "individual_digits"});
      bool single = reader.boolean("individual_digits", false);
      add(Kind::split_numeric).behavior = single ? Behavior::isolated : Behavior::contiguous;
    } else {
      reader.problem("pre-tokenizer \"" + type +
                     "\" is not supported (supported: ByteLevel, Split, "
                     "Metaspace, Whitespace, WhitespaceSplit, Punctuation, "
                     "Digits, BertPreTokenizer, Sequence)");
    }
  }

private:
  fb::PreTokenizerStepT &add(fb::PreTokenizerKind kind) {
    auto &steps = compilation.table.pre_tokenizers;
    steps.push_back(std::make_unique<fb::PreTokenizerStepT>());
    steps.back()->kind = kind;
    return *steps.back();
  }

  void regex(llvm::StringRef pattern, fb::SplitBehavior behavior, bool invert) {
    std::optional<uint32_t> index = addRegex(compilation, "pattern", pattern);
    if (!index)
      return;
    fb::PreTokenizerStepT &step = add(fb::PreTokenizerKind::split_regex);
    step.regex = *index;
    step.behavior = behavior;
    step.invert = invert;
  }

  fb::SplitBehavior readBehavior(ObjectReader &reader, llvm::StringRef missing) {
    using Behavior = fb::SplitBehavior;
    std::string name = reader.string("behavior", missing);
    auto behavior = llvm::StringSwitch<std::optional<Behavior>>(name)
                        .Case("Removed", Behavior::removed)
                        .Case("Isolated", Behavior::isolated)
                        .Case("MergedWithPrevious", Behavior::merged_with_previous)
                        .Case("MergedWithNext", Behavior::merged_with_next)
                        .Case("Contiguous", Behavior::contiguous)
                        .Default(std::nullopt);
    if (!behavior)
      reader.problem("behavior \"" + name + "\" is not known");
    return behavior.value_or(Behavior::isolated);
  }

  void byteLevel(ObjectReader &reader) {
    reader.allow({"type", "add_prefix_space", "trim_offsets", "use_regex"});
    if (reader.boolean("add_prefix_space", true))
      add(fb::PreTokenizerKind::prefix_space);
    if (reader.boolean("use_regex", true))
      regex(gpt2Pattern, fb::SplitBehavior::isolated, false);
    add(fb::PreTokenizerKind::byte_level);
  }

  void split(ObjectReader &reader) {
    reader.allow({"type", "pattern", "behavior", "invert"});
    fb::SplitBehavior behavior = readBehavior(reader, "");
    bool invert = reader.boolean("invert", false);
    std::optional<Pattern> pattern =
        readPattern(compilation, reader.member("pattern"), reader.memberPath("pattern"));
    if (!pattern)
      return;
    fb::PreTokenizerStepT &step = add(fb::PreTokenizerKind::split_regex);
    step.regex = pattern->isRegex ? pattern->regex : addLiteralRegex(compilation, pattern->literal);
    step.behavior = behavior;
    step.invert = invert;
  }

  void metaspace(ObjectReader &reader) {
    fb::PreTokenizerStepT &step = add(fb::PreTokenizerKind::metaspace);
    readMetaspace(reader, step.text, step.scheme, step.split);
  }

  Compilation &compilation;
};

} // namespace

void readMetaspace(ObjectReader &reader, std::string &text, fb::PrependScheme &scheme,
                   bool &split) {
  using Scheme = fb::PrependScheme;
  reader.allow({"type", "replacement", "str_rep", "add_prefix_space", "prepend_scheme", "split"});
  text = readCharacter(reader, "replacement");
  // Older files only say whether to prepend.
  bool prefix = reader.boolean("add_prefix_space", true);
  std::string name = reader.string("prepend_scheme", prefix ? "always" : "never");
  auto known = llvm::StringSwitch<std::optional<Scheme>>(name)
                   .Case("first", Scheme::first)
                   .Case("never", Scheme::never)
                   .Case("always", Scheme::always)
                   .Default(std::nullopt);
  if (!known)
    reader.problem("prepend_scheme \"" + name + "\" is not known");
  else if (!prefix && *known != Scheme::never)
    reader.problem("add_prefix_space is false, but prepend_scheme is \"" + name + "\"");
  scheme = known.value_or(Scheme::always);
  split = reader.boolean("split", true);
}

std::string readCharacter(ObjectReader &reader, const char *key) {
  std::string text = reader.needString(key);
  size_t characters = llvm::count_if(text, [](char byte) { return (byte & 0xc0) != 0x80; });
  if (characters > 1)
    reader.problem("\"" + llvm::Twine(key) + "\": expected one character, but got \"" + text +
                   "\"");
  return text;
}

void readNormalizer(Compilation &compilation, const Json *normalizer) {
  NormalizerReader reader(compilation);
  forEachStep(compilation, normalizer, "normalizer", "normalizers",
              [&](llvm::StringRef type, const Json &object, const std::string &path) {
                reader.step(type, object, path);
              });
}

void readPreTokenizer(Compilation &compilation, const Json *preTokenizer) {
  PreTokenizerReader reader(compilation);
  forEachStep(compilation, preTokenizer, "pre_tokenizer", "pretokenizers",
              [&](llvm::StringRef type, const Json &object, const std::string &path) {
                reader.step(type, object, path);
              });
}

} // namespace kvasir::tokenizer
