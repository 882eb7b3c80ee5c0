// Links one object into a shared object with LLD, in this process.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "kvasir/Target/Codegen.h"

#include "lld/Common/Driver.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Object/ELFObjectFile.h"
#include "llvm/Support/Errno.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

#include <cerrno>
#include <cstdlib>
#include <mutex>
#include <sys/mman.h>
#include <unistd.h>

LLD_HAS_DRIVER(elf)

namespace kvasir::target {

static llvm::MemoryBufferRef asBuffer(llvm::ArrayRef<uint8_t> bytes) {
  return llvm::MemoryBufferRef(llvm::toStringRef(bytes), "code object");
}

/// Names of an ELF file's symbols that are (or are not) defined, sorted.
template <class Symbols>
static llvm::Expected<std::vector<std::string>> symbolNames(const Symbols &symbols, bool defined) {
  std::vector<std::string> names;
  for (const llvm::object::ELFSymbolRef &symbol : symbols) {
    auto flags = symbol.getFlags();
    if (!flags)
      return flags.takeError();
    bool isUndefined = *flags & llvm::object::SymbolRef::SF_Undefined;
    if (isUndefined == defined || !(*flags & llvm::object::SymbolRef::SF_Global))
      continue;
    auto name = symbol.getName();
    if (!name)
      return name.takeError();
    if (!name->empty() && *name != "_GLOBAL_OFFSET_TABLE_")
      names.push_back(name->str());
  }
  llvm::sort(names);
  return names;
}

llvm::Expected<std::vector<std::string>> exportedSymbols(llvm::ArrayRef<uint8_t> sharedObject) {
  auto file =
      llvm::object::ObjectFile::createELFObjectFile(asBuffer(sharedObject), /*InitContent=*/true);
  if (!file)
    return file.takeError();
  auto *elf = llvm::dyn_cast<llvm::object::ELFObjectFileBase>(file->get());
  if (!elf)
    return llvm::createStringError("not an ELF shared object");
  return symbolNames(elf->getDynamicSymbolIterators(), /*defined=*/true);
}

/// The object's symbols that are (or are not) defined in it.
static llvm::Expected<std::vector<std::string>> objectSymbols(llvm::ArrayRef<uint8_t> object,
                                                              bool defined) {
  if (object.empty())
    return std::vector<std::string>();
  auto file = llvm::object::ObjectFile::createELFObjectFile(asBuffer(object), true);
  if (!file)
    return file.takeError();
  auto *elf = llvm::dyn_cast<llvm::object::ELFObjectFileBase>(file->get());
  if (!elf)
    return llvm::createStringError("expected an ELF object");
  return symbolNames(elf->symbols(), defined);
}

/// The linker would find them too, but says less about why that is wrong.
static llvm::Error checkUndefined(llvm::ArrayRef<uint8_t> object, llvm::ArrayRef<uint8_t> library) {
  auto names = objectSymbols(object, /*defined=*/false);
  if (!names)
    return names.takeError();
  auto given = objectSymbols(library, /*defined=*/true);
  if (!given)
    return given.takeError();
  llvm::erase_if(*names, [&](const std::string &name) {
    return std::binary_search(given->begin(), given->end(), name);
  });
  if (names->empty())
    return llvm::Error::success();
  return llvm::createStringError("generated code uses symbols that do not exist where it runs: " +
                                 llvm::join(*names, ", "));
}

namespace {
/// A directory of our own for the linker's output, gone with this object.
class PrivateDirectory {
public:
  std::error_code create() { return llvm::sys::fs::createUniqueDirectory("kvasir-link", path); }
  ~PrivateDirectory() {
    if (!path.empty())
      llvm::sys::fs::remove_directories(path);
  }
  std::string file(llvm::StringRef name) const {
    llvm::SmallString<128> full(path);
    llvm::sys::path::append(full, name);
    return full.str().str();
  }

private:
  llvm::SmallString<128> path;
};
} // namespace

static llvm::Error fromErrno(llvm::StringRef what) {
  int code = errno;
  return llvm::createStringError(what.str() + ": " + llvm::sys::StrError(code));
}

/// The object as an anonymous file; its path does not enter the output.
static llvm::Expected<int> makeInput(llvm::ArrayRef<uint8_t> object) {
  int file = memfd_create("kvasir-object", MFD_CLOEXEC);
  if (file < 0)
    return fromErrno("cannot make a file for the linker");
  llvm::raw_fd_ostream stream(file, /*shouldClose=*/false);
  stream << llvm::toStringRef(object);
  stream.flush();
  if (std::error_code code = stream.error()) {
    stream.clear_error();
    close(file);
    return llvm::createStringError("cannot write the linker's input: " + code.message());
  }
  return file;
}

static llvm::Error runLinker(llvm::ArrayRef<std::string> inputs, const std::string &output) {
  // LLD keeps state in globals while it runs.
  static std::mutex oneAtATime;
  std::lock_guard<std::mutex> lock(oneAtATime);
  llvm::SmallVector<const char *> arguments = {
      "ld.lld", "-shared",      "-Bsymbolic",      "-znorelro",   "-znoexecstack",
      "-O2",    "--strip-all",  "--gc-sections",   "--threads=1", "--build-id=none",
      "-o",     output.c_str(), "--hash-style=gnu"};
  // What the object lacks was reported; a library may use the C library.
  arguments.push_back(inputs.size() == 1 ? "-zdefs" : "-zundefs");
  for (const std::string &input : inputs)
    arguments.push_back(input.c_str());
  std::string messages;
  llvm::raw_string_ostream stream(messages);
  lld::Result result = lld::lldMain(arguments, stream, stream, {{lld::Gnu, &lld::elf::link}});
  if (result.retCode == 0)
    return llvm::Error::success();
  return llvm::createStringError(
      "linking failed" + std::string(result.canRunAgain ? ": " : " (the linker crashed): ") +
      llvm::StringRef(messages).trim().str());
}

llvm::Expected<std::vector<uint8_t>> linkSharedObject(llvm::ArrayRef<uint8_t> object,
                                                      llvm::ArrayRef<uint8_t> library) {
  if (llvm::Error error = checkUndefined(object, library))
    return std::move(error);
  llvm::SmallVector<int, 2> files;
  llvm::scope_exit closeInputs([&] { llvm::for_each(files, close); });
  llvm::SmallVector<std::string, 2> inputs;
  for (llvm::ArrayRef<uint8_t> bytes : {object, library}) {
    if (bytes.empty())
      continue;
    auto file = makeInput(bytes);
    if (!file)
      return file.takeError();
    files.push_back(*file);
    inputs.push_back("/proc/self/fd/" + std::to_string(*file));
  }
  PrivateDirectory directory;
  if (std::error_code code = directory.create())
    return llvm::createStringError("cannot make a temporary directory for the linker: " +
                                   code.message());
  std::string output = directory.file("code.so");
  if (llvm::Error error = runLinker(inputs, output))
    return std::move(error);
  auto buffer = llvm::MemoryBuffer::getFile(output, /*IsText=*/false,
                                            /*RequiresNullTerminator=*/false,
                                            /*IsVolatile=*/true);
  if (!buffer)
    return llvm::createStringError("cannot read the linker's output: " +
                                   buffer.getError().message());
  return std::vector<uint8_t>((*buffer)->getBufferStart(), (*buffer)->getBufferEnd());
}

} // namespace kvasir::target
