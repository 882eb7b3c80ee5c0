// Optimization of LLVM IR, and object code and assembly from it.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "TargetMachine.h"

#include "llvm/Analysis/CGSCCPassManager.h"
#include "llvm/Analysis/LoopAnalysisManager.h"
#include "llvm/Analysis/TargetLibraryInfo.h"
#include "llvm/IR/DiagnosticHandler.h"
#include "llvm/IR/DiagnosticInfo.h"
#include "llvm/IR/DiagnosticPrinter.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/IR/PassManager.h"
#include "llvm/IR/Verifier.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Transforms/Utils/Cloning.h"

namespace kvasir::target {

static llvm::Error verify(const llvm::Module &module) {
  std::string message;
  llvm::raw_string_ostream stream(message);
  if (llvm::verifyModule(module, &stream))
    return llvm::createStringError("invalid LLVM IR: " + message);
  return llvm::Error::success();
}

/// Emitters unroll, vectorize and share code themselves, and give every function its final extent,
/// so little of LLVM's default pipeline is left to do. Inlining in particular only made one
/// function of all kernels of a matrix, in which everything takes longer and registers are spilled
/// more.
static constexpr llvm::StringLiteral passes =
    // What all calls of a kernel agree on (a number of blocks) becomes a constant in it.
    "ipsccp,"
    // Dispatchers jump to their kernels.
    "function(early-cse<memssa>,simplifycfg,tailcallelim,"
    // Loops come with the test on top; what does not change leaves them.
    "loop-mssa(loop-rotate,licm),"
    // Address arithmetic.
    "instcombine<no-verify-fixpoint>,adce,simplifycfg),"
    "globaldce";

llvm::Error optimize(llvm::Module &module, const CPUVariant &variant) {
  if (llvm::Error error = verify(module))
    return error;
  auto machine = makeTargetMachine(variant);
  if (!machine)
    return machine.takeError();
  llvm::PassBuilder builder(machine->get());

  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager components;
  llvm::ModuleAnalysisManager modules;
  // No library is there at run time, so no pass may call one. Registered
  // before PassBuilder does, which keeps it.
  llvm::TargetLibraryInfoImpl none((*machine)->getTargetTriple());
  none.disableAllFunctions();
  functions.registerPass([&] { return llvm::TargetLibraryAnalysis(none); });
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(components);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, components, modules);
  llvm::ModulePassManager manager;
  if (llvm::Error error = builder.parsePassPipeline(manager, passes))
    return error;
  manager.run(module, modules);
  return verify(module);
}

namespace {
/// Collects what code generation has to say, which LLVM by itself prints
/// before it ends the process.
struct Messages : llvm::DiagnosticHandler {
  std::string &errors;
  explicit Messages(std::string &errors) : errors(errors) {}
  bool handleDiagnostics(const llvm::DiagnosticInfo &info) override {
    if (info.getSeverity() != llvm::DS_Error)
      return true;
    llvm::raw_string_ostream stream(errors);
    llvm::DiagnosticPrinterRawOStream printer(stream);
    stream << (errors.empty() ? "" : "; ");
    info.print(printer);
    return true;
  }
};
} // namespace

/// Code generation changes the module, so it gets a copy.
static llvm::Error emit(const llvm::Module &module, const CPUVariant &variant,
                        llvm::raw_pwrite_stream &stream, llvm::CodeGenFileType type) {
  auto machine = makeTargetMachine(variant);
  if (!machine)
    return machine.takeError();
  std::unique_ptr<llvm::Module> copy = llvm::CloneModule(module);
  copy->setTargetTriple((*machine)->getTargetTriple());
  copy->setDataLayout((*machine)->createDataLayout());
  llvm::legacy::PassManager passes;
  llvm::TargetLibraryInfoImpl none((*machine)->getTargetTriple());
  none.disableAllFunctions();
  passes.add(new llvm::TargetLibraryInfoWrapperPass(none));
  if ((*machine)->addPassesToEmitFile(passes, stream, nullptr, type))
    return llvm::createStringError("'" + variant.name + "' cannot emit this kind of file");
  std::string errors;
  llvm::LLVMContext &context = module.getContext();
  auto previous = context.getDiagnosticHandler();
  context.setDiagnosticHandler(std::make_unique<Messages>(errors));
  passes.run(*copy);
  context.setDiagnosticHandler(std::move(previous));
  if (!errors.empty())
    return llvm::createStringError("code generation failed: " + errors);
  return llvm::Error::success();
}

llvm::Expected<std::string> emitAssembly(const llvm::Module &module, const CPUVariant &variant) {
  llvm::SmallVector<char, 0> text;
  llvm::raw_svector_ostream stream(text);
  if (llvm::Error error = emit(module, variant, stream, llvm::CodeGenFileType::AssemblyFile))
    return std::move(error);
  return std::string(text.begin(), text.end());
}

llvm::Expected<std::vector<uint8_t>> emitObject(const llvm::Module &module,
                                                const CPUVariant &variant) {
  llvm::SmallVector<char, 0> bytes;
  llvm::raw_svector_ostream stream(bytes);
  if (llvm::Error error = emit(module, variant, stream, llvm::CodeGenFileType::ObjectFile))
    return std::move(error);
  return std::vector<uint8_t>(bytes.begin(), bytes.end());
}

llvm::Expected<std::vector<uint8_t>> compileSharedObject(mlir::ModuleOp module,
                                                         const CPUVariant &variant) {
  llvm::LLVMContext context;
  auto translated = translateToLLVM(module, context, variant);
  if (!translated)
    return translated.takeError();
  if (llvm::Error error = optimize(**translated, variant))
    return std::move(error);
  auto object = emitObject(**translated, variant);
  if (!object)
    return object.takeError();
  return linkSharedObject(*object, variant.library);
}

} // namespace kvasir::target
