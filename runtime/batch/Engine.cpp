// Requests: submit, step, events.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "batch/Engine.h"

#include "support/Clock.h"
#include "support/FloatingPoint.h"

#include <algorithm>
#include <cmath>

namespace kvasir::rt {

Engine::Engine(std::shared_ptr<const Model> model, std::unique_ptr<StepRunner> step)
    : source(std::move(model)), runner(std::move(step)), scheduler(runner->plan(), runner->cache()),
      sampler(source->vocabSize()) {
  published.kv_pages_free = runner->plan().pages;
}

Result<std::shared_ptr<Engine>> Engine::create(std::shared_ptr<const Model> model,
                                               const EngineConfig &config) {
  auto runner = StepRunner::create(*model, config);
  if (!runner)
    return runner.status();
  return std::shared_ptr<Engine>(new Engine(std::move(model), std::move(*runner)));
}

Engine::~Engine() { (void)stop(); }

/// Checks what does not change while the engine lives, and settles
/// maxNewTokens.
Status Engine::prepare(RequestSpec &spec) const {
  int32_t vocabulary = source->vocabSize();
  int64_t prompt = static_cast<int64_t>(spec.prompt.size());
  int64_t context = plan().maxContext;
  if (prompt == 0)
    return error(Code::invalidArgument, "the prompt is empty, expected at least one id; start with "
                                        "the model's BOS");
  auto isId = [&](int32_t id) { return id >= 0 && id < vocabulary; };
  auto bad = std::find_if_not(spec.prompt.begin(), spec.prompt.end(), isId);
  if (bad != spec.prompt.end())
    return error(Code::outOfRange, format("id %d at position %td, but ids are in [0, %d)", *bad,
                                          bad - spec.prompt.begin(), vocabulary));
  if (spec.maxNewTokens < 0)
    return error(Code::invalidArgument,
                 format("max_new_tokens is %d, expected a number >= 0", spec.maxNewTokens));
  int64_t most = context - prompt;
  if (most < std::max(1, spec.maxNewTokens))
    return error(Code::outOfRange,
                 format("prompt of %lld tokens and %d new ones, but the "
                        "engine's context has %lld",
                        static_cast<long long>(prompt), std::max(1, spec.maxNewTokens),
                        static_cast<long long>(context)));
  // The last new token is reported but never enters the cache.
  auto pages = [&](int64_t added) {
    return scheduler.pagesNeeded(static_cast<int32_t>(prompt + added - 1));
  };
  int64_t have = runner->plan().pages;
  int64_t wanted = std::max(1, spec.maxNewTokens);
  if (pages(wanted) > have)
    return error(Code::resourceExhausted,
                 format("prompt of %lld tokens and %lld new ones need %d KV "
                        "pages of 64 tokens, but the engine has %lld",
                        static_cast<long long>(prompt), static_cast<long long>(wanted),
                        pages(wanted), static_cast<long long>(have)));
  if (spec.maxNewTokens == 0) {
    while (most > 1 && pages(most) > have)
      most = std::max<int64_t>(1, std::min(most - 1, have * 64 - prompt + 1));
    spec.maxNewTokens = static_cast<int32_t>(most);
    // Without a maximum of its own a request counts as long as the artifact admits, so that its
    // result does not depend on this engine's limits.
    spec.declaredTotal = static_cast<int32_t>(source->module().limits()->max_context());
  }
  for (int32_t id : spec.stopIds)
    if (!isId(id))
      return error(Code::outOfRange, format("stop id %d, but ids are in [0, "
                                            "%d)",
                                            id, vocabulary));
  return checkSampling(spec.sampling, vocabulary);
}

Result<uint64_t> Engine::submit(RequestSpec spec) {
  if (Status s = prepare(spec); !s)
    return s;
  std::vector<int32_t> eos;
  if (const auto *ids = source->module().model()->eos())
    eos.assign(ids->begin(), ids->end());
  uint64_t id;
  {
    std::lock_guard lock(state);
    id = ++lastRequest;
  }
  auto request =
      std::make_unique<Request>(id, std::move(spec), std::move(eos), source->tokenizer());
  std::lock_guard lock(state);
  inbox.push_back(std::move(request));
  workArrived.notify_one();
  return id;
}

void Engine::cancel(uint64_t request) {
  std::lock_guard lock(state);
  cancellations.push_back(request);
  workArrived.notify_one();
}

/// New requests and cancellations since the last step.
void Engine::intake() {
  std::vector<std::unique_ptr<Request>> arrived;
  std::vector<uint64_t> cancelled;
  {
    std::lock_guard lock(state);
    arrived.swap(inbox);
    cancelled.swap(cancellations);
  }
  // Numbers are given before requests are queued, so two threads that submit
  // together may arrive out of order.
  std::sort(arrived.begin(), arrived.end(),
            [](const auto &a, const auto &b) { return a->id < b->id; });
  for (auto &request : arrived)
    scheduler.enqueue(std::move(request));
  for (uint64_t id : cancelled)
    finish(id, KVASIR_FINISH_CANCELLED);
}

void Engine::finish(uint64_t id, kvasir_finish_reason reason) {
  std::unique_ptr<Request> request = scheduler.remove(id);
  if (!request)
    return;
  produced.push_back(request->finished(reason, now()));
  ++totals.finished;
}

void Engine::finishFailed() {
  ended.clear();
  for (const auto &request : scheduler.running())
    if (!request->failure)
      ended.emplace_back(request->id, KVASIR_FINISH_ERROR);
  for (auto [id, reason] : ended)
    finish(id, reason);
}

/// False when nothing is due.
bool Engine::buildStep() {
  scheduler.schedule();
  finishFailed();
  StepBuilder &builder = runner->builder();
  builder.clear();
  bool any = false;
  double time = now();
  for (const auto &request : scheduler.running()) {
    if (request->scheduled == 0)
      continue;
    any = true;
    request->noteStarted(time);
    bool last = request->scheduled == request->pending();
    builder.add(request->cached, request->nextTokens(), last ? KVASIR_ROWS_LAST : KVASIR_ROWS_NONE,
                readsLogits(request->spec.sampling));
    bool decodes = last && request->scheduled == 1 && request->newTokens() > 0;
    (decodes ? totals.decode_tokens : totals.prompt_tokens) += request->scheduled;
  }
  return any;
}

Result<StepResult> Engine::runStep(bool decodeOnly) {
  double begin = now();
  Result<StepResult> result = runner->run();
  double seconds = now() - begin;
  ++totals.steps;
  totals.compute_seconds += seconds;
  if (decodeOnly)
    totals.decode_seconds += seconds;
  return result;
}

void Engine::chooseToken(Request &request, const StepResult &result, size_t row) {
  std::vector<kvasir_logprob> top;
  uint64_t index = static_cast<uint64_t>(request.newTokens());
  const SamplingOptions &options = request.spec.sampling;
  Result<Choice> choice = result.chosen && !readsLogits(options)
                              ? chosenAlready(result.chosen[row], source->vocabSize())
                              : sampler.choose(result.logits + result.stride * row, options,
                                               request.tokens, index, top);
  if (!choice) {
    request.failure = choice.status();
    ended.emplace_back(request.id, KVASIR_FINISH_ERROR);
    return;
  }
  Event event;
  event.kind = KVASIR_EVENT_TOKEN;
  event.request = request.id;
  event.user = request.spec.user;
  event.id = choice->id;
  event.index = static_cast<int32_t>(index);
  event.logprob = choice->logprob;
  event.top = std::move(top);
  kvasir_finish_reason reason = request.accept(choice->id, now(), event.text);
  produced.push_back(std::move(event));
  ++totals.new_tokens;
  if (reason != KVASIR_FINISH_NONE)
    ended.emplace_back(request.id, reason);
}

void Engine::chooseTokens(const StepResult &result) {
  ended.clear();
  size_t row = 0;
  for (const auto &request : scheduler.running()) {
    if (request->scheduled == 0)
      continue;
    bool last = request->scheduled == request->pending();
    request->cached.advance(runner->cache(), request->cached.length() + request->scheduled);
    request->scheduled = 0;
    if (last)
      chooseToken(*request, result, row++);
  }
  for (auto [id, reason] : ended)
    finish(id, reason);
}

void Engine::publish() {
  const PagePool &pages = runner->cache().pages();
  totals.preemptions = scheduler.preemptions();
  totals.running = static_cast<int32_t>(scheduler.running().size());
  totals.waiting = static_cast<int32_t>(scheduler.waiting());
  totals.kv_pages_used = pages.used();
  totals.kv_pages_free = pages.free();
  totals.kv_pages_peak = pages.peak();
  std::lock_guard lock(state);
  published = totals;
  for (Event &event : produced)
    events.push_back(std::move(event));
  produced.clear();
  if (!events.empty())
    eventArrived.notify_all();
}

Status Engine::stepUnlocked(bool &more) {
  FloatingPointScope floatingPoint; // sampling computes too
  double begin = now(), computed = totals.compute_seconds;
  uint64_t promptTokens = totals.prompt_tokens;
  intake();
  if (buildStep()) {
    Result<StepResult> result = runStep(totals.prompt_tokens == promptTokens);
    if (!result) {
      publish(); // who was cancelled or refused before the step is told
      return result.status();
    }
    chooseTokens(*result);
  }
  totals.host_seconds += now() - begin - (totals.compute_seconds - computed);
  publish();
  std::lock_guard lock(state);
  more = !scheduler.idle() || !inbox.empty() || !cancellations.empty();
  return Status::ok();
}

Status Engine::step(bool &more) {
  {
    std::lock_guard lock(state);
    if (helping)
      return error(Code::invalidArgument,
                   "the helper thread is stepping this engine; stop it first");
  }
  std::lock_guard lock(stepping);
  return stepUnlocked(more);
}

const Event &Engine::poll() {
  std::lock_guard lock(state);
  polled = Event();
  if (!events.empty()) {
    polled = std::move(events.front());
    events.pop_front();
  }
  return polled;
}

bool Engine::wait(double seconds) {
  std::unique_lock lock(state);
  auto ready = [&] { return !events.empty(); };
  if (!(seconds > 0))
    return ready();
  // A year is for ever, and does not overflow the clock.
  auto span = std::chrono::duration<double>(std::min(seconds, 3.2e7));
  return eventArrived.wait_for(lock, std::chrono::duration_cast<std::chrono::nanoseconds>(span),
                               ready);
}

void Engine::help() {
  bool more = true;
  while (true) {
    {
      std::unique_lock lock(state);
      workArrived.wait(
          lock, [&] { return stopHelper || more || !inbox.empty() || !cancellations.empty(); });
      if (stopHelper)
        return;
    }
    Status status;
    try {
      std::lock_guard lock(stepping);
      status = stepUnlocked(more);
    } catch (const std::bad_alloc &) {
      status = error(Code::resourceExhausted, "out of memory in a step");
    }
    if (status)
      continue;
    std::lock_guard lock(state);
    helperFailure = status;
    eventArrived.notify_all();
    return;
  }
}

Status Engine::start() {
  std::lock_guard lock(state);
  if (helping)
    return error(Code::invalidArgument, "the helper thread runs already");
  stopHelper = false;
  helperFailure = Status::ok();
  try {
    helper = std::thread([this] { help(); });
  } catch (const std::system_error &) {
    return error(Code::resourceExhausted, "cannot start the helper thread");
  }
  helping = true;
  return Status::ok();
}

Status Engine::stop() {
  std::thread ending;
  {
    std::lock_guard lock(state);
    ending.swap(helper);
    stopHelper = true;
    workArrived.notify_all();
  }
  if (!ending.joinable())
    return Status::ok();
  ending.join();
  std::lock_guard lock(state);
  helping = false;
  return helperFailure;
}

void Engine::fillStats(kvasir_engine_stats &stats) {
  std::lock_guard lock(state);
  size_t size = stats.struct_size;
  stats = published;
  stats.struct_size = size;
  stats.waiting += static_cast<int32_t>(inbox.size());
}

} // namespace kvasir::rt
