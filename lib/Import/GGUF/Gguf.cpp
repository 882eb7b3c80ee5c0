// The importer: files in, a verified module out.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "kvasir/Import/GGUF.h"
#include "Keys.h"
#include "Model.h"
#include "kvasir/Model/Builder.h"
#include "mlir/IR/Verifier.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

using namespace kvasir;
using namespace kvasir::gguf;
using llvm::StringRef;

static std::string absolutePath(StringRef path) {
  llvm::SmallString<256> result(path);
  llvm::sys::fs::make_absolute(result);
  llvm::sys::path::remove_dots(result, /*remove_dot_dot=*/false);
  StringRef text = result;
  return (text.size() > 1 ? text.rtrim('/') : text).str();
}

static void readTokenizer(const Metadata &metadata, ImportedModel &model, Problems &problems) {
  model.vocabulary = readVocabulary(metadata, model.tokenizerMissing, problems);
  model.chatTemplate = Keys(metadata, "tokenizer.", problems).text("chat_template");
}

bool kvasir::looksLikeGguf(StringRef path) { return looksLikeModel(path); }

llvm::Expected<ImportedModel> kvasir::importGguf(StringRef path, mlir::MLIRContext &context,
                                                 const GgufOptions &options) {
  std::string title = "cannot import " + path.str();
  Problems problems;
  ModelFiles files = openModel(path, problems);
  // Without readable files every tensor would be reported as missing.
  if (!problems.empty())
    return problems.takeError(title);
  ImportedModel model;
  model.directory = absolutePath(files.directory);
  model.inputs = files.files;
  DecoderDescription decoder = describeModel(files.container, problems);
  if (options.readTokenizer)
    readTokenizer(files.container.metadata, model, problems);
  if (!problems.empty())
    return problems.takeError(title);
  model.module = buildDecoder(decoder, files.container.tensors, model.directory, context);
  if (mlir::failed(mlir::verify(*model.module)))
    return llvm::createStringError(llvm::inconvertibleErrorCode(),
                                   title + ": the module does not verify");
  return std::move(model);
}
