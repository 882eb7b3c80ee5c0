// The way of an artifact to its file: plan, reserve, pack, describe, commit.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "kvasir/Artifact/Package.h"

#include "Hash.h"
#include "ModuleTable.h"
#include "OutputFile.h"
#include "PackWeights.h"
#include "SourceFile.h"
#include "kvasir/Artifact/Format.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/Path.h"

#include <thread>

namespace kvasir {

using artifact::FileHeader;
using artifact::sectionAlignment;

static llvm::Error checkCancelled(const PackageOptions &options) {
  if (options.cancelled && *options.cancelled)
    return llvm::createStringError("interrupted");
  return llvm::Error::success();
}

namespace {
class Packager {
public:
  Packager(mlir::ModuleOp module, const PackageOptions &options)
      : options(options), contents{module, options, {}, {}, {}, {}, {}, {}, {}, {}} {}
  llvm::Expected<PackageResult> run(llvm::StringRef outputPath);

private:
  llvm::Error plan();
  llvm::Error openInputs();
  llvm::Error hashInputs();
  std::vector<std::pair<SectionPlan *, llvm::ArrayRef<uint8_t>>> codeSections();
  llvm::Error placeSections();
  llvm::Error write(OutputFile &output);
  llvm::Error writeTable(const OutputFile &output);

  const PackageOptions &options;
  TableContents contents;
  std::vector<SourceFile> files; ///< those of weights first, in their order
  uint64_t moduleSize = 0, fileSize = 0;
  unsigned threads = 1;
};
} // namespace

llvm::Error Packager::plan() {
  threads = options.threads ? options.threads : std::max(1u, std::thread::hardware_concurrency());
  if (!options.codeObjects.empty())
    if (llvm::Error error = planSteps(contents.module, contents.tensors).moveInto(contents.steps))
      return error;
  for (const DeviceInput &device : options.devices) {
    contents.devices.push_back({device, {}, {}});
    if (llvm::Error error =
            planSteps(device.module, contents.tensors).moveInto(contents.devices.back().steps))
      return error;
  }
  auto weights = planWeights(contents.tensors.weights);
  if (!weights)
    return weights.takeError();
  contents.weights = std::move(*weights);
  return llvm::Error::success();
}

llvm::Error Packager::openInputs() {
  auto directory = contents.module->getAttrOfType<mlir::StringAttr>("llm.directory");
  std::vector<std::string> paths;
  for (const std::string &name : contents.weights.files) {
    llvm::SmallString<256> path(directory ? directory.getValue() : "");
    llvm::sys::path::append(path, name);
    paths.push_back(path.str().str());
  }
  llvm::StringSet<> seen(llvm::from_range, paths);
  for (const std::string &path : options.inputPaths)
    if (seen.insert(path).second)
      paths.push_back(path);
  for (std::string &path : paths) {
    auto file = SourceFile::open(std::move(path));
    if (!file)
      return file.takeError();
    files.push_back(std::move(*file));
  }
  for (const SourceFile &file : files)
    contents.inputs.push_back({llvm::sys::path::filename(file.path()).str(), file.size(), {}});
  return checkSources(contents.weights, files);
}

/// Reads every input once more than packing needs. It costs little: what is
/// read here is in the page cache when packing wants it.
llvm::Error Packager::hashInputs() {
  return parallelFor(files.size(), threads, [&](uint64_t i) -> llvm::Error {
    auto hash = files[i].hash(options.cancelled);
    if (!hash)
      return hash.takeError();
    contents.inputs[i].hash = *hash;
    return llvm::Error::success();
  });
}

static SectionPlan placeSection(uint64_t &end, uint64_t size) {
  uint64_t offset = llvm::alignTo(end, sectionAlignment);
  end = offset + size;
  return {offset, size, {}};
}

/// All code in the order of the file.
std::vector<std::pair<SectionPlan *, llvm::ArrayRef<uint8_t>>> Packager::codeSections() {
  std::vector<std::pair<SectionPlan *, llvm::ArrayRef<uint8_t>>> sections;
  for (auto [section, object] : llvm::zip_equal(contents.code, options.codeObjects))
    sections.emplace_back(&section, object.bytes);
  for (DevicePlan &device : contents.devices)
    for (auto [section, code] : llvm::zip_equal(device.code, device.input.code))
      sections.emplace_back(&section, code.bytes);
  return sections;
}

/// The table comes first but says where everything is: build it once to learn
/// its size, which does not depend on the values.
llvm::Error Packager::placeSections() {
  contents.weightsSection = {sectionAlignment, contents.weights.size, {}};
  contents.tokenizer = {sectionAlignment, options.tokenizer.size(), {}};
  for (const CodeObjectInput &object : options.codeObjects)
    contents.code.push_back({sectionAlignment, object.bytes.size(), {}});
  for (DevicePlan &device : contents.devices)
    for (const DeviceCodeInput &code : device.input.code)
      device.code.push_back({sectionAlignment, code.bytes.size(), {}});
  auto table = buildModuleTable(contents);
  if (!table)
    return table.takeError();
  moduleSize = table->size();
  uint64_t end = sectionAlignment + moduleSize;
  if (!options.tokenizer.empty()) {
    contents.tokenizer = placeSection(end, options.tokenizer.size());
    contents.tokenizer.hash = hashBytes(options.tokenizer.data(), options.tokenizer.size());
  }
  for (auto [section, bytes] : codeSections()) {
    *section = placeSection(end, bytes.size());
    section->hash = hashBytes(bytes.data(), bytes.size());
  }
  contents.weightsSection = placeSection(end, contents.weights.size);
  fileSize = end;
  return llvm::Error::success();
}

llvm::Error Packager::writeTable(const OutputFile &output) {
  contents.weightsSection.hash = contents.weights.hash;
  auto table = buildModuleTable(contents);
  if (!table)
    return table.takeError();
  if (table->size() != moduleSize)
    return llvm::createStringError("internal error: the module table has %zu bytes, expected %zu",
                                   table->size(), size_t(moduleSize));
  FileHeader header = {};
  std::copy(std::begin(artifact::magic), std::end(artifact::magic), header.magic);
  header.versionMajor = artifact::versionMajor;
  header.versionMinor = artifact::versionMinor;
  header.headerSize = sizeof(FileHeader);
  header.fileSize = fileSize;
  header.moduleOffset = sectionAlignment;
  header.moduleSize = moduleSize;
  artifact::HashValue hash = hashBytes(table->data(), table->size());
  header.moduleHash = {hash.low(), hash.high()};
  header.headerHash = XXH3_64bits(&header, offsetof(FileHeader, headerHash));
  if (llvm::Error error = output.write(table->data(), table->size(), sectionAlignment))
    return error;
  return output.write(&header, sizeof(header), 0);
}

llvm::Error Packager::write(OutputFile &output) {
  if (llvm::Error error = output.write(options.tokenizer.data(), options.tokenizer.size(),
                                       contents.tokenizer.offset))
    return error;
  for (auto [section, bytes] : codeSections())
    if (llvm::Error error = output.write(bytes.data(), bytes.size(), section->offset))
      return error;
  PackSettings settings{options.memoryCap, threads, options.progress, options.cancelled};
  if (llvm::Error error =
          packWeights(contents.weights, files, output, contents.weightsSection.offset, settings))
    return error;
  for (const SourceFile &file : files)
    if (llvm::Error error = file.checkUnchanged())
      return error;
  if (llvm::Error error = writeTable(output))
    return error;
  if (llvm::Error error = output.flush())
    return error;
  if (llvm::Error error = checkCancelled(options)) // flushing takes its time
    return error;
  return output.commit();
}

llvm::Expected<PackageResult> Packager::run(llvm::StringRef outputPath) {
  if (llvm::Error error = plan())
    return std::move(error);
  if (llvm::Error error = openInputs())
    return std::move(error);
  for (const SourceFile &file : files)
    if (llvm::sys::fs::equivalent(file.path(), outputPath))
      return llvm::createStringError("'" + outputPath.str() +
                                     "' is one of the inputs; write the "
                                     "artifact to another file");
  if (llvm::Error error = placeSections())
    return std::move(error);
  FileSizeSignalBlock noSignal;
  // Before anything is read: an output that cannot be is found out at once.
  auto output = OutputFile::create(outputPath, fileSize, /*unnamed=*/true, options.program);
  if (!output)
    return output.takeError();
  if (llvm::Error error = hashInputs())
    return std::move(error);
  if (llvm::Error error = write(*output))
    return std::move(error);
  return PackageResult{output->fileSize(), contents.weights.size};
}

llvm::Expected<PackageResult> writeArtifact(mlir::ModuleOp module, const PackageOptions &options,
                                            llvm::StringRef outputPath) {
  return Packager(module, options).run(outputPath);
}

} // namespace kvasir
