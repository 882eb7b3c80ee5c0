// Kernels to LLVM IR and PTX.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "kvasir/Target/CUDA/Codegen.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/Analysis/CGSCCPassManager.h"
#include "llvm/Analysis/LoopAnalysisManager.h"
#include "llvm/Analysis/LoopInfo.h"
#include "llvm/Analysis/TargetLibraryInfo.h"
#include "llvm/IR/Dominators.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/IntrinsicInst.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/IR/Operator.h"
#include "llvm/IR/Verifier.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/TargetParser/Triple.h"
#include "llvm/Transforms/Utils/Cloning.h"
#include "llvm/Transforms/Utils/LoopUtils.h"

#include <mutex>

extern "C" {
void LLVMInitializeNVPTXTargetInfo();
void LLVMInitializeNVPTXTarget();
void LLVMInitializeNVPTXTargetMC();
void LLVMInitializeNVPTXAsmPrinter();
}

namespace kvasir::cuda {

static llvm::Expected<std::unique_ptr<llvm::TargetMachine>>
makeTargetMachine(const Architecture &architecture) {
  static std::once_flag once;
  std::call_once(once, [] {
    LLVMInitializeNVPTXTargetInfo();
    LLVMInitializeNVPTXTarget();
    LLVMInitializeNVPTXTargetMC();
    LLVMInitializeNVPTXAsmPrinter();
  });
  llvm::Triple triple("nvptx64-nvidia-cuda");
  std::string message;
  const llvm::Target *target = llvm::TargetRegistry::lookupTarget(triple, message);
  if (!target)
    return llvm::createStringError("this LLVM has no NVPTX target: " + message);
  llvm::TargetOptions options;
  options.AllowFPOpFusion = llvm::FPOpFusion::Strict; // mul.rn and add.rn, which ptxas keeps apart
  std::unique_ptr<llvm::TargetMachine> machine(
      target->createTargetMachine(triple, architecture.name, architecture.ptxFeature, options,
                                  std::nullopt, std::nullopt, llvm::CodeGenOptLevel::Aggressive));
  if (!machine)
    return llvm::createStringError("cannot make a target machine for '" + architecture.name + "'");
  return machine;
}

/// A function of mathematics that LLVM would call from a library. There is none on a GPU, and its
/// code generation ends the process over that.
static bool needsLibrary(const llvm::Instruction &instruction) {
  const auto *call = llvm::dyn_cast<llvm::IntrinsicInst>(&instruction);
  switch (call ? call->getIntrinsicID() : llvm::Intrinsic::not_intrinsic) {
  case llvm::Intrinsic::exp2: // ex2.approx
    return !call->getType()->getScalarType()->isFloatTy();
  case llvm::Intrinsic::exp:
  case llvm::Intrinsic::exp10:
  case llvm::Intrinsic::log:
  case llvm::Intrinsic::log2:
  case llvm::Intrinsic::log10:
  case llvm::Intrinsic::pow:
  case llvm::Intrinsic::powi:
  case llvm::Intrinsic::sin:
  case llvm::Intrinsic::cos:
  case llvm::Intrinsic::sincos:
  case llvm::Intrinsic::tan:
  case llvm::Intrinsic::asin:
  case llvm::Intrinsic::acos:
  case llvm::Intrinsic::atan:
  case llvm::Intrinsic::atan2:
  case llvm::Intrinsic::sinh:
  case llvm::Intrinsic::cosh:
  case llvm::Intrinsic::tanh:
  case llvm::Intrinsic::ldexp:
  case llvm::Intrinsic::frexp:
  case llvm::Intrinsic::modf:
    return true;
  default:
    return false;
  }
}

static llvm::Error refuse(const llvm::Function &kernel, const llvm::Twine &what) {
  return llvm::createStringError("kernel '" + kernel.getName() + "' has " + what);
}

static llvm::Error verify(const llvm::Module &module) {
  std::string message;
  llvm::raw_string_ostream stream(message);
  if (llvm::verifyModule(module, &stream))
    return llvm::createStringError("invalid LLVM IR: " + message);
  for (const llvm::Function &function : module)
    for (const llvm::Instruction &instruction : llvm::instructions(function)) {
      if (needsLibrary(instruction))
        return refuse(function,
                      "a call of '" +
                          llvm::cast<llvm::CallBase>(instruction).getCalledFunction()->getName() +
                          "', for which there is no PTX; expected arithmetic in its place");
      const auto *operation = llvm::dyn_cast<llvm::FPMathOperator>(&instruction);
      if (operation && (operation->hasAllowReassoc() || operation->hasAllowContract() ||
                        operation->hasAllowReciprocal() || operation->hasApproxFunc()))
        return refuse(function, "an operation with fast-math flags, which are not admitted");
    }
  return llvm::Error::success();
}

/// Emitters unroll what is worth it: ptxas, left to itself, unrolls until registers are spilled.
static void forbidUnrolling(llvm::Module &module) {
  for (llvm::Function &function : module) {
    if (function.isDeclaration())
      continue;
    llvm::DominatorTree dominators(function);
    llvm::LoopInfo loops(dominators);
    for (llvm::Loop *loop : loops.getLoopsInPreorder())
      llvm::addStringMetadataToLoop(loop, "llvm.loop.unroll.disable");
  }
}

/// LLVM's O3 without its vectorizers and unrolling: emitters do what is worth it.
static llvm::Error optimize(llvm::Module &module, llvm::TargetMachine &machine) {
  llvm::PipelineTuningOptions tuning;
  tuning.LoopVectorization = false;
  tuning.SLPVectorization = false;
  tuning.LoopInterleaving = false;
  tuning.LoopUnrolling = false;
  llvm::PassBuilder builder(&machine, tuning);
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager components;
  llvm::ModuleAnalysisManager modules;
  llvm::TargetLibraryInfoImpl none(machine.getTargetTriple());
  none.disableAllFunctions();
  functions.registerPass([&] { return llvm::TargetLibraryAnalysis(none); });
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(components);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, components, modules);
  builder.buildPerModuleDefaultPipeline(llvm::OptimizationLevel::O3).run(module, modules);
  return verify(module);
}

llvm::Expected<std::unique_ptr<llvm::Module>> translateKernels(mlir::gpu::GPUModuleOp module,
                                                               llvm::LLVMContext &context,
                                                               const Architecture &architecture) {
  auto machine = makeTargetMachine(architecture);
  if (!machine)
    return machine.takeError();
  std::string messages;
  mlir::ScopedDiagnosticHandler handler(module.getContext(), [&](mlir::Diagnostic &diagnostic) {
    messages += (messages.empty() ? "" : "; ") + diagnostic.str();
    return mlir::success();
  });
  // A fixed name: the source's may hold a path.
  auto translated = mlir::translateModuleToLLVMIR(module, context, "kvasir");
  if (!translated)
    return llvm::createStringError("translation to LLVM IR failed: " + messages);
  translated->setTargetTriple((*machine)->getTargetTriple());
  translated->setDataLayout((*machine)->createDataLayout());
  if (llvm::Error error = verify(*translated))
    return std::move(error);
  if (llvm::Error error = optimize(*translated, **machine))
    return std::move(error);
  forbidUnrolling(*translated);
  return translated;
}

llvm::Expected<std::string> emitPTX(const llvm::Module &module, const Architecture &architecture) {
  auto machine = makeTargetMachine(architecture);
  if (!machine)
    return machine.takeError();
  std::unique_ptr<llvm::Module> copy = llvm::CloneModule(module); // code generation changes it
  llvm::SmallVector<char, 0> text;
  llvm::raw_svector_ostream stream(text);
  llvm::legacy::PassManager passes;
  if ((*machine)->addPassesToEmitFile(passes, stream, nullptr, llvm::CodeGenFileType::AssemblyFile))
    return llvm::createStringError("'" + architecture.name + "' cannot emit PTX");
  passes.run(*copy);
  return std::string(text.begin(), text.end());
}

} // namespace kvasir::cuda
