// The SIMT machine: threads of one block at a time are fibers of a worker; shared memory, barriers
// and copies are the block's. Linked into code objects: no C++ library, no globals.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_RUNTIME_EMULATOR_MACHINE_H
#define KVASIR_RUNTIME_EMULATOR_MACHINE_H

#include "emulator/GlobalShadow.h"
#include "emulator/Shadow.h"
#include "kvasir-c/checked.h"
#include "kvasir/Target/Emulator/Calls.h"

#include <boost/context/detail/fcontext.hpp>

namespace kvasir::emulator {

inline constexpr uint32_t warpSize = 32, maxThreads = 1024, maxWarps = maxThreads / warpSize;
inline constexpr uint32_t noThread = ~0u;

class Machine;

enum class State : uint8_t { ready, atBarrier, atWarp, done };

/// A copy that cp.async has begun.
struct PendingCopy {
  uint32_t target;      // offset in shared memory
  uint32_t bytes;       // written: those after sourceBytes are zero
  uint32_t sourceBytes; // read
  uint32_t group;       // ordinal of the group that it was committed to, or of the open one
  const unsigned char *source;
};

/// What a lane brings to an operation of its warp, and takes away.
struct Exchange {
  uint64_t in[12];
  uint64_t out[4];
};

/// How far a fence of a thread reaches back: to accesses of the block before time `all`, and its
/// own before time `own`. 0: there was none.
struct Released {
  uint32_t all, own;
};

class Thread {
public:
  Machine *machine;
  uint32_t index; // in the block
  uint32_t id[3];
  State state;
  bool sawGridDependency;
  bool performs;       // an operation of its warp, although it did not come last
  const char *waitsAt; // the op, while it waits
  uint32_t waitMask;   // lanes that it waits for
  uint32_t barrierResult;
  boost::context::detail::fcontext_t context;
  Exchange exchange;
  // Copies in flight, in the order in which they were issued.
  PendingCopy *copies;
  uint32_t copyCount;
  uint32_t openGroup; // copies not yet committed belong to it
  // Handshakes with other blocks, by slot of GlobalShadow.
  Released released;      // by its last fence
  uint64_t observedSlots; // read atomically since its last fence
  uint64_t acquiredSlots; // to be taken over before it does anything else

  uint32_t lane() const { return index % warpSize; }
  uint32_t warp() const { return index / warpSize; }
};

/// A set of the block's threads.
struct ThreadSet {
  uint32_t lanes[maxWarps]; // by warp
  uint32_t count;

  bool contains(uint32_t thread) const {
    return lanes[thread / warpSize] >> (thread % warpSize) & 1;
  }
  void add(uint32_t thread) {
    lanes[thread / warpSize] |= 1u << (thread % warpSize);
    ++count;
  }
};

/// One of the block's sixteen barriers while threads arrive.
struct Barrier {
  const char *where; // op of the first thread
  uint32_t expected; // threads; 0: nobody has arrived
  bool wholeBlock;
  uint32_t count, all, any; // of the predicates
  ThreadSet arrived;        // all that count
  ThreadSet waiting;        // those that wait
};

/// Lanes of a warp that wait for the others in front of one operation.
struct Gathering {
  const char *where;
  uint32_t mask, arrived;
};

/// What the block that runs knows of others of its launch.
struct BlockOrder {
  uint32_t base, unit; // the launch's first unit, and the block's
  uint32_t startTime;
  bool acquired; // something was taken over
  bool pending;  // what threads that have `sees` know is in `latest`; all know `known`
  uint32_t sees[maxWarps];
  Knowledge known[maxFollowed], latest[maxFollowed];
};

/// An access of global memory that kernels can write.
struct RaceSite {
  uint32_t what, operand;
  uint64_t offset;
  const char *where;
  uint32_t firstUnit; // of those whose writes count as values; 0: it has values anyway
};

struct CellPage {
  uint64_t number;
  Cell *cells;
};
inline constexpr uint32_t cellPageCount = 64;

/// What a worker has of an engine's memory: one block at a time.
class Machine {
public:
  class Engine *engine;
  // The launch.
  const Kernel *kernel;
  const kvasir_step_args *args;
  void *const *operands;
  const kvasir_operand_extent *extents;
  // The block.
  uint32_t blockId[3];
  uint32_t grid[3]; // of the launch
  uint32_t threadCount, warpCount;
  uint32_t running; // index of the thread that runs
  uint32_t live;
  bool stopped; // something was found; nobody runs any more
  bool sawGridDependency;
  Thread *threads;
  uint32_t ready[maxWarps];
  uint32_t exited[maxWarps];
  Gathering gatherings[maxWarps][warpSize];
  uint32_t gatheringCount[maxWarps];
  Barrier barriers[16];
  unsigned char *shared;
  uint32_t sharedBytes;
  Shadow shadow;
  BlockOrder order;
  uint32_t followed;                 // blocks of the launch whose handshakes are
  CellPage cellPages[cellPageCount]; // found lately
  boost::context::detail::fcontext_t scheduler;
  unsigned char *stacks;

  void launch(const Kernel &which, const kvasir_step_args *step, void *const *pointers,
              int32_t worker, int32_t workers);
  /// Leaves the running thread to wait; it comes back when someone makes it ready.
  void suspend(Thread &thread);
  void wake(Thread &thread);
  /// Reports what `thread` did wrong in op `where` and stops the block.
  [[noreturn, gnu::format(printf, 4, 5)]] void fail(const Thread &thread, const char *where,
                                                    const char *pattern, ...);
  /// Where the bytes are on the host, after all checks.
  unsigned char *access(Thread &thread, uint64_t address, uint32_t bytes, uint32_t what,
                        const char *where);
  /// The same for shared memory by its offset, on behalf of any thread of the block.
  unsigned char *accessShared(Thread &thread, uint64_t offset, uint32_t bytes, uint32_t what,
                              const char *where);
  /// Checks a range of global memory.
  void checkGlobal(Thread &thread, uint64_t address, uint32_t bytes, uint32_t what,
                   const char *where);
  /// Reports a race of an access to memory that kernels can write.
  void checkRace(Thread &thread, uint64_t address, uint32_t bytes, RaceSite site);
  /// The first unit that can have written values of the operand. Reports a page without any.
  uint32_t valuesSince(Thread &thread, const RaceSite &site);
  /// A barrier has completed: of the whole block, or of some threads as in Shadow.
  void synchronizeBlock();
  void synchronize(const ThreadSet &arrived, const ThreadSet &waiting);

private:
  void startBuffers();
  void startOrder(uint32_t block);
  void noteAtomic(Thread &thread, uint64_t address, uint32_t what);
  Cell *cellsOf(uint64_t address);
  uint64_t chooseGrid();
  void runBlocks(uint64_t blocks, int32_t worker, int32_t workers);
  void runBlock(uint64_t number);
  void startThreads();
  void schedule();
  void reportStall();
};

/// Takes over what the thread has acquired; before it does anything else.
void settle(Thread &thread);

/// Arrives at an operation of the lanes in `mask`. True in the lane that came last, which performs
/// it for all and then calls `release`; others return when that is done.
bool gather(Thread &thread, uint32_t mask, const char *where);
void release(Thread &thread, uint32_t mask);
/// After a thread has returned: lanes that wait need not wait for it.
void leaveWarp(Thread &thread);
/// Reports lanes that are missing where all must take part.
void requireFullWarp(Thread &thread, const char *where);

/// The memory of all workers of an engine, and the first finding.
class Engine {
public:
  static Engine *create(int32_t workers);
  void destroy();

  int32_t workers;
  uint64_t mapped; // bytes of the one mapping that holds everything, this object first
  int32_t found;   // atomic: 0 none, 1 being written, 2 there
  char message[1024];
  const kvasir_checked_memory *memories; // of the step
  GlobalShadow global;
  Machine machines[1]; // [workers]
};

} // namespace kvasir::emulator

#endif // KVASIR_RUNTIME_EMULATOR_MACHINE_H
