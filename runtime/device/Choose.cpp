// The device that was named, or the best that is there.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "device/Choose.h"

#include "device/Platform.h"
#include "workers/CpuDevice.h"

#include <charconv>

namespace kvasir::rt {

/// "the CPU (x86-64-v4, x86-64-v3) and for cuda (sm_80, sm_90, PTX of sm_90)".
static std::string describeCode(const artifact::Module &module) {
  std::string text;
  auto list = [&](const std::string &target, const auto *codes, auto nameOf) {
    std::string names;
    for (uint32_t i = 0; codes && i < codes->size(); ++i)
      names += (i ? ", " : "") + nameOf(*codes->Get(i));
    if (!names.empty())
      text += (text.empty() ? "" : " and for ") + target + " (" + names + ")";
  };
  list("the CPU", module.code(),
       [](const artifact::CodeObject &code) { return code.variant()->str(); });
  for (uint32_t i = 0; module.devices() && i < module.devices()->size(); ++i) {
    const artifact::Device &device = *module.devices()->Get(i);
    list(device.target()->str(), device.code(), [](const artifact::DeviceCode &code) {
      return (code.ptx() ? "PTX of " : "") + code.architecture()->str();
    });
  }
  return text;
}

static Status hasNoCode(const Artifact &artifact, const std::string &target) {
  return error(Code::unavailable, "the artifact has no code for " + target + ", it has code for " +
                                      describeCode(artifact.module()) +
                                      "; compile the model with another --target");
}

namespace {
/// A device that is not there: the model can be described, and has no engine.
class AbsentDevice final : public Device {
public:
  AbsentDevice(const artifact::Device &code, std::string reason)
      : code(code), reason(std::move(reason)) {
    ownVariant = code.target()->str();
  }

  Result<PlanTarget> planTarget() const override {
    return PlanTarget{code.programs(), UINT64_MAX, /*isDevice=*/true, {}};
  }
  Result<std::unique_ptr<StepExecutor>> createExecutor(const MemoryPlan &,
                                                       const EngineConfig &) const override {
    return isAbsent();
  }
  Result<double> measureBandwidth() const override { return isAbsent(); }

private:
  Status isAbsent() const {
    return error(Code::unavailable, "the artifact has code for " + ownVariant +
                                        " only, which does not run here: " + reason);
  }

  const artifact::Device &code;
  const std::string reason;
};
} // namespace

static const artifact::Device *findCode(const artifact::Module &module, std::string_view target) {
  for (uint32_t i = 0; module.devices() && i < module.devices()->size(); ++i)
    if (module.devices()->Get(i)->target()->string_view() == target)
      return module.devices()->Get(i);
  return nullptr;
}

static Result<ChosenDevice> chooseCpu(const Artifact &artifact, const std::string &variant,
                                      std::string passedOver) {
  auto cpu = CpuDevice::open(artifact, variant);
  if (!cpu)
    return cpu.status();
  return ChosenDevice{std::move(*cpu), std::move(passedOver)};
}

static Result<ChosenDevice> chooseNamed(const Artifact &artifact, const std::string &device,
                                        const std::string &variant) {
  size_t colon = device.find(':');
  std::string name = device.substr(0, colon), known = "cpu";
  int32_t number = Platform::anyDevice;
  bool isNumber = colon == device.npos;
  if (!isNumber) {
    const char *begin = device.data() + colon + 1, *end = device.data() + device.size();
    auto [stop, problem] = std::from_chars(begin, end, number);
    isNumber = problem == std::errc() && stop == end && number >= 0;
  }
  for (const Platform *platform : platforms()) {
    known += format(", %s or %s:N", platform->name(), platform->name());
    if (name != platform->name() || !isNumber)
      continue;
    const artifact::Device *code = findCode(artifact.module(), name);
    if (!code)
      return hasNoCode(artifact, name);
    auto opened = platform->open(artifact, *code, number, variant);
    if (!opened)
      return opened.status();
    return ChosenDevice{std::move(*opened), {}};
  }
  return error(Code::invalidArgument, "unknown device '" + device + "', expected " + known);
}

/// The first device that is there, else the CPU.
static Result<ChosenDevice> chooseAny(const Artifact &artifact, const std::string &variant) {
  std::string reasons;
  const artifact::Module &module = artifact.module();
  for (uint32_t i = 0; module.devices() && i < module.devices()->size(); ++i) {
    const artifact::Device &code = *module.devices()->Get(i);
    Status failure = error(Code::unavailable, "this runtime does not know " + code.target()->str());
    for (const Platform *platform : platforms()) {
      if (code.target()->string_view() != platform->name())
        continue;
      auto opened = platform->open(artifact, code, Platform::anyDevice, variant);
      if (opened)
        return ChosenDevice{std::move(*opened), reasons};
      failure = opened.status();
    }
    if (failure.code() != Code::unavailable)
      return failure;
    reasons += (reasons.empty() ? "" : "; ") + failure.message();
  }
  if (artifact.isForHost())
    return chooseCpu(artifact, variant, std::move(reasons));
  auto absent = std::make_unique<AbsentDevice>(*module.devices()->Get(0), reasons);
  return ChosenDevice{std::move(absent), std::move(reasons)};
}

Result<ChosenDevice> chooseDevice(const Artifact &artifact, const std::string &device,
                                  const std::string &variant) {
  if (device == "cpu" && !artifact.isForHost())
    return hasNoCode(artifact, "the CPU");
  // Without a device, a variant is one of the CPU.
  if (device == "cpu" || (device.empty() && !variant.empty() && artifact.isForHost()))
    return chooseCpu(artifact, variant, {});
  return device.empty() ? chooseAny(artifact, variant) : chooseNamed(artifact, device, variant);
}

} // namespace kvasir::rt
