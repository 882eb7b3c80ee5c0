// Taking what the plan says, and running steps.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "cuda/CudaExecutor.h"

#include <algorithm>

namespace kvasir::rt::cuda {

Result<std::unique_ptr<StepExecutor>>
CudaExecutor::create(const CudaDevice &device, const MemoryPlan &plan, const EngineConfig &config) {
  std::unique_ptr<CudaExecutor> made(new CudaExecutor(device, plan));
  Current current(device.context());
  Status status = current.status();
  if (status)
    status = made->takeMemory();
  if (status)
    status = made->takeWeights(config);
  if (status)
    status = made->prepare(config);
  if (!status)
    return error(status.code(), "engine" + plan.place + ": " + status.message());
  return std::unique_ptr<StepExecutor>(std::move(made));
}

CudaExecutor::~CudaExecutor() {
  if (!stream.get())
    return;
  Current current(device.context());
  if (current.status())
    (void)device.context().driver().cuStreamSynchronize(stream.get());
}

Status CudaExecutor::takeMemory() {
  const Context &context = device.context();
  Result<DeviceMemory> all = takeDeviceMemory(context, plan.ownBytes());
  if (!all)
    return all.status();
  memory = std::move(*all);
  layout.emplace(plan, memory.get());
  Result<PinnedMemory> pinned = takePinnedMemory(context, plan.hostBytes);
  if (!pinned)
    return pinned.status();
  host = std::move(*pinned);
  auto *start = static_cast<unsigned char *>(host.get());
  block.emplace(plan, start, layout->step);
  logits = reinterpret_cast<float *>(start + plan.stepBytes);
  chosen = reinterpret_cast<int32_t *>(start + plan.hostBytes) - plan.maxLogitRows;
  Result<Stream> made = createStream(context);
  if (!made)
    return made.status();
  stream = std::move(*made);
  return Status::ok();
}

Status CudaExecutor::takeWeights(const EngineConfig &config) {
  auto taken = device.weights().take(device.context(), device.file(), plan, config.progress);
  if (!taken)
    return taken.status();
  weights = std::move(*taken);
  return Status::ok();
}

Status CudaExecutor::prepare(const EngineConfig &config) {
  const Driver &driver = device.context().driver();
  KVASIR_CUDA_TRY(driver, cuMemsetD8Async, layout->arena, 0, plan.arenaBytes, stream.get());
  programs = resolvePrograms(device, plan, weights->get(), *layout, *block);
  for (int32_t tokens : bucketTokens(device.source(), plan))
    if (Status s = addBucket(tokens, config.profile); !s)
      return s;
  if (config.profile)
    if (Status s = prepareProfile(); !s)
      return s;
  KVASIR_CUDA_TRY(driver, cuStreamSynchronize, stream.get());
  return Status::ok();
}

Status CudaExecutor::prepareProfile() {
  size_t most = 0;
  for (const DeviceProgram &program : programs) {
    profiles.emplace_back().rows.resize(program.launches.size());
    most = std::max(most, program.launches.size());
  }
  while (events.size() <= most) {
    Result<Event> event = createEvent(device.context(), CU_EVENT_DEFAULT);
    if (!event)
      return event.status();
    events.push_back(std::move(*event));
  }
  return Status::ok();
}

Status CudaExecutor::addBucket(int32_t tokens, bool profile) {
  size_t program = programFor(device.source(), tokens);
  BucketGraph made = {Bucket(plan, tokens), program, {}};
  if (!profile) {
    auto graph = buildGraph(device, programs[program], made.bucket, plan, *block, chosen);
    if (!graph)
      return graph.status();
    made.graph = std::move(*graph);
    // Now, and not by the first step.
    KVASIR_CUDA_TRY(device.context().driver(), cuGraphUpload, made.graph.get(), stream.get());
  }
  graphs.push_back(std::move(made));
  return Status::ok();
}

Result<StepResult> CudaExecutor::run(const Step &step) {
  if (!failure)
    return failure;
  Current current(device.context());
  if (failure = current.status(); !failure)
    return failure;
  auto graph = std::find_if(graphs.begin(), graphs.end(), [&](const BucketGraph &candidate) {
    return candidate.bucket.tokens >= step.args.tokens;
  });
  assert(graph != graphs.end() && "the last bucket has the most tokens of a step");
  block->fill(step.args);
  Status status = enqueue(*graph, step);
  if (status)
    status = device.context().driver().check(
        device.context().driver().cuStreamSynchronize(stream.get()), "cuStreamSynchronize");
  if (status && !profiles.empty())
    status = addTimes(graph->program);
  if (!status) {
    failure = error(status.code(), format("step of %d tokens%s: %s", step.args.tokens,
                                          plan.place.c_str(), status.message().c_str()));
    return failure;
  }
  const DeviceProgram &program = programs[graph->program];
  return StepResult{logits, program.stride, program.chosen ? chosen : nullptr};
}

Status CudaExecutor::enqueue(const BucketGraph &graph, const Step &step) {
  if (!profiles.empty()) {
    if (Status s = launchOneByOne(graph); !s)
      return s;
  } else {
    KVASIR_CUDA_TRY(device.context().driver(), cuGraphLaunch, graph.graph.get(), stream.get());
  }
  return copyRows(programs[graph.program], step);
}

/// What the graph does, with an event before and after each kernel.
Status CudaExecutor::launchOneByOne(const BucketGraph &graph) {
  const Driver &driver = device.context().driver();
  const DeviceProgram &program = programs[graph.program];
  KVASIR_CUDA_TRY(driver, cuMemcpyHtoDAsync, block->place(), block->source(),
                  StepBlock::bytes(plan, graph.bucket), stream.get());
  KVASIR_CUDA_TRY(driver, cuEventRecord, events[0].get(), stream.get());
  for (size_t i = 0; i < program.launches.size(); ++i) {
    const Launch &launch = program.launches[i];
    const artifact::Kernel &facts = *launch.kernel->facts;
    LaunchParameters parameters(launch);
    KVASIR_CUDA_TRY(driver, cuLaunchKernel, launch.kernel->function, launch.grid(graph.bucket), 1,
                    1, facts.threads(), 1, 1, facts.dynamic_shared(), stream.get(), nullptr,
                    parameters.extra());
    KVASIR_CUDA_TRY(driver, cuEventRecord, events[i + 1].get(), stream.get());
  }
  if (program.chosen)
    KVASIR_CUDA_TRY(driver, cuMemcpyDtoHAsync, chosen, program.chosen,
                    static_cast<size_t>(graph.bucket.rows) * sizeof(int32_t), stream.get());
  return Status::ok();
}

/// Rows that the host reads, each to its own place; neighbours together.
Status CudaExecutor::copyRows(const DeviceProgram &program, const Step &step) {
  auto copy = [&](size_t first, size_t count) {
    size_t rowBytes = program.stride * sizeof(float);
    KVASIR_CUDA_TRY(device.context().driver(), cuMemcpyDtoHAsync, logits + first * program.stride,
                    program.logits + first * rowBytes, count * rowBytes, stream.get());
    return Status::ok();
  };
  if (!program.chosen)
    return step.args.rows ? copy(0, static_cast<size_t>(step.args.rows)) : Status::ok();
  for (size_t i = 0; i < step.rows.size();) {
    size_t end = i + 1;
    while (end < step.rows.size() && step.rows[end] == step.rows[end - 1] + 1)
      ++end;
    if (Status s = copy(static_cast<size_t>(step.rows[i]), end - i); !s)
      return s;
    i = end;
  }
  return Status::ok();
}

Status CudaExecutor::addTimes(size_t program) {
  std::vector<kvasir_profile_row> &rows = profiles[program].rows;
  for (size_t i = 0; i < rows.size(); ++i) {
    float milliseconds = 0;
    KVASIR_CUDA_TRY(device.context().driver(), cuEventElapsedTime, &milliseconds, events[i].get(),
                    events[i + 1].get());
    rows[i].seconds += static_cast<double>(milliseconds) * 1e-3;
    rows[i].calls += 1;
  }
  return Status::ok();
}

void CudaExecutor::poisonPage(int32_t page) {
  Current current(device.context());
  const auto *caches = device.module().caches();
  for (uint32_t i = 0; failure && caches && i < caches->size(); ++i) {
    uint64_t bytes = caches->Get(i)->page_bytes();
    CUdeviceptr place = layout->kv + plan.cacheOffsets[i] + bytes * static_cast<uint64_t>(page);
    const Driver &driver = device.context().driver();
    failure =
        driver.check(driver.cuMemsetD8Async(place, 0xff, bytes, stream.get()), "cuMemsetD8Async");
  }
}

} // namespace kvasir::rt::cuda
