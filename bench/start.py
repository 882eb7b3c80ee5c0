#!/usr/bin/env python3
"""How long programs with a model inside take to start, before weights are read: the time of PROGRAM --help, which loads
the model (all but the weights is read and checked) and describes it, and of --version, which loads nothing.

    python3 bench/start.py [--rounds N] PROGRAM...     made by kvasir compile --emit exe

SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import argparse
import os
import statistics
import subprocess
import time


def seconds(command):
    start = time.monotonic()
    subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
    return time.monotonic() - start


parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
parser.add_argument("programs", nargs="+", metavar="PROGRAM")
parser.add_argument("--rounds", type=int, default=20)
options = parser.parse_args()
for program in map(os.path.abspath, options.programs):
    print(f"{program}, {os.path.getsize(program) / 1e6:.1f} MB")
    for argument in ["--version", "--help"]:
        times = sorted(seconds([program, argument]) for _ in range(options.rounds))
        print(f"  {argument:9}  median {statistics.median(times) * 1e3:.1f} ms, "
              f"{times[0] * 1e3:.1f} to {times[-1] * 1e3:.1f} ms in {options.rounds} runs")
