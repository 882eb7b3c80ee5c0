// Special registers.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "emulator/Machine.h"

using namespace kvasir::emulator;

static uint32_t blockRegister(const Thread &thread, uint32_t which) {
  const Machine &machine = *thread.machine;
  const Kernel &kernel = *machine.kernel;
  const uint32_t *groups[] = {thread.id, kernel.block, machine.blockId, machine.grid};
  return groups[which / 3][which % 3];
}

extern "C" uint32_t kvasir_emu_register(Thread *thread, uint32_t which) {
  uint32_t lane = thread->lane(), own = 1u << lane;
  const Machine &machine = *thread->machine;
  switch (Register(which)) {
  case Register::lane:
    return lane;
  case Register::warp:
    return thread->warp();
  case Register::warps:
    return machine.warpCount;
  case Register::warpSize:
    return warpSize;
  case Register::maskEqual:
    return own;
  case Register::maskLess:
    return own - 1;
  case Register::maskLessEqual:
    return own | (own - 1);
  case Register::maskGreater:
    return ~(own | (own - 1));
  case Register::maskGreaterEqual:
    return ~(own - 1);
  case Register::dynamicShared:
    return machine.kernel->dynamicShared;
  case Register::staticAndDynamicShared:
    return machine.sharedBytes;
  default:
    return blockRegister(*thread, which);
  }
}
