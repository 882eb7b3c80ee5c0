"""limited.py BYTES COMMAND...: runs the command with a limit on the size of files.

SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import resource
import subprocess
import sys

resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), int(sys.argv[1])))
sys.exit(subprocess.run(sys.argv[2:]).returncode)
