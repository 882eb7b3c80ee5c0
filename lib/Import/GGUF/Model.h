// From GGUF files to a description of a decoder and of its tokenizer; no MLIR here.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_IMPORT_GGUF_MODEL_H
#define KVASIR_IMPORT_GGUF_MODEL_H

#include "Container.h"
#include "kvasir/Model/Decoder.h"
#include "kvasir/Tokenizer/Vocabulary.h"
#include "llvm/Support/MemoryBuffer.h"
#include <memory>

namespace kvasir::gguf {

/// The files of a model, mapped.
struct ModelFiles {
  std::string directory;          ///< that they are in
  std::vector<std::string> files; ///< names, in the order of the parts
  std::vector<std::unique_ptr<llvm::MemoryBuffer>> buffers;
  Container container;
};

/// True for the name of a GGUF file, a file that starts like one, or a folder with such names.
bool looksLikeModel(llvm::StringRef path);

/// Opens a file, all parts of a split file of which `path` is one, or the only model of a folder.
ModelFiles openModel(llvm::StringRef path, Problems &problems);

/// Reads the metadata and compares it with the tensors. Everything that is not understood goes to
/// `problems`; the result is of use only if there are none.
DecoderDescription describeModel(const Container &container, Problems &problems);

/// The tokenizer's data as it is in the metadata; without one, `missing` says why.
std::optional<VocabularyDescription> readVocabulary(const Metadata &metadata, std::string &missing,
                                                    Problems &problems);

/// The ids that end a text, and the one that starts it.
void readSpecialTokens(const Metadata &metadata, DecoderDescription &decoder, Problems &problems);

} // namespace kvasir::gguf

#endif // KVASIR_IMPORT_GGUF_MODEL_H
