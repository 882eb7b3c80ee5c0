"""cut.py FILE COPY [ARGUMENT...]: cuts an executable (run with the arguments) or a library (loaded) within its program.
SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception"""
import os
import struct
import subprocess
import sys

LOAD = "import ctypes, sys\ntry: ctypes.CDLL(sys.argv[1]); print('loaded')\nexcept OSError as e: print('refused')"


def attempt(path, arguments):
    if not arguments:
        run = subprocess.run([sys.executable, "-c", LOAD, path], capture_output=True, text=True)
    else:
        try:
            run = subprocess.run([path] + arguments, capture_output=True, text=True)
        except OSError:
            return "refused"
    return "signal %d" % -run.returncode if run.returncode < 0 else (run.stdout or run.stderr).strip()


def main():
    file, copy, arguments = sys.argv[1], sys.argv[2], sys.argv[3:]
    with open(file, "rb") as source:
        data = source.read()
    # The end of the last segment that is mapped: offset and size of each program header of type 1.
    table, count = struct.unpack_from("<Q", data, 32)[0], struct.unpack_from("<H", data, 56)[0]
    headers = [struct.unpack_from("<IIQQQQ", data, table + 56 * i) for i in range(count)]
    end = max(h[2] + h[5] for h in headers if h[0] == 1)
    refused = 0
    for size in (40, 1000, 4096, 5000, 100000, end // 2, end - 20000, end - 1):
        with open(copy, "wb") as target:
            target.write(data[:size])
        os.chmod(copy, 0o755)
        result = attempt(copy, arguments)
        refused += result == "refused"
        if result != "refused":
            print("%d bytes: %s" % (size, result))
    print("refused by the system: %d" % refused)
    print("whole: " + attempt(file, arguments))


main()
