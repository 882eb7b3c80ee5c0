#!/usr/bin/env python3
"""How long programs and libraries with a model inside take to start, before weights are read. Of a program: --version,
which loads nothing, and --help, which loads the model (reads and checks all but the weights) and describes it. Of a
library: dlopen and NAME_load in a new process.

    python3 bench/start.py [--rounds N] FILE...     made by kvasir compile --emit exe or lib

SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import argparse
import os
import re
import statistics
import subprocess
import sys
import time

LOAD = """
import ctypes, sys, time
start = time.monotonic()
library, model = ctypes.CDLL(sys.argv[1]), ctypes.c_void_p()
assert not getattr(library, sys.argv[2])(None, ctypes.byref(model))
print(time.monotonic() - start)
"""


def program_seconds(command):
    start = time.monotonic()
    subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
    return time.monotonic() - start


def library_seconds(command):
    return float(subprocess.run([sys.executable, "-c", LOAD, *command], capture_output=True, check=True).stdout)


def show(what, measure, command, rounds):
    times = sorted(measure(command) for _ in range(rounds))
    print(f"  {what:9}  median {statistics.median(times) * 1e3:.1f} ms, "
          f"{times[0] * 1e3:.1f} to {times[-1] * 1e3:.1f} ms in {rounds} runs")


parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
parser.add_argument("files", nargs="+", metavar="FILE")
parser.add_argument("--rounds", type=int, default=20)
options = parser.parse_args()
for path in map(os.path.abspath, options.files):
    print(f"{os.path.basename(path)}, {os.path.getsize(path) / 1e6:.1f} MB")
    library = re.fullmatch(r"lib(.*)\.so", os.path.basename(path))
    if library:
        load = re.sub(r"\W", "_", library[1]) + "_load"
        show(load, library_seconds, [path, load], options.rounds)
    else:
        for argument in ["--version", "--help"]:
            show(argument, program_seconds, [path, argument], options.rounds)
