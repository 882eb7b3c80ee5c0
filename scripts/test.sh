#!/usr/bin/env bash
# Sets everything up and runs every test; the last line counts what passed, failed and was skipped.
#   scripts/test.sh [--quick]     --quick leaves out the sanitizer builds and the replay of fuzzers
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
set -uo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh || exit 1

quick=${1:-}
results=build/test-results
rm -rf $results && mkdir -p $results
jobs=$(nproc)


# A step that is one test: it passes if the command does.
step() { # name, command...
  local name=$1
  shift
  if "$@" >"$results/$name.log" 2>&1; then
    echo "PASS: $name"
    echo pass >>"$results/steps"
  else
    tail -40 "$results/$name.log"
    echo "FAIL: $name (all of it: $results/$name.log)"
    echo fail >>"$results/steps"
  fi
}

# A suite of CTest; its results are counted one by one.
suite() { # name, build directory, ctest arguments...
  local name=$1 directory=$2
  shift 2
  ctest --test-dir "$directory" -j "$jobs" --output-on-failure --output-junit "$PWD/$results/$name.xml" \
    "$@" >"$results/$name.log" 2>&1 || grep -vE '^ *[0-9]+/[0-9]+ .*Passed' "$results/$name.log" | tail -80
}

# The runtime alone, with sanitizers, and its tests.
sanitized() { # sanitizer+sanitizer...
  local directory=build/runtime-$1
  cmake -G Ninja -S runtime -B "$directory" -DKVASIR_SANITIZE="${1//+/;}" -DCMAKE_BUILD_TYPE=RelWithDebInfo \
    -DCMAKE_C_COMPILER=/usr/lib/llvm-22/bin/clang -DCMAKE_CXX_COMPILER=/usr/lib/llvm-22/bin/clang++ \
    -DCMAKE_EXE_LINKER_FLAGS=-fuse-ld=lld -DCMAKE_SHARED_LINKER_FLAGS=-fuse-ld=lld &&
    cmake --build "$directory"
}

/usr/lib/llvm-22/bin/lit -sv -j "$jobs" --xunit-xml-output=$results/lit.xml build/test || true
suite ctest build -E '^lit$'
step format scripts/check-format.sh
step tidy scripts/check-tidy.sh
if [ "$quick" != --quick ]; then
  for sanitizer in address+undefined thread; do
    step "build-runtime-$sanitizer" sanitized $sanitizer
    suite "runtime-$sanitizer" build/runtime-$sanitizer
  done
fi
exec python3 scripts/count-tests.py $results
