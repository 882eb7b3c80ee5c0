// The module table of an artifact as FlatBuffers bytes.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_LIB_ARTIFACT_MODULETABLE_H
#define KVASIR_LIB_ARTIFACT_MODULETABLE_H

#include "StepPlan.h"
#include "WeightPlan.h"
#include "kvasir/Artifact/Package.h"

namespace kvasir {

/// A range of the file and its hash.
struct SectionPlan {
  uint64_t offset = 0, size = 0;
  artifact::HashValue hash;
};

/// A file that the artifact was made from.
struct InputPlan {
  std::string name; ///< without directories
  uint64_t size = 0;
  artifact::HashValue hash;
};

/// The programs and sections of a device.
struct DevicePlan {
  const DeviceInput &input;
  StepPlan steps;
  std::vector<SectionPlan> code; ///< of input.code
};

/// What the table is made of.
struct TableContents {
  mlir::ModuleOp module;
  const PackageOptions &options;
  TensorTable tensors;
  StepPlan steps; ///< for CPUs
  std::vector<DevicePlan> devices;
  WeightsPlan weights;
  std::vector<InputPlan> inputs;
  SectionPlan weightsSection, tokenizer;
  std::vector<SectionPlan> code; ///< of options.codeObjects
};

/// Builds the table. Its size depends neither on the values of hashes nor on
/// those of section offsets (which must not be 0).
llvm::Expected<std::vector<uint8_t>> buildModuleTable(const TableContents &contents);

} // namespace kvasir

#endif // KVASIR_LIB_ARTIFACT_MODULETABLE_H
