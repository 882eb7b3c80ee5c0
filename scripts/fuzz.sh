#!/usr/bin/env bash
# Fuzzes everything that reads a file: builds the libFuzzer programs with sanitizers into build/fuzz and runs each.
#   scripts/fuzz.sh [SECONDS=60] [TARGET...]    targets: artifact config gguf safetensors tokenizer-json tokenizer-table
# Fails if there is a finding; the input is then in build/fuzz/findings, the log in build/fuzz/work/TARGET.log.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-60}
shift || true
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=(artifact config gguf safetensors tokenizer-json tokenizer-table)
build=${KVASIR_FUZZ_BUILD:-build/fuzz}
corpus=test/fuzz/corpus
case $seconds in '' | *[!0-9]*) echo "usage: scripts/fuzz.sh [SECONDS] [TARGET...]" >&2 && exit 2 ;; esac
for target in "${targets[@]}"; do
  [ -d "$corpus/$target" ] || { echo "unknown target $target; there are: $(ls $corpus | xargs)" >&2; exit 2; }
done

llvm=/usr/lib/llvm-22
if [ ! -f "$build/build.ninja" ]; then
  scripts/setup.sh --no-build
  cmake -G Ninja -S . -B "$build" -DKVASIR_FUZZ=ON -DKVASIR_BUILD_RUNTIME_TESTS=ON -DCMAKE_PREFIX_PATH=$llvm \
    -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_FLAGS_RELEASE=-O1 -DCMAKE_C_FLAGS_RELEASE=-O1 \
    -DCMAKE_C_COMPILER=$llvm/bin/clang -DCMAKE_CXX_COMPILER=$llvm/bin/clang++ \
    -DCMAKE_EXE_LINKER_FLAGS=-fuse-ld=lld -DCMAKE_SHARED_LINKER_FLAGS=-fuse-ld=lld >/dev/null
fi
cmake --build "$build" --target "${targets[@]/#/kvasir-fuzz-}" >"$build/build.log" || { tail -40 "$build/build.log"; exit 1; }

# libMLIR is not instrumented: containers that it fills look overflown.
export ASAN_OPTIONS=detect_container_overflow=0${ASAN_OPTIONS:+:$ASAN_OPTIONS}
export ASAN_SYMBOLIZER_PATH=$llvm/bin/llvm-symbolizer
mkdir -p "$build/findings"
failed=0
for target in "${targets[@]}"; do
  work=$build/work/$target
  rm -rf "$work" && mkdir -p "$work"
  inputs=("$work" "$corpus/$target")
  [ -d "$build/fuzz-seeds/$target" ] && inputs+=("$build/fuzz-seeds/$target")
  if "$build/bin/kvasir-fuzz-$target" -max_total_time="$seconds" -max_len=65536 -timeout=20 -rss_limit_mb=3000 \
    -artifact_prefix="$build/findings/$target-" -print_final_stats=1 "${inputs[@]}" >"$work.log" 2>&1; then
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$work.log")
    echo "PASS: $target: $runs runs in $seconds s, no finding"
  else
    grep -vE '^(#[0-9]+\s+(NEW|REDUCE|pulse|INITED|RELOAD)|INFO)' "$work.log" | tail -60
    echo "FAIL: $target: see $work.log and $build/findings"
    failed=$((failed + 1))
  fi
done
echo "$((${#targets[@]} - failed)) passed, $failed failed"
[ "$failed" = 0 ]
