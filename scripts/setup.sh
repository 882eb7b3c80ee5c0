#!/usr/bin/env bash
# Installs every dependency that is missing (Debian 12 packages) and builds everything into build/.
# Can be run again at any time. Options: --no-build (only install).
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
set -euo pipefail
cd "$(dirname "$0")/.."

packages=(
  cmake ninja-build ccache pkg-config python3 git
  clang-22 lld-22 clang-format-22 clang-tidy-22 libclang-rt-22-dev
  libmlir-22-dev mlir-22-tools llvm-22-dev llvm-22-tools liblld-22-dev
  libflatbuffers-dev flatbuffers-compiler nlohmann-json3-dev libcli11-dev
  libpcre2-dev libutf8proc-dev libxxhash-dev libgtest-dev libboost-context-dev
)

missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
  echo "installing ${missing[*]}"
  sudo=()
  [ "$(id -u)" = 0 ] || sudo=(sudo)
  export DEBIAN_FRONTEND=noninteractive
  "${sudo[@]}" apt-get update -qq
  "${sudo[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi
[ "${1:-}" = --no-build ] && exit 0

llvm=/usr/lib/llvm-22
if [ ! -f build/build.ninja ]; then
  cmake -G Ninja -S . -B build -DCMAKE_BUILD_TYPE=Release -DCMAKE_PREFIX_PATH=$llvm \
    -DCMAKE_C_COMPILER=$llvm/bin/clang -DCMAKE_CXX_COMPILER=$llvm/bin/clang++ \
    -DCMAKE_EXE_LINKER_FLAGS=-fuse-ld=lld -DCMAKE_SHARED_LINKER_FLAGS=-fuse-ld=lld \
    -DKVASIR_BUILD_RUNTIME_TESTS=ON >build-configure.log ||
    { cat build-configure.log; exit 1; }
  mv build-configure.log build/configure.log
fi
# Checkouts in several places share what the compiler cache knows.
export CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=1
cmake --build build
