// Everything that a tool of the compiler may meet in a file or on its command line.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "kvasir/Pipeline/RegisterAll.h"

#include "kvasir/Pipeline/Passes.h"
#include "kvasir/Pipeline/Pipeline.h"
#include "kvasir/Target/CUDA/Lowering.h"
#include "kvasir/Transforms/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Index/IR/IndexDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/UB/IR/UBOps.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;

namespace kvasir {
namespace {

struct CommandLine : PassPipelineOptions<CommandLine> {
  Option<std::string> target{*this, "target", llvm::cl::init("cpu"),
                             llvm::cl::desc("what code is made for")};
  Option<std::string> quantize{*this, "quantize", llvm::cl::desc("encoding of weights")};
  ListOption<std::string> rules{*this, "quantize-rules", llvm::cl::desc("PATTERN=ENCODING")};
  Option<std::string> activations{*this, "activations", llvm::cl::init("int8"),
                                  llvm::cl::desc("int8 or exact, where weights are integers")};
  Option<std::string> kvType{*this, "kv", llvm::cl::desc("number format of the caches")};
  Option<bool> naive{*this, "naive", llvm::cl::desc("one serial phase for each op")};
  Option<int64_t> decodeTokens{*this, "decode-tokens", llvm::cl::init(16),
                               llvm::cl::desc("most tokens of a step of the decode program")};
  ListOption<std::string> variants{*this, "variants", llvm::cl::desc("of the target; none: all")};
  Option<std::string> from{*this, "from", llvm::cl::desc("the phase whose result the input is")};
  Option<std::string> until{*this, "until", llvm::cl::desc("the last phase to run")};
  Option<std::string> savePhases{*this, "save-phases",
                                 llvm::cl::desc("where the result of each phase is written")};
};

LogicalResult parsePipeline(OpPassManager &manager, StringRef text,
                            function_ref<LogicalResult(const Twine &)> error) {
  CommandLine parsed;
  if (failed(parsed.parseFromString(text)))
    return failure();
  PipelineOptions options;
  options.target = parsed.target;
  options.quantize = parsed.quantize;
  options.quantizeRules.assign(parsed.rules.begin(), parsed.rules.end());
  options.activations = parsed.activations;
  options.kvType = parsed.kvType;
  options.naive = parsed.naive;
  options.decodeTokens = parsed.decodeTokens;
  options.variants.assign(parsed.variants.begin(), parsed.variants.end());
  options.from = parsed.from;
  options.until = parsed.until;
  options.savePhases = parsed.savePhases;
  return buildPipeline(manager, options, error);
}

} // namespace

void registerAllDialects(DialectRegistry &registry) {
  registry.insert<llm::LLMDialect, kv::KVDialect, step::StepDialect, arith::ArithDialect,
                  cf::ControlFlowDialect, func::FuncDialect, index::IndexDialect, LLVM::LLVMDialect,
                  math::MathDialect, scf::SCFDialect, ub::UBDialect, vector::VectorDialect>();
  registerCUDA(registry);
  registerBuiltinDialectTranslation(registry);
  registerLLVMDialectTranslation(registry);
}

void registerAllPasses() {
  registerKvasirTransformsPasses();
  registerKvasirPipelinePasses();
  registerCanonicalizerPass();
  registerCSEPass();
  registerSymbolDCEPass();
  registerPassPipeline(
      "kvasir-pipeline", "the phases of compilation, with their checks", parsePipeline,
      [](function_ref<void(const detail::PassOptions &)> visit) { visit(CommandLine()); });
}

} // namespace kvasir
