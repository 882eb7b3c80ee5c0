// Where each weight comes from and where it goes to in the artifact.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_LIB_ARTIFACT_WEIGHTPLAN_H
#define KVASIR_LIB_ARTIFACT_WEIGHTPLAN_H

#include "dialects/LLM/LLM.h"
#include "kvasir/Artifact/Module_generated.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/Error.h"

namespace kvasir {

/// Where the values of a tensor start.
struct StoredPart {
  uint32_t file = 0; ///< into WeightsPlan.files
  uint64_t offset = 0;
};

/// A weight of `rows` x `columns` (a vector has one column).
struct WeightPlan {
  std::string name;
  std::vector<uint64_t> shape;
  uint64_t rows = 0, columns = 0;

  // In the source file: [storedRows][storedColumns] at `sourceOffset`. Row n of
  // the weight is stored row (column, when `transpose`) `row` + n; see
  // `sourceRow` for interleaved ones.
  uint32_t file = 0; ///< into WeightsPlan.files
  uint64_t sourceOffset = 0, storedRows = 0, storedColumns = 0, row = 0;
  bool transpose = false;
  uint64_t interleaved = 0; ///< rows of a head that is stored as 0, d/2, 1, d/2 + 1, ...
  artifact::ElementType sourceType = artifact::ElementType::f32;

  // In the weights section.
  artifact::ElementType type = artifact::ElementType::f32;
  artifact::Layout layout = artifact::Layout::row_major;
  uint64_t offset = 0, size = 0; ///< bytes
  uint64_t unitBytes = 0;        ///< of layout panel32
  artifact::HashValue hash;

  /// That of the weight. An encoded weight that is not in layout panel32 is
  /// packed as f32.
  std::optional<Encoding> encoding;
  /// Of a source that is encoded already: how, and where its parts are.
  std::optional<StoredMatrix> matrix;
  StoredPart scales, zeros;

  /// The source's values (codes) as lines of bytes.
  StoredLines sourceLines() const;
  /// The stored row (column, when `transpose`) of a row of the weight.
  uint64_t sourceRow(uint64_t weightRow) const;
};

struct WeightsPlan {
  std::vector<WeightPlan> weights;
  std::vector<std::string> files; ///< as named in the sources, each once
  uint64_t size = 0;              ///< of the section, in bytes
  artifact::HashValue hash;       ///< of the section
};

/// Bytes of one plain element.
uint64_t elementSize(artifact::ElementType type);

/// Lays the weights out in the order given. Vectors are widened to f32.
llvm::Expected<WeightsPlan> planWeights(llvm::ArrayRef<llm::WeightOp> weights);

} // namespace kvasir

#endif // KVASIR_LIB_ARTIFACT_WEIGHTPLAN_H
