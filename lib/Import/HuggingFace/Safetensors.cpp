// The safetensors container: 8 bytes of header length, a JSON header, the data.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Safetensors.h"
#include "Files.h"
#include "kvasir/Support/Json.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/CheckedArithmetic.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/MathExtras.h"
#include <algorithm>
#include <set>

using namespace kvasir;
using namespace kvasir::hf;
using llvm::StringRef;
using llvm::Twine;
using nlohmann::json;

namespace {

/// Bits of one value; 0 for a type that is not known.
uint64_t bitsOfType(StringRef type) {
  return llvm::StringSwitch<uint64_t>(type)
      .Case("F4", 4)
      .Cases({"F6_E2M3", "F6_E3M2"}, 6)
      .Cases({"BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0"}, 8)
      .Cases({"U16", "I16", "F16", "BF16"}, 16)
      .Cases({"U32", "I32", "F32"}, 32)
      .Cases({"U64", "I64", "F64", "C64"}, 64)
      .Default(0);
}

/// Reads one file's header; all methods report to `problems`.
class HeaderReader {
public:
  HeaderReader(StringRef file, uint64_t dataStart, uint64_t fileSize, Problems &problems)
      : file(file), dataStart(dataStart), dataSize(fileSize - dataStart), problems(problems) {}

  void read(const json &header, WeightTable &table);

private:
  struct Range {
    uint64_t begin, end;
    StringRef name;
  };

  void readTensor(StringRef name, const json &entry, WeightTable &table);
  bool readShape(StringRef name, const json &entry, StoredTensor &tensor);
  bool readOffsets(StringRef name, const json &entry, StoredTensor &tensor);
  void checkLength(StringRef name, const StoredTensor &tensor);
  void checkMetadata(const json &entry);
  void checkCoverage();
  void problem(StringRef name, const Twine &what) {
    problems.add(file + ": tensor '" + name + "' " + what);
  }

  StringRef file;
  uint64_t dataStart, dataSize;
  Problems &problems;
  std::vector<Range> ranges;
};

} // namespace

void HeaderReader::read(const json &header, WeightTable &table) {
  size_t before = problems.size();
  for (auto &[name, entry] : header.items()) {
    if (name == "__metadata__")
      checkMetadata(entry);
    else
      readTensor(name, entry, table);
  }
  // Holes are only worth reporting when every range could be read.
  if (problems.size() == before)
    checkCoverage();
}

void HeaderReader::checkMetadata(const json &entry) {
  bool strings = entry.is_object();
  if (strings)
    for (const json &value : entry)
      strings &= value.is_string();
  if (!strings)
    problems.add(file + ": expected '__metadata__' to be an object of strings");
}

void HeaderReader::readTensor(StringRef name, const json &entry, WeightTable &table) {
  if (!entry.is_object())
    return problem(name, "is not described by an object with dtype, shape and data_offsets");
  for (auto &[key, value] : entry.items())
    if (key != "dtype" && key != "shape" && key != "data_offsets")
      return problem(name, "has the unknown field '" + Twine(key) + "'");
  StoredTensor tensor;
  tensor.file = file.str();
  auto type = entry.find("dtype");
  if (type == entry.end() || !type->is_string())
    return problem(name, "has no dtype");
  tensor.type = type->get_ref<const std::string &>();
  if (!bitsOfType(tensor.type))
    return problem(name, "has the unknown dtype '" + Twine(tensor.type) + "'");
  if (!readShape(name, entry, tensor) || !readOffsets(name, entry, tensor))
    return;
  checkLength(name, tensor);
  auto [place, inserted] = table.try_emplace(name.str(), std::move(tensor));
  if (!inserted)
    return problem(name, "is also in " + Twine(place->second.file));
  uint64_t begin = place->second.offset - dataStart;
  ranges.push_back({begin, begin + place->second.length, place->first});
}

bool HeaderReader::readShape(StringRef name, const json &entry, StoredTensor &tensor) {
  constexpr size_t maxRank = 8;
  auto shape = entry.find("shape");
  if (shape == entry.end() || !shape->is_array() || shape->size() > maxRank) {
    problem(name, "has no shape of at most " + Twine(maxRank) + " dimensions");
    return false;
  }
  for (const json &dimension : *shape) {
    if (!dimension.is_number_unsigned() || dimension.get<uint64_t>() > INT64_MAX) {
      problem(name, "has the dimension " + Twine(describeJson(dimension)) +
                        ", expected a natural number");
      return false;
    }
    tensor.shape.push_back(dimension.get<int64_t>());
  }
  return true;
}

bool HeaderReader::readOffsets(StringRef name, const json &entry, StoredTensor &tensor) {
  auto offsets = entry.find("data_offsets");
  if (offsets == entry.end() || !offsets->is_array() || offsets->size() != 2 ||
      !(*offsets)[0].is_number_unsigned() || !(*offsets)[1].is_number_unsigned()) {
    problem(name, "has no data_offsets of two natural numbers");
    return false;
  }
  uint64_t begin = (*offsets)[0].get<uint64_t>(), end = (*offsets)[1].get<uint64_t>();
  if (begin > end) {
    problem(name, "has data_offsets that run backwards: " + Twine(begin) + " to " + Twine(end));
    return false;
  }
  if (end > dataSize) {
    problem(name, "ends at byte " + Twine(end) + " of the data, but the file has only " +
                      Twine(dataSize) + " bytes of data; is the file truncated?");
    return false;
  }
  tensor.offset = dataStart + begin;
  tensor.length = end - begin;
  return true;
}

void HeaderReader::checkLength(StringRef name, const StoredTensor &tensor) {
  // A zero dimension makes the product 0 whatever the others are.
  std::optional<uint64_t> bits = bitsOfType(tensor.type);
  if (llvm::is_contained(tensor.shape, 0))
    bits = 0;
  for (int64_t dimension : tensor.shape)
    bits = bits ? llvm::checkedMulUnsigned<uint64_t>(*bits, dimension) : std::nullopt;
  if (!bits)
    return problem(name, "has a shape whose size does not fit in 64 bits");
  if (*bits % 8 || *bits / 8 != tensor.length)
    problem(name, "takes " + Twine(tensor.length) + " bytes, but its shape and dtype " +
                      tensor.type + " need " + Twine(llvm::divideCeil(*bits, 8)));
}

void HeaderReader::checkCoverage() {
  llvm::sort(ranges, [](const Range &a, const Range &b) {
    return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
  });
  uint64_t end = 0;
  for (const Range &range : ranges) {
    if (range.begin < end)
      problem(range.name,
              "starts at byte " + Twine(range.begin) + " of the data, inside the tensor before it");
    if (range.begin > end)
      problem(range.name, "starts at byte " + Twine(range.begin) +
                              " of the data, but the tensor before it ends at " + Twine(end));
    end = std::max(end, range.end);
  }
  if (end != dataSize)
    problems.add(file + ": has " + Twine(dataSize - end) + " bytes after its last tensor");
}

void hf::parseSafetensorsHeader(StringRef header, StringRef file, uint64_t fileSize,
                                WeightTable &table, Problems &problems) {
  uint64_t dataStart = 8 + header.size();
  if (dataStart > fileSize)
    return problems.add(file + ": the header ends after the file");
  // Three levels are all that the format has.
  auto parsed = parseJson(header, "the header", 4);
  if (!parsed)
    return problems.add(file + ": " + llvm::toString(parsed.takeError()));
  if (!parsed->is_object())
    return problems.add(file + ": the header is not a JSON object");
  HeaderReader(file, dataStart, fileSize, problems).read(*parsed, table);
}

void hf::readSafetensors(StringRef directory, StringRef file, WeightTable &table,
                         Problems &problems) {
  auto size = fileSize(directory, file);
  if (!size)
    return problems.add(llvm::toString(size.takeError()));
  if (*size < 8)
    return problems.add(file + ": expected a safetensors file, but it has only " + Twine(*size) +
                        " bytes");
  auto start = readFile(directory, file, 0, 8);
  if (!start)
    return problems.add(llvm::toString(start.takeError()));
  uint64_t length = llvm::support::endian::read64le((*start)->getBufferStart());
  if (length > maxSafetensorsHeader)
    return problems.add(file + ": the header would have " + Twine(length) +
                        " bytes, more than the " + Twine(maxSafetensorsHeader) +
                        " that are allowed; is this a safetensors file?");
  if (length > *size - 8)
    return problems.add(file + ": the header should have " + Twine(length) +
                        " bytes, but the file has only " + Twine(*size) + "; is it truncated?");
  auto header = readFile(directory, file, 8, length);
  if (!header)
    return problems.add(llvm::toString(header.takeError()));
  parseSafetensorsHeader((*header)->getBuffer(), file, *size, table, problems);
}

namespace {

/// The weight map of an index file: shard by tensor. Empty if it is refused.
std::map<std::string, std::string> readIndex(StringRef directory, StringRef file,
                                             Problems &problems) {
  std::map<std::string, std::string> shards;
  auto text = readText(directory, file);
  if (!text) {
    problems.add(llvm::toString(text.takeError()));
    return shards;
  }
  auto index = parseJson(*text, file);
  if (!index) {
    problems.add(llvm::toString(index.takeError()));
    return shards;
  }
  if (!index->is_object() || !index->contains("weight_map") ||
      !(*index)["weight_map"].is_object()) {
    problems.add(file + ": expected an object with a 'weight_map'");
    return shards;
  }
  for (auto &[tensor, shard] : (*index)["weight_map"].items()) {
    if (shard.is_string() && isPlainFileName(shard.get_ref<const std::string &>()))
      shards[tensor] = shard.get<std::string>();
    else
      problems.add(file + ": tensor '" + tensor +
                   "': expected the name of a file in the same folder, but got " +
                   describeJson(shard));
  }
  return shards;
}

void readShards(StringRef directory, StringRef index, WeightTable &table,
                std::vector<std::string> &files, Problems &problems) {
  std::map<std::string, std::string> shardOf = readIndex(directory, index, problems);
  std::set<std::string> shards, unreadable;
  for (auto &[tensor, shard] : shardOf)
    shards.insert(shard);
  for (const std::string &shard : shards) {
    size_t before = problems.size();
    if (exists(directory, shard))
      readSafetensors(directory, shard, table, problems);
    else
      problems.add(index + ": names the shard '" + shard + "', which is missing");
    files.push_back(shard);
    if (problems.size() != before)
      unreadable.insert(shard);
  }
  for (auto &[tensor, shard] : shardOf) {
    auto stored = table.find(tensor);
    if (!unreadable.count(shard) && (stored == table.end() || stored->second.file != shard))
      problems.add(index + ": says that tensor '" + tensor + "' is in " + shard +
                   ", but it is not");
  }
}

} // namespace

void hf::readCheckpoint(StringRef directory, WeightTable &table, std::vector<std::string> &files,
                        Problems &problems) {
  constexpr StringRef single = "model.safetensors", index = "model.safetensors.index.json";
  if (exists(directory, single)) {
    files.push_back(single.str());
    return readSafetensors(directory, single, table, problems);
  }
  if (exists(directory, index)) {
    files.push_back(index.str());
    return readShards(directory, index, table, files, problems);
  }
  std::string hint;
  if (exists(directory, "pytorch_model.bin") || exists(directory, "pytorch_model.bin.index.json"))
    hint = "; pytorch_model.bin is not read: save the model again with safe_serialization=True";
  problems.add("no weights: expected " + single + " or " + index + hint);
}
