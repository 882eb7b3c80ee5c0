"""interrupt.py FILE COMMAND...: sends SIGINT as soon as the command has written something (to standard
output, or FILE when it is not -), and exits as the command does.

SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import glob
import signal
import subprocess
import sys
import time

watched, command = sys.argv[1], sys.argv[2:]
process = subprocess.Popen(command, stdout=subprocess.PIPE)
if watched == "-":
    process.stdout.read(1)
else:
    while process.poll() is None and not glob.glob(watched):
        time.sleep(0.001)
process.send_signal(signal.SIGINT)
process.communicate(timeout=60)
print("exit code", process.returncode)
