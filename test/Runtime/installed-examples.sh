#!/bin/sh
# Installs the runtime into an empty tree, builds the examples from there with find_package and with
# pkg-config, and compares what they print with the reference.
#   installed-examples.sh BUILD_DIR TOY_ARTIFACT_PROGRAM CC CXX
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
set -eu
build=$1 toy=$2 cc=$3 cxx=$4
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cmake --install "$build" --prefix "$work/tree" --component runtime >"$work/log"
# Moved, to show that nothing remembers where it was installed.
mv "$work/tree" "$work/moved"

expect() { # name, expected, command...
  name=$1 expected=$2
  shift 2
  got=$("$@")
  [ "$got" = "$expected" ] || { echo "$name: expected '$expected', but got '$got'"; exit 1; }
  echo "$name: ok"
}
generated=$("$toy" "$work/toy.kvasir" generate 20 5 6 7)
scored=$("$toy" "$work/toy.kvasir" score 9 8 7 6)

cmake -S "$here/examples" -B "$work/cmake" -DCMAKE_PREFIX_PATH="$work/moved" -DCMAKE_C_COMPILER="$cc" \
  -DCMAKE_CXX_COMPILER="$cxx" >>"$work/log"
cmake --build "$work/cmake" >>"$work/log"
expect "find_package, C" "$generated" "$work/cmake/generate" "$work/toy.kvasir" 20 5 6 7
expect "find_package, C++" "$scored" "$work/cmake/score" "$work/toy.kvasir" 9 8 7 6

PKG_CONFIG_PATH=$(dirname "$(find "$work/moved" -name kvasir.pc)")
export PKG_CONFIG_PATH
libraries=$(pkg-config --variable=libdir kvasir)
"$cc" -std=c99 -Wall -Wextra -pedantic -Werror "$here/examples/generate.c" -o "$work/generate" \
  $(pkg-config --cflags --libs kvasir)
"$cxx" -std=c++17 -Wall -Wextra -Werror "$here/examples/score.cpp" -o "$work/score" $(pkg-config --cflags --libs kvasir)
LD_LIBRARY_PATH=$libraries
export LD_LIBRARY_PATH
expect "pkg-config, C99" "$generated" "$work/generate" "$work/toy.kvasir" 20 5 6 7
expect "pkg-config, C++" "$scored" "$work/score" "$work/toy.kvasir" 9 8 7 6

others=$(nm -D --defined-only "$libraries/libkvasir.so" | awk '$3 !~ /^kvasir_/ {print $3}')
[ -z "$others" ] || { echo "symbols that should be hidden: $others"; exit 1; }
echo "symbols: ok"
