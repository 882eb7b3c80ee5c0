#!/bin/sh
# Fuzzes the artifact reader for some seconds, or with 0 only replays the seeds and 2000 mutations.
#   fuzz-artifact.sh FUZZER SEED_WRITER SECONDS
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/seeds" "$work/corpus"
"$2" "$work/seeds"
if [ "$3" = 0 ]; then limit=-runs=2000; else limit=-max_total_time=$3; fi
# A failing input stays where the test runs.
"$1" "$limit" -max_len=65536 -print_final_stats=0 -verbosity=0 "$work/corpus" "$work/seeds"
echo "no failure"
