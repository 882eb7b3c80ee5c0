/* The public headers alone, as C99 without extensions.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
#include "kvasir-c/kvasir.h"

#include "kvasir-c/abi.h"

int kvasirHeaderCompiles(void);
int kvasirHeaderCompiles(void) { return sizeof(kvasir_event) > 0; }
