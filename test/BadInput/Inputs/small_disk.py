"""small_disk.py DIRECTORY KIB COMMAND...: mounts a file system of that size on DIRECTORY while the command runs, and
exits as it does, after it has printed what was left. Exit code 77: this machine does not allow a mount.

SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import os
import subprocess
import sys


def main(directory, kib, *command):
    os.makedirs(directory, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={kib}k", "none", directory]
    if subprocess.run(mount, capture_output=True).returncode:
        print("no mount: not available")
        return 77
    try:
        code = subprocess.run(command).returncode
        print("left:", sorted(os.listdir(directory)))
        return code
    finally:
        subprocess.run(["umount", directory], check=True)


sys.exit(main(*sys.argv[1:]))
