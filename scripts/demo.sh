#!/usr/bin/env bash
# Sets everything up, compiles the demo model and decodes a batch of its prompts.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh
bin=build/bin work=build/demo
mkdir -p $work
$bin/kvasir compile demo/model -o $work/demo.kvasir
python3 demo/check.py --write-prompts $work/prompts.txt
$bin/kvasir run $work/demo.kvasir --prompts-file $work/prompts.txt -n 64 --json >$work/answers.jsonl
python3 demo/check.py $work/answers.jsonl
$bin/kvasir report $work/demo.kvasir --device measured --requests 1,8,64
