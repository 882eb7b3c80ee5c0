// Runs NVIDIA's assembler and reads what it says of each kernel.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "kvasir/Target/CUDA/Codegen.h"

#include "llvm/ADT/ScopeExit.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/raw_ostream.h"

#include <chrono>
#include <csignal>
#include <thread>

namespace kvasir::cuda {

llvm::Expected<std::string> findPtxas(llvm::StringRef path) {
  if (!path.empty()) {
    if (llvm::sys::fs::can_execute(path))
      return path.str();
    return llvm::createStringError("cannot run '" + path.str() +
                                   "': expected NVIDIA's ptxas, or none for PTX alone");
  }
  if (auto found = llvm::sys::findProgramByName("ptxas"))
    return *found;
  std::string usual = "/usr/local/cuda/bin/ptxas";
  if (llvm::sys::fs::can_execute(usual))
    return usual;
  return llvm::createStringError("there is no ptxas in PATH or in /usr/local/cuda/bin; install the "
                                 "CUDA toolkit, give --ptxas=PATH, or --ptxas=none for PTX alone");
}

/// The number before `unit` in `line`; 0 if it is not there.
static int64_t numberBefore(llvm::StringRef line, llvm::StringRef unit) {
  size_t end = line.find((" " + unit).str());
  if (end == llvm::StringRef::npos)
    return 0;
  llvm::StringRef head = line.take_front(end);
  head = head.substr(head.find_last_not_of("0123456789") + 1);
  int64_t number = 0;
  return head.getAsInteger(10, number) ? 0 : number;
}

/// Reads the output of `ptxas -v` (CUDA 11 to 13).
static std::vector<KernelResources> parseResources(llvm::StringRef text) {
  std::vector<KernelResources> kernels;
  for (llvm::StringRef line : llvm::split(text, '\n')) {
    if (line.contains("Compiling entry function"))
      kernels.push_back({line.split('\'').second.split('\'').first.str()});
    if (kernels.empty())
      continue;
    KernelResources &kernel = kernels.back();
    if (line.contains("bytes stack frame")) {
      kernel.stackBytes = numberBefore(line, "bytes stack frame");
      kernel.spillBytes =
          numberBefore(line, "bytes spill stores") + numberBefore(line, "bytes spill loads");
    } else if (line.contains("registers")) {
      kernel.registers = numberBefore(line, "registers");
      kernel.sharedBytes = numberBefore(line, "bytes smem");
    }
  }
  return kernels;
}

static llvm::Error checkResources(llvm::ArrayRef<KernelResources> kernels,
                                  const Architecture &architecture) {
  std::string problems;
  auto report = [&](const KernelResources &kernel, const llvm::Twine &what) {
    problems += (problems.empty() ? "" : "\n") + architecture.name + ": kernel '" + kernel.name +
                "' " + what.str();
  };
  for (const KernelResources &kernel : kernels) {
    if (kernel.spillBytes > 0)
      report(kernel, "spills " + llvm::Twine(kernel.spillBytes) + " bytes of registers");
    if (kernel.sharedBytes > architecture.blockShared)
      report(kernel, "needs " + llvm::Twine(kernel.sharedBytes) +
                         " bytes of shared memory, but a block can have " +
                         llvm::Twine(architecture.blockShared));
  }
  return problems.empty() ? llvm::Error::success() : llvm::createStringError(problems);
}

namespace {
/// A file that is gone when this is.
struct TemporaryFile {
  llvm::SmallString<128> path;
  llvm::FileRemover remover;

  llvm::Error create(llvm::StringRef suffix) {
    if (std::error_code error = llvm::sys::fs::createTemporaryFile("kvasir", suffix, path))
      return llvm::createStringError("cannot make a temporary file: " + error.message());
    remover.setFile(path);
    return llvm::Error::success();
  }
};
} // namespace

static std::string contentsOf(llvm::StringRef path) {
  auto buffer = llvm::MemoryBuffer::getFile(path);
  return buffer ? (*buffer)->getBuffer().str() : "";
}

/// Lets a multiprocessor hold one block of the kernels that spill, not two, so that a thread gets
/// twice the registers. Returns whether there was one.
static bool giveRegisters(std::string &ptx, llvm::ArrayRef<KernelResources> kernels) {
  constexpr llvm::StringLiteral two(".minnctapersm 2"), entry(".entry ");
  bool changed = false;
  for (const KernelResources &kernel : kernels) {
    size_t start = kernel.spillBytes > 0 ? ptx.find((entry + kernel.name + "(").str()) : ptx.npos;
    size_t place = start == ptx.npos ? ptx.npos : ptx.find(two, start);
    if (place == ptx.npos || place > ptx.find(entry, start + 1))
      continue;
    ptx[place + two.size() - 1] = '1';
    changed = true;
  }
  return changed;
}

/// As much of what a program has printed as a message should hold.
static std::string excerpt(llvm::StringRef text) {
  constexpr size_t most = 4000;
  text = text.rtrim();
  return text.size() <= most ? text.str() : text.take_front(most).str() + " ...";
}

/// The status of a program that has ended (negative: -1 not started, -2 by a signal, with the
/// `problem`); none where it had to be killed after `seconds`. It is polled: alarms, with which
/// llvm::sys::Wait waits, are the process's, and several threads wait here.
static std::optional<int> endOf(llvm::sys::ProcessInfo process, unsigned seconds,
                                std::string &problem) {
  using namespace std::chrono;
  auto end = steady_clock::now() + std::chrono::seconds(seconds);
  for (milliseconds pause(1);; pause = std::min(2 * pause, milliseconds(20))) {
    llvm::sys::ProcessInfo state =
        llvm::sys::Wait(process, /*SecondsToWait=*/0, &problem, nullptr, /*Polling=*/true);
    if (state.Pid != 0)
      return state.ReturnCode;
    if (steady_clock::now() >= end)
      break;
    std::this_thread::sleep_for(pause);
  }
  kill(process.Pid, SIGKILL);
  llvm::sys::Wait(process, std::nullopt, &problem);
  return std::nullopt;
}

/// What a program prints; an error if it fails. `overdue` is what to say if it does not end.
static llvm::Expected<std::string> execute(llvm::ArrayRef<llvm::StringRef> arguments,
                                           const TemporaryFile &messages, unsigned seconds,
                                           const llvm::Twine &overdue) {
  std::optional<llvm::StringRef> redirects[] = {llvm::StringRef(""), messages.path.str(),
                                                messages.path.str()};
  std::string problem;
  bool failed = false;
  llvm::sys::ProcessInfo process = llvm::sys::ExecuteNoWait(
      arguments.front(), arguments, std::nullopt, redirects, 0, &problem, &failed);
  std::optional<int> status = failed ? -1 : endOf(process, seconds, problem);
  if (!status)
    return llvm::createStringError("'" + arguments.front().str() + "' has not ended after " +
                                   std::to_string(seconds) + " seconds" + overdue.str());
  std::string text = contentsOf(messages.path);
  if (*status == 0)
    return text;
  std::string why = "exit status " + std::to_string(*status);
  if (*status < 0 && !problem.empty())
    why = problem; // it was not started, or ended by a signal
  return llvm::createStringError("'" + arguments.front().str() + "' failed (" + why +
                                 "): " + excerpt(text));
}

llvm::Expected<std::string> ptxasVersion(llvm::StringRef ptxas) {
  TemporaryFile messages;
  if (llvm::Error error = messages.create("txt"))
    return std::move(error);
  constexpr unsigned seconds = 60;
  auto text = execute({ptxas, "--version"}, messages, seconds,
                      ", asked for its version; expected NVIDIA's ptxas");
  if (!text)
    return text.takeError();
  // "Cuda compilation tools, release 13.0, V13.0.88"
  llvm::StringRef version = llvm::StringRef(*text).split("release ").second.split(", ").second;
  version = version.take_while([](char c) { return c == 'V' || c == '.' || llvm::isDigit(c); });
  if (!version.starts_with("V") || version.size() < 2 || version.size() > 32)
    return llvm::createStringError("'" + ptxas.str() +
                                   "' does not say its version; expected NVIDIA's ptxas");
  return version.str();
}

/// The kernels of a PTX module, for messages: "3 kernels (a, b, ...)".
static std::string kernelsIn(llvm::StringRef ptx) {
  constexpr llvm::StringLiteral entry(".entry ");
  constexpr size_t most = 4;
  std::string names;
  size_t count = 0;
  for (size_t at = ptx.find(entry); at != ptx.npos; at = ptx.find(entry, at + 1)) {
    llvm::StringRef name =
        ptx.substr(at + entry.size()).take_until([](char c) { return c == '(' || c == '\n'; });
    if (count < most)
      names += (count ? ", " : "") + name.str();
    ++count;
  }
  return std::to_string(count) + (count == 1 ? " kernel (" : " kernels (") + names +
         (count > most ? ", ...)" : ")");
}

/// One run of ptxas; what it says of kernels is not judged.
static llvm::Expected<Cubin> runPtxas(llvm::StringRef ptx, const Architecture &architecture,
                                      llvm::StringRef ptxas, unsigned seconds) {
  TemporaryFile source, object, messages;
  for (auto [file, suffix] : {std::pair(&source, "ptx"), {&object, "cubin"}, {&messages, "txt"}})
    if (llvm::Error error = file->create(suffix))
      return std::move(error);
  std::error_code code;
  {
    llvm::raw_fd_ostream out(source.path, code);
    out << ptx;
    out.close();
    if (code || out.has_error()) {
      out.clear_error();
      return llvm::createStringError("cannot write a temporary file '%s'", source.path.c_str());
    }
  }
  std::string target = "--gpu-name=" + architecture.name;
  auto text = execute({ptxas, "-v", "-O3", "--fmad=false", target, source.path, "-o", object.path},
                      messages, seconds,
                      " with " + kernelsIn(ptx) +
                          "; give it longer with --ptxas-limit, try another one with --ptxas=PATH, "
                          "or write PTX alone with --ptxas=none");
  if (!text)
    return llvm::joinErrors(llvm::createStringError(architecture.name + ":"), text.takeError());
  Cubin cubin;
  cubin.kernels = parseResources(*text);
  std::string bytes = contentsOf(object.path);
  if (!llvm::StringRef(bytes).starts_with("\177ELF"))
    return llvm::createStringError(architecture.name + ": '" + ptxas.str() +
                                   "' wrote no cubin; expected NVIDIA's ptxas, and room in the "
                                   "directory for temporary files");
  cubin.bytes.assign(bytes.begin(), bytes.end());
  return cubin;
}

llvm::Expected<Cubin> assemble(llvm::StringRef ptx, const Architecture &architecture,
                               llvm::StringRef ptxas, unsigned seconds) {
  std::string text = ptx.str();
  auto cubin = runPtxas(text, architecture, ptxas, seconds);
  if (cubin && giveRegisters(text, cubin->kernels))
    cubin = runPtxas(text, architecture, ptxas, seconds);
  if (!cubin)
    return cubin.takeError();
  if (llvm::Error error = checkResources(cubin->kernels, architecture))
    return std::move(error);
  cubin->ptx = std::move(text);
  return cubin;
}

} // namespace kvasir::cuda
