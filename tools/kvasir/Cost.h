// What a step costs by the artifact's cost table, and how fast a device could
// do it: the ceiling.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_TOOLS_KVASIR_COST_H
#define KVASIR_TOOLS_KVASIR_COST_H

#include "Common.h"

#include "kvasir/Artifact/Module_generated.h"

#include <string>
#include <vector>

namespace kvasir::cli {

/// The module table of a loaded artifact; lives as long as the model.
const artifact::Module &moduleOf(const kvasir_model *model);

/// Entries of a FlatBuffers vector that may be absent.
template <class Vector> size_t sizeOf(const Vector *vector) { return vector ? vector->size() : 0; }
inline std::string textOf(const flatbuffers::String *text) {
  return text ? text->str() : std::string();
}

/// A step of T tokens with L rows of logits, in which every token sees
/// `context` tokens (itself included), before windows.
struct StepShape {
  double tokens = 1;
  double rows = 1;
  double context = 1;
};

/// Bytes moved and floating-point operations.
struct StepCost {
  double weightBytes = 0;
  double otherBytes = 0; ///< activations and what is read of embeddings
  double cacheBytes = 0;
  double flops = 0;

  double bytes() const { return weightBytes + otherBytes + cacheBytes; }
  StepCost &operator+=(const StepCost &other);
};

/// What one target runs: its programs and the names of their functions.
struct TargetPrograms {
  const artifact::Module *module;
  std::string target; ///< "cpu" or that of the device, "cuda"
  const flatbuffers::Vector<flatbuffers::Offset<artifact::Program>> *programs;
  const flatbuffers::Vector<flatbuffers::Offset<flatbuffers::String>> *functions;
  const artifact::Device *device; ///< null for CPUs

  const artifact::Program &program(size_t index) const { return *programs->Get(unsigned(index)); }
  std::string functionOf(const artifact::Row &row) const {
    return textOf(functions->Get(row.function()));
  }
};

/// Those of all targets of an artifact, the CPU's first; there is one at least.
std::vector<TargetPrograms> targetsOf(const artifact::Module &module);
/// Those that a loaded model runs.
TargetPrograms programsOf(const kvasir_model *model);

/// Index of the program that runs a step of this many tokens.
size_t programFor(const TargetPrograms &target, double tokens);
StepCost rowCost(const artifact::Module &module, const artifact::Row &row, const StepShape &shape);
StepCost stepCost(const TargetPrograms &target, const StepShape &shape);

/// Rows of a program that share a function, with their cost together.
struct PhaseGroup {
  std::string function;
  std::vector<size_t> rows; ///< indices into the program's table
  StepCost cost;
};
std::vector<PhaseGroup> groupPhases(const TargetPrograms &target, size_t program,
                                    const StepShape &shape);

/// What limits a device. Zero: not known, not counted.
struct Device {
  std::string name;
  std::string what;
  double bandwidth = 0; ///< bytes per second
  double peak = 0;      ///< FLOPs per second
  double memory = 0;    ///< bytes; of GPUs
};

/// Devices with published numbers.
const std::vector<Device> &knownDevices();
/// "measured" measures this machine with all cores.
Device findDevice(const std::string &name);

struct Ceiling {
  double seconds = 0; ///< of one step
  bool memoryBound = true;
};
Ceiling ceilingOf(const StepCost &cost, const Device &device);

} // namespace kvasir::cli

#endif // KVASIR_TOOLS_KVASIR_COST_H
