// Loads a compiled shared object from memory and finds its phase functions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_RUNTIME_LOADER_CODEOBJECT_H
#define KVASIR_RUNTIME_LOADER_CODEOBJECT_H

#include "kvasir-c/abi.h"
#include "kvasir-c/checked.h"
#include "kvasir/Artifact/Module_generated.h"
#include "support/Status.h"

#include <string_view>
#include <vector>

namespace kvasir::rt {

class CodeObject {
public:
  /// Loads the ELF image in `bytes` and resolves all of `functions`.
  static Result<CodeObject>
  load(std::string_view bytes, const std::string &variant,
       const flatbuffers::Vector<flatbuffers::Offset<flatbuffers::String>> *functions);

  CodeObject() = default;
  CodeObject(CodeObject &&other) noexcept { swap(other); }
  CodeObject &operator=(CodeObject &&other) noexcept {
    swap(other);
    return *this;
  }
  ~CodeObject();

  /// In the order of Module.functions.
  const std::vector<kvasir_phase_fn> &functions() const { return entries; }
  /// Of code that checks itself; null for other code.
  const kvasir_checker *checker() const { return checks; }

private:
  void swap(CodeObject &other) noexcept;

  void *library = nullptr;
  int file = -1;
  const kvasir_checker *checks = nullptr;
  std::vector<kvasir_phase_fn> entries;
};

/// The code object to use: the one called `variant`, or with an empty name the
/// first whose features this machine has. Errors list what was there and what
/// is missing.
Result<const artifact::CodeObject *> chooseVariant(const artifact::Module &module,
                                                   std::string_view variant,
                                                   const std::vector<std::string_view> &features);

} // namespace kvasir::rt

#endif // KVASIR_RUNTIME_LOADER_CODEOBJECT_H
