"""refused.py DIRECTORY CODE COMMAND...: the command must end with that exit code and an error message, and leave
DIRECTORY as it was. Its output is passed on.

SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import os
import subprocess
import sys


def contents(directory):
    return sorted((entry.name, entry.stat().st_mtime_ns) for entry in os.scandir(directory))


def main(directory, code, *command):
    before = contents(directory)
    result = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            timeout=300)
    sys.stdout.buffer.write(result.stdout)
    sys.stdout.flush()
    if result.returncode != int(code):
        sys.exit(f"expected exit code {code}, but got {result.returncode}")
    if b"kvasir: error: " not in result.stdout:
        sys.exit("expected an error message")
    after = contents(directory)
    if after != before:
        sys.exit(f"expected {directory} to stay {before}, but got {after}")


main(*sys.argv[1:])
