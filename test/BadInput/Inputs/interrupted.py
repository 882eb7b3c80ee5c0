"""interrupted.py DIRECTORY COMMAND...: sends SIGINT to the command at many moments of its life. Each time it must
exit with 130 and leave DIRECTORY empty, or have finished before.

SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import os
import shutil
import signal
import subprocess
import sys
import time


def once(directory, command, delay):
    """Whether the signal came before the end."""
    shutil.rmtree(directory, ignore_errors=True)
    os.makedirs(directory)
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    time.sleep(delay)
    process.send_signal(signal.SIGINT)
    message = process.communicate(timeout=120)[1].decode(errors="replace")
    left = sorted(os.listdir(directory))
    if process.returncode == 0:
        if any("partial" in name for name in left):
            sys.exit(f"after {delay} s: finished, but left {left}")
        return False
    if process.returncode == -signal.SIGINT and delay < 0.2:
        return True  # it had not yet begun to listen
    if process.returncode != 130 or "kvasir: error: interrupted" not in message or left:
        sys.exit(f"after {delay} s: exit code {process.returncode}, message {message!r}, left {left}")
    return True


def main(directory, *command):
    os.makedirs(directory, exist_ok=True)
    whole = float("inf")  # the least of a few: a busy machine makes some long, and the moments late
    for _ in range(3):
        start = time.monotonic()
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
        whole = min(whole, time.monotonic() - start)
    moments = [whole * part for part in (0.005, 0.02, 0.1, 0.3, 0.5, 0.7, 0.85, 0.95)]
    caught = sum(once(directory, command, moment) for moment in moments)
    print("interrupted" if caught >= 4 else f"only {caught} of {len(moments)} signals came in time")


main(*sys.argv[1:])
