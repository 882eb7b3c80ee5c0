// Operands as pointers, rows as launches, steps as graphs.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "cuda/Programs.h"

#include <algorithm>
#include <set>

namespace kvasir::rt::cuda {

using artifact::Operand;
using artifact::OperandKind;

unsigned int Launch::grid(const Bucket &bucket) const {
  const artifact::Kernel &facts = *kernel->facts;
  uint64_t items = facts.items_constant() +
                   facts.items_per_token() * static_cast<uint64_t>(bucket.tokens) +
                   facts.items_per_row() * static_cast<uint64_t>(bucket.rows) +
                   facts.items_per_block() * static_cast<uint64_t>(bucket.blocks);
  return static_cast<unsigned int>(std::clamp<uint64_t>(items, 1, kernel->mostBlocks));
}

std::vector<DeviceProgram> resolvePrograms(const CudaDevice &device, const MemoryPlan &plan,
                                           CUdeviceptr weights, const DeviceLayout &layout,
                                           const StepBlock &block) {
  std::vector<DeviceProgram> programs;
  const ProgramList &sources = *device.source().programs();
  for (uint32_t i = 0; i < sources.size(); ++i) {
    const artifact::Program &source = *sources.Get(i);
    auto slot = [&](uint64_t index) { return layout.arena + plan.programs[i].slots[index].offset; };
    uint64_t counters = 0;
    auto pointer = [&](const Operand &operand) -> CUdeviceptr {
      switch (operand.kind()) {
      case OperandKind::slot:
        return slot(operand.index());
      case OperandKind::weight:
        return weights + plan.weightOffsets[operand.index()];
      case OperandKind::cache:
        return layout.kv + plan.cacheOffsets[operand.index()];
      case OperandKind::counter:
        break;
      }
      return block.counter(counters++);
    };
    DeviceProgram &program = programs.emplace_back();
    program.source = &source;
    program.logits = slot(source.logits_slot());
    program.stride = source.logits_stride();
    program.chosen =
        source.chosen_slot() < 0 ? 0 : slot(static_cast<uint64_t>(source.chosen_slot()));
    for (const artifact::Row *row : *source.rows()) {
      Launch &launch = program.launches.emplace_back();
      launch.kernel = &device.kernels()[row->function()];
      launch.parameters.push_back(block.arguments());
      for (uint32_t at = 0; row->operands() && at < row->operands()->size(); ++at)
        launch.parameters.push_back(pointer(*row->operands()->Get(at)));
    }
  }
  return programs;
}

std::vector<int32_t> bucketTokens(const artifact::Device &device, const MemoryPlan &plan) {
  std::set<int32_t> tokens = {plan.maxStepTokens};
  for (int32_t power = 1; power < plan.maxStepTokens; power *= 2)
    tokens.insert(power);
  for (const artifact::Program *program : *device.programs())
    if (program->max_tokens() != 0 &&
        program->max_tokens() < static_cast<uint32_t>(plan.maxStepTokens))
      tokens.insert(static_cast<int32_t>(program->max_tokens()));
  return {tokens.begin(), tokens.end()};
}

size_t programFor(const artifact::Device &device, int32_t tokens) {
  uint32_t program = 0;
  // One of them takes any step, which was checked when loading.
  while (device.programs()->Get(program)->max_tokens() != 0 &&
         device.programs()->Get(program)->max_tokens() < static_cast<uint32_t>(tokens))
    ++program;
  return program;
}

/// Of a node of a graph that is ready to run. CUDA does not say; who measured it found some 10 KB
/// (github.com/NVIDIA/cccl, pull request 3768).
static constexpr uint64_t nodeBytes = 16 << 10;

uint64_t graphBytes(const artifact::Device &device, const MemoryPlan &plan) {
  uint64_t nodes = 0;
  for (int32_t tokens : bucketTokens(device, plan)) {
    auto program = static_cast<uint32_t>(programFor(device, tokens));
    nodes += device.programs()->Get(program)->rows()->size() + 2; // copies at both ends
  }
  return nodes * nodeBytes;
}

namespace {
/// Nodes one after the other.
class Chain {
public:
  Chain(const CudaDevice &device, CUgraph graph) : device(device), graph(graph) {}

  Status addCopy(const CUDA_MEMCPY3D &copy);
  Status addKernel(const Launch &launch, const Bucket &bucket);

private:
  Status follow(CUgraphNode node, bool early);

  const CudaDevice &device;
  const CUgraph graph;
  CUgraphNode last = nullptr;
  bool lastIsKernel = false;
};
} // namespace

/// `early`: the node may start before the one before it has ended, and waits for that itself.
Status Chain::follow(CUgraphNode node, bool early) {
  CUgraphEdgeData edge = {};
  if (early) {
    edge.type = CU_GRAPH_DEPENDENCY_TYPE_PROGRAMMATIC;
    edge.from_port = CU_GRAPH_KERNEL_NODE_PORT_PROGRAMMATIC;
  }
  if (last)
    KVASIR_CUDA_TRY(device.context().driver(), cuGraphAddDependencies, graph, &last, &node, &edge,
                    1);
  last = node;
  return Status::ok();
}

Status Chain::addCopy(const CUDA_MEMCPY3D &copy) {
  CUgraphNode node = nullptr;
  KVASIR_CUDA_TRY(device.context().driver(), cuGraphAddMemcpyNode, &node, graph, nullptr, 0, &copy,
                  device.context().handle());
  lastIsKernel = false;
  return follow(node, /*early=*/false);
}

Status Chain::addKernel(const Launch &launch, const Bucket &bucket) {
  const artifact::Kernel &facts = *launch.kernel->facts;
  LaunchParameters parameters(launch);
  CUDA_KERNEL_NODE_PARAMS node = {};
  node.func = launch.kernel->function;
  node.gridDimX = launch.grid(bucket);
  node.blockDimX = facts.threads();
  node.gridDimY = node.gridDimZ = node.blockDimY = node.blockDimZ = 1;
  node.sharedMemBytes = facts.dynamic_shared();
  node.extra = parameters.extra();
  CUgraphNode added = nullptr;
  KVASIR_CUDA_TRY(device.context().driver(), cuGraphAddKernelNode, &added, graph, nullptr, 0,
                  &node);
  // Devices before 9.0 do not know of it. A kernel that waits for the one before it has, when it
  // ends, waited for all of them.
  bool early = lastIsKernel && facts.dependent() && device.capability().major >= 9;
  lastIsKernel = true;
  return follow(added, early);
}

static CUDA_MEMCPY3D copyOf(uint64_t bytes) {
  CUDA_MEMCPY3D copy = {};
  copy.WidthInBytes = copy.srcPitch = copy.dstPitch = bytes;
  copy.Height = copy.Depth = copy.srcHeight = copy.dstHeight = 1;
  return copy;
}

static Status fillGraph(Chain &chain, const DeviceProgram &program, const Bucket &bucket,
                        const MemoryPlan &plan, const StepBlock &block, int32_t *chosen) {
  CUDA_MEMCPY3D arguments = copyOf(StepBlock::bytes(plan, bucket));
  arguments.srcMemoryType = CU_MEMORYTYPE_HOST;
  arguments.srcHost = block.source();
  arguments.dstMemoryType = CU_MEMORYTYPE_DEVICE;
  arguments.dstDevice = block.place();
  if (Status s = chain.addCopy(arguments); !s)
    return s;
  for (const Launch &launch : program.launches)
    if (Status s = chain.addKernel(launch, bucket); !s)
      return s;
  if (!program.chosen)
    return Status::ok();
  CUDA_MEMCPY3D ids = copyOf(static_cast<uint64_t>(bucket.rows) * sizeof(int32_t));
  ids.srcMemoryType = CU_MEMORYTYPE_DEVICE;
  ids.srcDevice = program.chosen;
  ids.dstMemoryType = CU_MEMORYTYPE_HOST;
  ids.dstHost = chosen;
  return chain.addCopy(ids);
}

Result<GraphExec> buildGraph(const CudaDevice &device, const DeviceProgram &program,
                             const Bucket &bucket, const MemoryPlan &plan, const StepBlock &block,
                             int32_t *chosen) {
  const Context &context = device.context();
  CUgraph handle = nullptr;
  KVASIR_CUDA_TRY(context.driver(), cuGraphCreate, &handle, 0);
  Graph graph(context, handle);
  Chain chain(device, handle);
  if (Status s = fillGraph(chain, program, bucket, plan, block, chosen); !s)
    return s;
  CUgraphExec made = nullptr;
  KVASIR_CUDA_TRY(context.driver(), cuGraphInstantiate, &made, handle, 0);
  return GraphExec(context, made);
}

} // namespace kvasir::rt::cuda
