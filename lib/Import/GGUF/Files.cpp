// Finds and maps the files of a model: one, the parts of a split one, or those of a folder.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Model.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Path.h"
#include <algorithm>

using namespace kvasir;
using namespace kvasir::gguf;
using llvm::StringRef;
using llvm::Twine;
namespace fs = llvm::sys::fs;

static std::string pathOf(StringRef directory, StringRef file) {
  llvm::SmallString<256> path(directory);
  llvm::sys::path::append(path, file);
  return path.str().str();
}

namespace {
/// "name-00002-of-00005.gguf".
struct PartName {
  StringRef prefix;
  unsigned number, count; ///< number from 1 on
};
} // namespace

static std::optional<PartName> parsePartName(StringRef file) {
  constexpr size_t tail = StringRef("-00001-of-00005.gguf").size();
  if (file.size() <= tail || !file.ends_with(".gguf"))
    return std::nullopt;
  StringRef end = file.take_back(tail);
  PartName name{file.drop_back(tail), 0, 0};
  StringRef number = end.substr(1, 5), count = end.substr(10, 5);
  if (end[0] != '-' || end.substr(6, 4) != "-of-" || !llvm::all_of(number, llvm::isDigit) ||
      !llvm::all_of(count, llvm::isDigit) || number.getAsInteger(10, name.number) ||
      count.getAsInteger(10, name.count) || name.number < 1 || name.number > name.count)
    return std::nullopt;
  return name;
}

static std::string partFile(StringRef prefix, unsigned number, unsigned count) {
  return llvm::formatv("{0}-{1,0+5}-of-{2,0+5}.gguf", prefix, number, count);
}

static std::vector<std::string> listModels(StringRef directory) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator entry(directory, error), end; !error && entry != end;
       entry.increment(error)) {
    StringRef name = llvm::sys::path::filename(entry->path());
    if (name.ends_with(".gguf"))
      names.push_back(name.str());
  }
  llvm::sort(names);
  return names;
}

static bool startsLikeModel(StringRef path) {
  auto start = llvm::MemoryBuffer::getFileSlice(path, 4, 0);
  return start && (*start)->getBuffer() == "GGUF";
}

bool gguf::looksLikeModel(StringRef path) {
  if (fs::is_directory(path))
    return !listModels(path).empty();
  return fs::is_regular_file(path) && (path.ends_with(".gguf") || startsLikeModel(path));
}

/// The model of a folder: the only file, or the first part of the only split one.
static std::string onlyModel(StringRef directory, Problems &problems) {
  std::vector<std::string> names = listModels(directory), models;
  for (const std::string &name : names) {
    std::optional<PartName> part = parsePartName(name);
    if (!part || part->number == 1)
      models.push_back(name);
  }
  if (models.empty() && !names.empty())
    models.push_back(names.front()); // its first part is missing, which is reported later
  if (models.size() == 1)
    return models.front();
  if (models.empty())
    problems.add("there is no GGUF file in the folder");
  else
    problems.add("the folder has several models (" + llvm::join(models, ", ") +
                 "); give the name of one file");
  return "";
}

namespace {

class Opener {
public:
  Opener(ModelFiles &model, Problems &problems) : model(model), problems(problems) {}

  void open(const std::string &file);

private:
  /// Maps and reads one file; its metadata, or nothing and a problem.
  std::optional<Metadata> readFile(const std::string &file);
  void openParts(const std::string &file, unsigned count);
  void checkPart(const Metadata &metadata, StringRef file, unsigned number, unsigned count);

  ModelFiles &model;
  Problems &problems;
};

} // namespace

std::optional<Metadata> Opener::readFile(const std::string &file) {
  std::string path = pathOf(model.directory, file);
  fs::file_status status;
  std::error_code error = fs::status(path, status);
  if (!error && status.type() != fs::file_type::regular_file) {
    problems.add("cannot read " + file + ": it is not a file");
    return std::nullopt;
  }
  auto buffer =
      llvm::MemoryBuffer::getFile(path, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!buffer) {
    problems.add("cannot read " + file + ": " + buffer.getError().message());
    return std::nullopt;
  }
  size_t before = problems.size();
  Metadata metadata = parseFile((*buffer)->getBuffer(), file, model.container, problems);
  model.files.push_back(file);
  model.buffers.push_back(std::move(*buffer));
  return problems.size() == before ? std::optional(std::move(metadata)) : std::nullopt;
}

/// A number of the keys split.*; nothing if it is absent.
static std::optional<int64_t> splitNumber(const Metadata &metadata, StringRef key) {
  auto found = metadata.find(key);
  return found == metadata.end() ? std::nullopt
                                 : std::optional(found->second.integer().value_or(-1));
}

void Opener::checkPart(const Metadata &metadata, StringRef file, unsigned number, unsigned count) {
  std::optional<int64_t> index = splitNumber(metadata, "split.no"),
                         parts = splitNumber(metadata, "split.count");
  if (index != int64_t(number) - 1 || parts != int64_t(count))
    problems.add(file + ": expected part " + Twine(number) + " of " + Twine(count) +
                 " (split.no = " + Twine(number - 1) + ", split.count = " + Twine(count) +
                 "), but got split.no = " + Twine(index.value_or(-1)) +
                 ", split.count = " + Twine(parts.value_or(-1)));
}

void Opener::openParts(const std::string &file, unsigned count) {
  std::optional<PartName> name = parsePartName(file);
  if (!name || name->count != count)
    return problems.add(file + ": is one of " + Twine(count) +
                        " parts, whose names should end like " + partFile("", 1, count) +
                        "; give it back the name that it had");
  std::vector<std::string> missing;
  for (unsigned number = 1; number <= count; ++number)
    if (std::string part = partFile(name->prefix, number, count);
        !fs::exists(pathOf(model.directory, part)))
      missing.push_back(part);
  constexpr size_t shown = 8;
  for (const std::string &part : llvm::ArrayRef(missing).take_front(shown))
    problems.add(file + ": is one of " + Twine(count) + " parts, of which " + part + " is missing");
  if (missing.size() > shown)
    problems.add(file + ": and " + Twine(missing.size() - shown) + " more parts are missing");
  if (!missing.empty())
    return;
  for (unsigned number = 1; number <= count; ++number) {
    std::string part = partFile(name->prefix, number, count);
    std::optional<Metadata> metadata = readFile(part);
    if (!metadata)
      continue;
    checkPart(*metadata, part, number, count);
    if (number == 1)
      model.container.metadata = std::move(*metadata);
  }
  std::optional<int64_t> tensors = splitNumber(model.container.metadata, "split.tensors.count");
  if (problems.empty() && tensors && *tensors != int64_t(model.container.tensors.size()))
    problems.add(model.files.front() + ": the parts should have " + Twine(*tensors) +
                 " tensors together, but have " + Twine(model.container.tensors.size()));
}

void Opener::open(const std::string &file) {
  std::optional<Metadata> metadata = readFile(file);
  if (!metadata)
    return;
  int64_t count = splitNumber(*metadata, "split.count").value_or(1);
  if (count < 0 || count > 65535)
    return problems.add(file + ": 'split.count' should be a number from 0 to 65535");
  if (count > 1) {
    model.files.clear();
    model.buffers.clear();
    model.container = {};
    return openParts(file, static_cast<unsigned>(count));
  }
  model.container.metadata = std::move(*metadata);
}

ModelFiles gguf::openModel(StringRef path, Problems &problems) {
  ModelFiles model;
  std::string file;
  if (fs::is_directory(path)) {
    model.directory = path.str();
    file = onlyModel(path, problems);
  } else {
    StringRef directory = llvm::sys::path::parent_path(path);
    model.directory = directory.empty() ? "." : directory.str();
    file = llvm::sys::path::filename(path).str();
  }
  if (problems.empty())
    Opener(model, problems).open(file);
  return model;
}
