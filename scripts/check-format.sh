#!/usr/bin/env bash
# Checks that all C and C++ sources are formatted (.clang-format); with --fix, formats them.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
set -euo pipefail
cd "$(dirname "$0")/.."
mode=(--dry-run --Werror)
[ "${1:-}" = --fix ] && mode=(-i)
git ls-files -z '*.c' '*.h' '*.cpp' | xargs -0 -r clang-format-22 "${mode[@]}"
