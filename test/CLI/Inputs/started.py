"""started.py SECONDS COMMAND...: the fastest of ten runs of the command, which gets no input, takes at most so long.

SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import subprocess
import sys
import time

limit, command = float(sys.argv[1]), sys.argv[2:]
best = None
for _ in range(10):
    start = time.monotonic()
    subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
    seconds = time.monotonic() - start
    best = seconds if best is None else min(best, seconds)
if best > limit:
    sys.exit(f"expected at most {limit} s, but the fastest of ten runs took {best:.3f} s")
