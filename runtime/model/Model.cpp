// Loading a model.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "model/Model.h"

#include "loader/CpuFeatures.h"

namespace kvasir::rt {

Status Model::openTokenizer() {
  const artifact::Module &table = module();
  if (!table.tokenizer()) {
    missing =
        table.tokenizer_missing() ? table.tokenizer_missing()->str() : "the checkpoint has none";
    return Status::ok();
  }
  std::string_view bytes = file.bytes(*table.tokenizer());
  Result<Tokenizer> opened =
      Tokenizer::open(reinterpret_cast<const uint8_t *>(bytes.data()), bytes.size());
  if (!opened)
    return opened.status();
  text.emplace(std::move(*opened));
  return Status::ok();
}

Status Model::requireTokenizer() const {
  if (text)
    return Status::ok();
  return error(Code::unsupported,
               "the artifact has no tokenizer (" + missing + "); use token ids instead of text");
}

Status Model::loadCode(const std::string &variant) {
  if (!file.isForHost() && variant.empty()) {
    variantName = module().devices()->Get(0)->target()->str();
    return Status::ok();
  }
  auto code = chooseVariant(module(), variant, cpuFeatures());
  if (!code)
    return code.status();
  variantName = (*code)->variant()->str();
  Result<CodeObject> loaded =
      CodeObject::load(file.bytes(*(*code)->section()), variantName, module().functions());
  if (!loaded)
    return loaded.status();
  compiled = std::move(*loaded);
  return Status::ok();
}

Result<std::shared_ptr<const Model>> Model::load(const std::string &path,
                                                 const std::string &variant, bool verifyWeights) {
  Result<Artifact> artifact = Artifact::open(path);
  if (!artifact)
    return artifact.status();
  auto model = std::make_shared<Model>();
  model->file = std::move(*artifact);
  auto named = [&](const Status &status) {
    return error(status.code(), "'" + path + "': " + status.message());
  };
  if (Status s = model->loadCode(variant); !s)
    return named(s);
  if (Status s = model->openTokenizer(); !s)
    return named(s);
  if (verifyWeights)
    if (Status s = model->file.verifyWeights(nullptr); !s)
      return named(s);
  return std::shared_ptr<const Model>(std::move(model));
}

} // namespace kvasir::rt
