/* What a library made by `kvasir compile --emit lib` has besides kvasir.h, under a prefix of its
 * own. SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
#ifndef KVASIR_C_EMBEDDED_H
#define KVASIR_C_EMBEDDED_H

#include <kvasir-c/kvasir.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Loads the model that is in this library, like kvasir_model_load without a path. Every call makes
 * a model of its own: load it once and share it (kvasir_model_retain). The library's file has to
 * stay where it is until the call has returned. */
KVASIR_API kvasir_error *kvasir_load(const kvasir_model_options *options, kvasir_model **model);

#ifdef __cplusplus
}
#endif

#endif /* KVASIR_C_EMBEDDED_H */
