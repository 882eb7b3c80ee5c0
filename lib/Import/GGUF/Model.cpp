// Decides whether a model is understood, and says all that is not.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Model.h"
#include "Architecture.h"
#include "kvasir/Model/CheckWeights.h"

using namespace kvasir;
using namespace kvasir::gguf;
using llvm::StringRef;
using llvm::Twine;

/// Keys of an architecture that cannot change what it computes.
static const StringRef neutralKeys[] = {"rope.scaling.finetuned", "tensor_data_layout"};

static void refuseUnknownArchitecture(StringRef name, Problems &problems) {
  std::string known;
  for (const Architecture &architecture : architectures())
    known += (known.empty() ? "" : ", ") + architecture.name.str();
  problems.add("unknown architecture '" + printable(name) + "'; supported: " + known);
}

/// A file of another kind than a model, such as an adapter, says so.
static void checkKind(Keys &general, const Container &container, Problems &problems) {
  std::optional<std::string> type = general.text("type");
  if (type && *type != "model")
    general.problem("type",
                    "= '" + printable(*type) + "' is no model; expected the file of a model");
  if (container.tensors.empty())
    problems.add("there are no tensors: it holds metadata only, such as a vocabulary");
}

DecoderDescription gguf::describeModel(const Container &container, Problems &problems) {
  Keys general(container.metadata, "general.", problems);
  std::optional<std::string> name = general.text("architecture");
  if (!general.value("architecture"))
    general.problem("architecture", "is missing");
  if (!name)
    return {};
  const Architecture *architecture = findArchitecture(*name);
  if (!architecture)
    refuseUnknownArchitecture(*name, problems);
  checkKind(general, container, problems);
  if (!architecture || container.tensors.empty())
    return {};
  Keys keys(container.metadata, *name + ".", problems);
  Source source{*architecture, keys, container, {}};
  DecoderDescription decoder =
      architecture->shape == Shape::gpt2 ? describeGpt2(source) : describeLlama(source);
  readSpecialTokens(container.metadata, decoder, problems);
  keys.refuseUnknown(neutralKeys);
  checkWeights(decoder, container.tensors, source.readTensors, problems);
  return decoder;
}
