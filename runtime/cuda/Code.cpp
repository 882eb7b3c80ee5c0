// Choice by compute capability; modules and functions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "cuda/Code.h"

#include <charconv>

namespace kvasir::rt::cuda {

namespace {
/// "sm_100": {10, 0}. With a letter, code runs on exactly this capability.
struct Architecture {
  Capability capability;
  bool exact = false;

  explicit Architecture(const artifact::DeviceCode &code) {
    std::string_view name = code.architecture()->string_view().substr(3); // checked when loading
    int number = 0;
    auto [stop, problem] = std::from_chars(name.data(), name.data() + name.size(), number);
    (void)problem;
    capability = {number / 10, number % 10};
    exact = stop != name.data() + name.size();
  }
  int number() const { return capability.major * 10 + capability.minor; }
};
} // namespace

std::string codeName(const artifact::DeviceCode &code) {
  std::string name = code.architecture()->str();
  return code.ptx() ? "compute_" + name.substr(3) : name;
}

static bool runsOn(const artifact::DeviceCode &code, Capability here) {
  Architecture made(code);
  int device = here.major * 10 + here.minor;
  if (made.exact)
    return made.number() == device;
  if (code.ptx())
    return made.number() <= device;
  return made.capability.major == here.major && made.capability.minor <= here.minor;
}

Result<const artifact::DeviceCode *> chooseCode(const artifact::Device &device, Capability here,
                                                std::string_view variant) {
  const artifact::DeviceCode *best = nullptr;
  std::string names;
  for (const artifact::DeviceCode *code : *device.code()) {
    names += (names.empty() ? "" : ", ") + codeName(*code);
    if (!runsOn(*code, here) || (!variant.empty() && codeName(*code) != variant))
      continue;
    bool better =
        !best || (best->ptx() && !code->ptx()) ||
        (best->ptx() == code->ptx() && Architecture(*code).number() > Architecture(*best).number());
    if (better)
      best = code;
  }
  if (best)
    return best;
  std::string wanted = variant.empty() ? "" : format(" called '%s'", std::string(variant).c_str());
  return error(Code::unavailable,
               format("no code%s in the artifact runs on sm_%d%d; it has %s (compute_NN is PTX, "
                      "for sm_NN and newer): compile the model with --target %s:sm_%d%d",
                      wanted.c_str(), here.major, here.minor, names.c_str(),
                      device.target()->c_str(), here.major, here.minor));
}

std::string describeBits(const artifact::DeviceCode &code, Capability here) {
  std::string name = codeName(code), device = format("sm_%d%d", here.major, here.minor);
  return name == device ? name : name + " on " + device;
}

static Result<Module> loadModule(const Context &context, const Artifact &artifact,
                                 const artifact::DeviceCode &code) {
  // The compiler's messages, when the driver compiles PTX.
  std::string log(4096, 0);
  CUjit_option options[] = {CU_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES};
  void *values[] = {log.data(), reinterpret_cast<void *>(log.size() - 1)};
  CUmodule module = nullptr;
  const Driver &driver = context.driver();
  CUresult result = driver.cuModuleLoadDataEx(&module, artifact.bytes(*code.section()).data(), 2,
                                              options, values);
  if (Status s = driver.check(result, "cuModuleLoadDataEx"); !s) {
    log.resize(std::char_traits<char>::length(log.c_str()));
    return error(s.code(), format("code '%s' (the driver is for CUDA %s): %s%s%s",
                                  codeName(code).c_str(), driver.version().c_str(),
                                  s.message().c_str(), log.empty() ? "" : "; ", log.c_str()));
  }
  return Module(context, module);
}

static Status loadKernel(const Context &context, CUmodule module, const char *name,
                         int multiprocessors, LoadedKernel &kernel) {
  const Driver &driver = context.driver();
  const artifact::Kernel &facts = *kernel.facts;
  KVASIR_CUDA_TRY(driver, cuModuleGetFunction, &kernel.function, module, name);
  // More than 48 KB are there on request only.
  if (facts.dynamic_shared() > 0)
    KVASIR_CUDA_TRY(driver, cuFuncSetAttribute, kernel.function,
                    CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES,
                    static_cast<int>(facts.dynamic_shared()));
  int blocks = 0;
  KVASIR_CUDA_TRY(driver, cuOccupancyMaxActiveBlocksPerMultiprocessor, &blocks, kernel.function,
                  static_cast<int>(facts.threads()), facts.dynamic_shared());
  if (blocks < 1)
    return error(Code::unavailable,
                 format("it needs more registers or shared memory than a multiprocessor of this "
                        "device has (%u threads, %u + %u bytes of shared memory)",
                        facts.threads(), facts.shared(), facts.dynamic_shared()));
  kernel.mostBlocks = static_cast<unsigned int>(blocks * multiprocessors);
  return Status::ok();
}

Result<LoadedCode> loadCode(const Context &context, const Artifact &artifact,
                            const artifact::Device &device, const artifact::DeviceCode &code,
                            int multiprocessors) {
  Result<Module> module = loadModule(context, artifact, code);
  if (!module)
    return module.status();
  LoadedCode loaded;
  loaded.module = std::move(*module);
  for (uint32_t i = 0; device.functions() && i < device.functions()->size(); ++i) {
    const char *name = device.functions()->Get(i)->c_str();
    LoadedKernel kernel;
    kernel.facts = code.kernels()->Get(i);
    if (Status s = loadKernel(context, loaded.module.get(), name, multiprocessors, kernel); !s)
      return error(s.code(), format("kernel '%s' of code '%s': %s", name, codeName(code).c_str(),
                                    s.message().c_str()));
    loaded.kernels.push_back(kernel);
  }
  return loaded;
}

} // namespace kvasir::rt::cuda
