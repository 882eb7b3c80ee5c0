#!/usr/bin/env bash
# clang-tidy over the runtime (default) or the given sources; needs build/compile_commands.json.
# Sources that include MLIR take half a minute each, so they are checked on request.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
set -euo pipefail
cd "$(dirname "$0")/.."
if [ $# -gt 0 ]; then sources=("$@"); else mapfile -t sources < <(git ls-files 'runtime/*.cpp'); fi
printf '%s\0' "${sources[@]}" |
  xargs -0 -n 4 -P "$(nproc)" clang-tidy-22 -p build --quiet 2> >(grep -v 'warnings generated' >&2)
