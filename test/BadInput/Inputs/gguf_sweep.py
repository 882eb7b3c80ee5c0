"""gguf_sweep.py KVASIR FILE SCRATCH: cuts a GGUF file and damages its header at many places; whatever `kvasir compile` says,
it ends with exit code 0 or 2, with a message that names the file where it refuses, and takes little memory.

SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import random
import resource
import struct
import subprocess
import sys

HUGE = [struct.pack("<Q", value) for value in (2**64 - 1, 2**63, 2**40, 2**31)]


def limit_memory():
    resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))


def compile_file(tool, scratch, data, what):
    with open(scratch, "wb") as file:
        file.write(data)
    result = subprocess.run([tool, "compile", scratch, "--until", "import"], capture_output=True, timeout=120,
                            preexec_fn=limit_memory)
    message = result.stderr.decode(errors="replace")
    if result.returncode not in (0, 2) or (result.returncode == 2 and not message.startswith("kvasir: error: ")):
        sys.exit(f"{what}: exit code {result.returncode}, message {message!r}")
    return result.returncode


def main(tool, path, scratch):
    with open(path, "rb") as file:
        data = file.read()
    rng, refused = random.Random(7), 0
    header = data.find(b"\0" * 64)  # where the weights begin, which are zero
    for place in [0, 1, 3, 4, 7, 8, 23, 24, *(rng.randrange(header) for _ in range(16)), header, len(data) - 64]:
        if compile_file(tool, scratch, data[:place], f"cut at {place}") != 2:
            sys.exit(f"cut at {place}: was not refused")
        refused += 1
    for _ in range(40):
        place = rng.randrange(8, header)
        value = rng.choice(HUGE)[: rng.choice([1, 4, 8])]
        changed = data[:place] + value + data[place + len(value) :]
        refused += compile_file(tool, scratch, changed, f"{value.hex()} at {place}") == 2
    print(f"{refused} refused")


main(*sys.argv[1:])
