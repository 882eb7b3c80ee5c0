// From a module of the LLVM dialect to a shared object for one x86-64 variant.
// Nothing here contracts, reassociates or calls a library: bits are those that
// the IR says.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_TARGET_CODEGEN_H
#define KVASIR_TARGET_CODEGEN_H

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace llvm {
class LLVMContext;
class Module;
} // namespace llvm

namespace kvasir::target {

/// An instruction set that code is made for.
struct CPUVariant {
  std::string name;                          ///< in artifacts and on the command line: "x86-64-v3"
  std::string cpu;                           ///< LLVM's name of the processor
  std::string tune;                          ///< processor whose timings the scheduler uses
  std::string llvmFeatures;                  ///< "+avx2,+fma"
  std::vector<std::string> requiredFeatures; ///< what the machine must have
  int vectorBits = 0;                        ///< width of a vector register
  int registers = 0;                         ///< number of vector registers
  bool dotProducts = false; ///< has vpdpbusd; worth its own code only where bytes are multiplied
  /// An ELF object that is linked into every shared object of the variant; the C library's
  /// functions that it uses are looked up where it runs.
  llvm::ArrayRef<uint8_t> library = {};
};

/// All variants, best first.
llvm::ArrayRef<CPUVariant> cpuVariants();

/// The variant of that name, or null.
const CPUVariant *findCPUVariant(llvm::StringRef name);

/// Whether this machine runs the variant's code.
bool runsHere(const CPUVariant &variant);

/// The variants of these names (of all, if there are none) that there is code for, best first. The
/// variant after it stands for one with dot products that has no code of its own.
std::vector<const CPUVariant *>
chooseCPUVariants(llvm::ArrayRef<std::string> names,
                  llvm::function_ref<bool(const CPUVariant &)> hasCode);

/// Makes the dialects of LLVM-dialect modules translatable.
void registerCodegen(mlir::DialectRegistry &registry);

/// Translates a module that holds nothing but the LLVM dialect. Functions with
/// external linkage are those that the shared object exports. Fast-math flags
/// that change results are refused.
llvm::Expected<std::unique_ptr<llvm::Module>>
translateToLLVM(mlir::ModuleOp module, llvm::LLVMContext &context, const CPUVariant &variant);

/// The few passes of LLVM that are left to do: kernels are unrolled and vectors already.
llvm::Error optimize(llvm::Module &module, const CPUVariant &variant);

/// The textual LLVM IR.
std::string emitLLVMText(const llvm::Module &module);

/// Assembly text of a module; the module stays as it is.
llvm::Expected<std::string> emitAssembly(const llvm::Module &module, const CPUVariant &variant);

/// An ELF object; the module stays as it is.
llvm::Expected<std::vector<uint8_t>> emitObject(const llvm::Module &module,
                                                const CPUVariant &variant);

/// Links an ELF object, with a variant's library if it has one, into a shared object without
/// dependencies; symbols of `object` that neither defines are an error that lists them. Same
/// objects, same bytes.
llvm::Expected<std::vector<uint8_t>> linkSharedObject(llvm::ArrayRef<uint8_t> object,
                                                      llvm::ArrayRef<uint8_t> library = {});

/// Names that a shared object exports, sorted.
llvm::Expected<std::vector<std::string>> exportedSymbols(llvm::ArrayRef<uint8_t> sharedObject);

/// All of the above: the shared object of a module for a variant.
llvm::Expected<std::vector<uint8_t>> compileSharedObject(mlir::ModuleOp module,
                                                         const CPUVariant &variant);

} // namespace kvasir::target

#endif // KVASIR_TARGET_CODEGEN_H
