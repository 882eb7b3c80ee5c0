// The tensors of quantized checkpoints, found by their names and put together.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Quantization.h"
#include "Files.h"
#include "QuantizationScheme.h"
#include "kvasir/Encoding/Stored.h"
#include "kvasir/Model/TensorProblems.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/MathExtras.h"

using namespace kvasir;
using namespace kvasir::hf;
using llvm::StringRef;
using llvm::Twine;
using llvm::support::endian::read32le;
using llvm::support::endian::read64le;

/// Bounds as those of other dimensions, so that products fit.
constexpr int64_t maxDimension = int64_t(1) << 31;

namespace {

class Folder {
public:
  Folder(const QuantizationSettings &settings, StringRef directory, WeightTable &table,
         Problems &problems)
      : settings(settings), directory(directory), table(table), problems(problems) {}

  void run();

private:
  const StoredTensor *find(const std::string &name) const {
    auto found = table.find(name);
    return found == table.end() ? nullptr : &found->second;
  }
  void problem(const std::string &name, const Twine &what) {
    lines.add("tensor ", name, " " + what);
  }
  bool isMatrix(const std::string &name, const StoredTensor &tensor, StringRef type);
  bool foldWords(const std::string &base);
  bool foldPacked(const std::string &base);
  bool foldBytes(const std::string &base);
  bool fold(const std::string &base, const std::string &codes, const std::string &scales,
            const std::string &zeros, StoredMatrix matrix,
            llvm::ArrayRef<QuantizationScheme> schemes);
  std::optional<StoredTensor> scalePart(const std::string &name, StoredMatrix &matrix);
  void checkOrder(const std::string &name, int64_t columns);
  std::optional<std::pair<int64_t, int64_t>> readShape(const std::string &name);
  std::vector<int64_t> readIntegers(const std::string &name, uint64_t most);

  const QuantizationSettings &settings;
  StringRef directory;
  WeightTable &table;
  Problems &problems;
  TensorProblems lines;
};

} // namespace

bool Folder::isMatrix(const std::string &name, const StoredTensor &tensor, StringRef type) {
  if (tensor.type == type && tensor.shape.size() == 2 && tensor.shape[0] > 0 &&
      tensor.shape[1] > 0 && tensor.shape[0] < maxDimension && tensor.shape[1] < maxDimension)
    return true;
  problem(name, "should be a matrix of " + type + ", but has " + Twine(tensor.shape.size()) +
                    " dimensions of " + tensor.type);
  return false;
}

/// The values of an I32 or I64 tensor; none and a problem when it cannot be read.
std::vector<int64_t> Folder::readIntegers(const std::string &name, uint64_t most) {
  const StoredTensor *tensor = find(name);
  bool wide = tensor->type == "I64";
  uint64_t size = wide ? 8 : 4;
  if ((!wide && tensor->type != "I32") || tensor->length / size > most || tensor->length == 0) {
    problem(name, "should have up to " + Twine(most) + " integers, but has " +
                      Twine(tensor->length) + " bytes of " + tensor->type);
    return {};
  }
  auto bytes = readFile(directory, tensor->file, tensor->offset, tensor->length);
  if (!bytes) {
    problems.add(llvm::toString(bytes.takeError()));
    return {};
  }
  std::vector<int64_t> values;
  for (const char *at = (*bytes)->getBufferStart(); at != (*bytes)->getBufferEnd(); at += size)
    values.push_back(wide ? int64_t(read64le(at)) : int32_t(read32le(at)));
  return values;
}

/// A tensor that says the group of each column: only the usual order is read.
void Folder::checkOrder(const std::string &name, int64_t columns) {
  if (!find(name))
    return;
  std::vector<int64_t> order = readIntegers(name, maxDimension);
  bool usual = int64_t(order.size()) == columns && !settings.schemes.empty();
  int64_t group = usual ? settings.schemes.front().group : 0;
  for (int64_t i = 0; usual && i < columns; ++i)
    usual = order[i] == (group ? i / group : 0);
  table.erase(name);
  if (!usual && !order.empty())
    problem(name, "reorders the columns by activation (desc_act, actorder), which is not "
                  "supported; quantize without it, or with static groups");
}

/// The original shape that compressed-tensors keeps beside the codes.
std::optional<std::pair<int64_t, int64_t>> Folder::readShape(const std::string &name) {
  if (!find(name)) {
    problem(name, "is missing");
    return std::nullopt;
  }
  std::vector<int64_t> shape = readIntegers(name, 2);
  table.erase(name);
  if (shape.size() == 2 && shape[0] > 0 && shape[1] > 0 && shape[0] < maxDimension &&
      shape[1] < maxDimension)
    return std::pair(shape[0], shape[1]);
  if (!shape.empty())
    problem(name, "does not hold the shape of a matrix");
  return std::nullopt;
}

/// Scales as a matrix; sets what `matrix` says of them.
std::optional<StoredTensor> Folder::scalePart(const std::string &name, StoredMatrix &matrix) {
  const StoredTensor *found = find(name);
  if (!found) {
    problem(name, "is missing");
    return std::nullopt;
  }
  StoredTensor scales = *found;
  scales.shape.resize(2, 1);
  if (found->shape.empty())
    scales.shape = {1, 1};
  static const std::pair<StringRef, ScaleKind> kinds[] = {{"F32", ScaleKind::f32},
                                                          {"F16", ScaleKind::f16},
                                                          {"BF16", ScaleKind::bf16},
                                                          {"F8_E8M0", ScaleKind::e8m0}};
  for (auto &[type, kind] : kinds)
    if (type == found->type && found->shape.size() <= 2 && scales.shape[0] > 0 &&
        scales.shape[1] > 0) {
      matrix.scaleType = kind;
      matrix.scaleRows = scales.shape[0];
      matrix.scaleColumns = scales.shape[1];
      return scales;
    }
  problem(name, "should be a matrix of F32, F16 or BF16, but has " + Twine(found->shape.size()) +
                    " dimensions of " + found->type);
  return std::nullopt;
}

/// Tries the schemes of the configuration; the first that fits all shapes is the matrix's.
bool Folder::fold(const std::string &base, const std::string &codes, const std::string &scales,
                  const std::string &zeros, StoredMatrix matrix,
                  llvm::ArrayRef<QuantizationScheme> schemes) {
  std::optional<StoredTensor> scalesPart = scalePart(scales, matrix);
  if (!scalesPart)
    return false;
  matrix.zeros = !zeros.empty() && find(zeros);
  StoredTensor result = *find(codes);
  std::string why;
  for (const QuantizationScheme &scheme : schemes) {
    std::optional<Encoding> encoding = scheme.encoding(matrix.scaleType);
    if (!encoding) {
      why = "has " + scheme.text(matrix.scaleType) +
            ", which is not supported; use groups of 32, 64 or 128";
      continue;
    }
    matrix.encoding = *encoding;
    std::string problem = matrix.problem();
    StoredLines lines = problem.empty() ? matrix.codeLines() : StoredLines();
    if (problem.empty() && uint64_t(lines.lines * lines.lineBytes) != result.length)
      problem = "expected " + std::to_string(lines.lines * lines.lineBytes) +
                " bytes of codes, but got " + std::to_string(result.length);
    StoredLines zeroLines = problem.empty() ? matrix.zeroLines() : StoredLines();
    if (problem.empty() && matrix.zeros &&
        uint64_t(zeroLines.lines * zeroLines.lineBytes) != find(zeros)->length)
      problem = "expected " + std::to_string(zeroLines.lines * zeroLines.lineBytes) +
                " bytes of zero points, but got " + std::to_string(find(zeros)->length);
    if (!problem.empty()) {
      why = "does not fit its scales: " + problem;
      continue;
    }
    result.type = encoding->name();
    result.shape = {matrix.rows, matrix.columns};
    result.format = storedFormatName(matrix.format).str();
    result.parts.push_back(*scalesPart);
    if (matrix.zeros) {
      result.parts.push_back(*find(zeros));
      result.parts.back().shape.resize(2, 1);
    }
    for (const std::string &name : {codes, scales, zeros})
      table.erase(name);
    table[base + ".weight"] = std::move(result);
    return true;
  }
  problem(codes, why);
  return false;
}

/// GPTQ and AWQ.
bool Folder::foldWords(const std::string &base) {
  std::string codes = base + ".qweight";
  const StoredTensor &tensor = *find(codes);
  if (!isMatrix(codes, tensor, "I32"))
    return false;
  StoredMatrix matrix;
  matrix.format = settings.format;
  int64_t per = 32 / settings.schemes.front().bits;
  matrix.columns = tensor.shape[0] * (settings.format == StoredFormat::awq ? 1 : per);
  matrix.rows = tensor.shape[1] * (settings.format == StoredFormat::awq ? per : 1);
  checkOrder(base + ".g_idx", matrix.columns);
  return fold(base, codes, base + ".scales", base + ".qzeros", matrix, settings.schemes);
}

/// compressed-tensors, pack-quantized.
bool Folder::foldPacked(const std::string &base) {
  std::string codes = base + ".weight_packed";
  if (!isMatrix(codes, *find(codes), "I32"))
    return false;
  auto shape = readShape(base + ".weight_shape");
  if (!shape)
    return false;
  StoredMatrix matrix;
  matrix.format = StoredFormat::packed;
  std::tie(matrix.rows, matrix.columns) = *shape;
  checkOrder(base + ".weight_g_idx", matrix.columns);
  return fold(base, codes, base + ".weight_scale", base + ".weight_zero_point", matrix,
              settings.schemes);
}

/// A matrix of bytes with scales: per tensor, per row, per group, or per block of 128x128.
bool Folder::foldBytes(const std::string &base) {
  std::string codes = base + ".weight", scales = base + ".weight_scale";
  const StoredTensor &tensor = *find(codes);
  if (!isMatrix(codes, tensor, tensor.type))
    return false;
  if (!find(scales))
    scales += "_inv";
  StoredMatrix matrix;
  matrix.format = StoredFormat::bytes;
  matrix.rows = tensor.shape[0];
  matrix.columns = tensor.shape[1];
  bool isFloat = tensor.type == "F8_E4M3";
  if (find(base + ".weight_zero_point")) {
    problem(base + ".weight_zero_point", "makes codes of 8 bits asymmetric, which is not "
                                         "supported; quantize symmetrically");
    return false;
  }
  for (const char *activations : {".input_scale", ".activation_scale", ".output_scale"})
    table.erase(base + activations); // inputs are not quantized with fixed scales here
  std::vector<QuantizationScheme> schemes = {{8, 0, isFloat, true}};
  if (isFloat)
    schemes.push_back({8, 128, true, true});
  else
    schemes.insert(schemes.end(), settings.schemes.begin(), settings.schemes.end());
  return fold(base, codes, scales, "", matrix, schemes);
}

static bool endsLike(StringRef name, StringRef end, std::string &base) {
  if (!name.consume_back(end))
    return false;
  base = name.str();
  return true;
}

void Folder::run() {
  std::vector<std::pair<std::string, bool (Folder::*)(const std::string &)>> found;
  bool words = settings.format == StoredFormat::gptq || settings.format == StoredFormat::gptqV2 ||
               settings.format == StoredFormat::awq;
  for (auto &[name, tensor] : table) {
    std::string base;
    if (words && endsLike(name, ".qweight", base))
      found.push_back({base, &Folder::foldWords});
    else if (!words && endsLike(name, ".weight_packed", base))
      found.push_back({base, &Folder::foldPacked});
    else if (!words && (tensor.type == "I8" || tensor.type == "F8_E4M3") &&
             endsLike(name, ".weight", base))
      found.push_back({base, &Folder::foldBytes});
  }
  if (found.empty())
    problems.add("config.json: 'quantization_config' is present (" + settings.method +
                 "), but no tensor is quantized in that way");
  for (auto &[base, fold] : found)
    (this->*fold)(base);
  lines.moveTo(problems);
}

void hf::foldQuantized(StringRef config, StringRef directory, WeightTable &table,
                       Problems &problems) {
  size_t before = problems.size();
  std::optional<QuantizationSettings> settings = readQuantization(config, problems);
  if (settings && problems.size() == before)
    Folder(*settings, directory, table, problems).run();
}
