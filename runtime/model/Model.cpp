// Loading a model.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "model/Model.h"

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

Result<MemoryPlan> Model::plan(const EngineConfig &config) const {
  Result<PlanTarget> target = device().planTarget();
  if (!target)
    return target.status();
  return planMemory(module(), config, *target);
}

Result<std::shared_ptr<const Model>> Model::load(const std::string &path,
                                                 const ModelConfig &config) {
  Result<Artifact> artifact = Artifact::open(path);
  if (!artifact)
    return artifact.status();
  auto model = std::make_shared<Model>();
  model->file = std::move(*artifact);
  auto named = [&](const Status &status) {
    return error(status.code(), "'" + path + "': " + status.message());
  };
  Result<ChosenDevice> chosen = chooseDevice(model->file, config.device, config.variant);
  if (!chosen)
    return named(chosen.status());
  model->chosen = std::move(*chosen);
  if (Status s = model->openTokenizer(); !s)
    return named(s);
  if (config.verifyWeights)
    if (Status s = model->file.verifyWeights(nullptr); !s)
      return named(s);
  return std::shared_ptr<const Model>(std::move(model));
}

} // namespace kvasir::rt
