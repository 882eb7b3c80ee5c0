// The phases of compilation and the order of their passes. The only place where order is written.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "kvasir/Pipeline/Pipeline.h"

#include "kvasir/Pipeline/Passes.h"
#include "kvasir/Target/CPU/Lowering.h"
#include "kvasir/Target/CUDA/Lowering.h"
#include "kvasir/Transforms/Passes.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;

namespace kvasir {

static constexpr Phase table[] = {
    {"import", "the model in the llm dialect, weights by reference"},
    {"quantize", "every weight has an encoding, the rounding of activations is explicit"},
    {"fuse-attention", "attention over a cache as one op, linears that share an input together"},
    {"kv-layout", "every cache has its pages and number format"},
    {"schedule", "phases, buffers, memory plan and costs"},
    {"lower", "code in the LLVM dialect for each variant of the target"},
    {"package", "code objects and packed weights in one file"},
};

ArrayRef<Phase> phases() { return table; }

std::string phaseNames() {
  return llvm::join(llvm::map_range(phases(), [](const Phase &phase) { return phase.name; }), ", ");
}

//===----------------------------------------------------------------------===//
// Passes of each phase
//===----------------------------------------------------------------------===//

static bool isForGPU(const PipelineOptions &options) {
  return llvm::cantFail(parseTarget(options.target)).isGPU();
}

static bool isEmulated(const PipelineOptions &options) {
  return llvm::cantFail(parseTarget(options.target)).isEmulated();
}

static void addQuantize(OpPassManager &manager, const PipelineOptions &options) {
  // Layers share the rounding of an input that is one value: equal norms must be one first.
  manager.addPass(createCSEPass());
  QuantizePassOptions quantize;
  quantize.encoding = options.quantize;
  quantize.rules.assign(options.quantizeRules.begin(), options.quantizeRules.end());
  // A GPU multiplies decoded weights with activations as they are.
  quantize.activations = isForGPU(options) ? "exact" : options.activations;
  manager.addPass(createQuantizePass(quantize));
}

static void addFuseAttention(OpPassManager &manager, const PipelineOptions &) {
  // Linears are put together by the value they share: equal norms must be one value first, and
  // what nobody needs must not become part of an op that is needed.
  manager.addPass(createCSEPass());
  manager.addPass(createCanonicalizerPass());
  manager.addPass(createFuseAttentionPass());
}

static void addKVLayout(OpPassManager &manager, const PipelineOptions &options) {
  manager.addPass(createKVLayoutPass({options.kvType.empty() ? "f32" : options.kvType}));
}

static void addSchedule(OpPassManager &manager, const PipelineOptions &options) {
  SchedulePassOptions schedule;
  schedule.naive = options.naive;
  schedule.decodeTokens = options.decodeTokens;
  schedule.blocks = isForGPU(options);
  manager.addPass(createSchedulePass(schedule));
}

static void addLower(OpPassManager &manager, const PipelineOptions &options) {
  LowerPassOptions lower;
  lower.target = options.target;
  lower.variants.assign(options.variants.begin(), options.variants.end());
  manager.addPass(createLowerPass(lower));
  // On the nested modules only: what is scheduled stays, `package` writes its tables.
  if (!isForGPU(options))
    return buildCPUConversion(manager.nest<ModuleOp>());
  buildCUDAConversion(manager.nest<gpu::GPUModuleOp>());
  if (isEmulated(options))
    manager.addPass(createEmulatePass({.seed = options.blockSeed}));
}

using AddPasses = void (*)(OpPassManager &, const PipelineOptions &);

/// By index into the table of phases; import and package are not passes.
static constexpr AddPasses addPasses[] = {nullptr,     addQuantize, addFuseAttention, addKVLayout,
                                          addSchedule, addLower,    nullptr};
static_assert(std::size(addPasses) == std::size(table));

//===----------------------------------------------------------------------===//
// The pipeline
//===----------------------------------------------------------------------===//

using ErrorHandler = llvm::function_ref<LogicalResult(const Twine &)>;

static FailureOr<unsigned> findPhase(StringRef name, ErrorHandler error) {
  const auto *found = llvm::find_if(table, [&](const Phase &phase) { return phase.name == name; });
  if (found != std::end(table))
    return found - std::begin(table);
  (void)error("unknown phase '" + name + "': expected one of " + phaseNames());
  return failure();
}

static void addSnapshot(OpPassManager &manager, const PipelineOptions &options, StringRef phase) {
  manager.addPass(createVerifyPhasePass({phase.str()}));
  if (!options.savePhases.empty())
    manager.addPass(createSavePhasePass({options.savePhases, phase.str()}));
}

LogicalResult buildPipeline(OpPassManager &manager, const PipelineOptions &options,
                            ErrorHandler error) {
  FailureOr<unsigned> from = findPhase(options.from.empty() ? "import" : options.from, error);
  FailureOr<unsigned> until = findPhase(options.until.empty() ? "package" : options.until, error);
  if (failed(from) || failed(until))
    return failure();
  if (llvm::Expected<Target> target = parseTarget(options.target); !target)
    return error(llvm::toString(target.takeError()));
  if (options.decodeTokens < 1 || options.decodeTokens > std::numeric_limits<int32_t>::max())
    return error("expected decode tokens from 1 to 2^31 - 1, but got " +
                 Twine(options.decodeTokens));
  if (*until < *from)
    return error("expected a phase to stop at that is not before '" + options.from +
                 "', but got '" + options.until + "'");
  if (table[*from].name == "package")
    return error("expected a phase to start from that is before 'package', its result is a file");
  if (options.from.empty())
    addSnapshot(manager, options, table[*from].name);
  else // what was read from a file is not written again
    manager.addPass(createVerifyPhasePass({options.from}));
  for (unsigned phase = *from + 1; phase <= *until && addPasses[phase]; ++phase) {
    addPasses[phase](manager, options);
    addSnapshot(manager, options, table[phase].name);
  }
  return success();
}

/// The format in which the model's weights are stored, if a cache can have it too; f16 for weights
/// that are quantized already, as other programs that run them do.
static std::string defaultKVType(ModuleOp module) {
  auto model = module->getAttrOfType<DictionaryAttr>("llm.model");
  auto type = model ? model.getAs<StringAttr>("weight_type") : nullptr;
  if (!type || type == "f32")
    return "f32";
  return type == "bf16" ? "bf16" : "f16";
}

LogicalResult runPipeline(ModuleOp module, PipelineOptions options) {
  if (options.kvType.empty())
    options.kvType = defaultKVType(module);
  PassManager manager(module.getContext(), ModuleOp::getOperationName());
  auto error = [&](const Twine &message) -> LogicalResult {
    return emitError(UnknownLoc::get(module.getContext()), message);
  };
  if (failed(buildPipeline(manager, options, error)))
    return failure();
  return manager.run(module);
}

} // namespace kvasir
