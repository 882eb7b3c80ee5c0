"""sweep.py cut|flip|weights|version KVASIR ARTIFACT SCRATCH: damages copies of an artifact at many places; each must be
refused with exit code 2 and a message, by the commands that read it.

SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import random
import re
import struct
import subprocess
import sys

PAGE = 4096


class Artifact:
    def __init__(self, path):
        with open(path, "rb") as file:
            self.data = file.read()
        self.module = struct.unpack_from("<QQ", self.data, 24)
        self.objects = [match.start() for match in re.finditer(b"\x7fELF\x02\x01\x01", self.data)
                        if match.start() % PAGE == 0]
        last = self.objects[-1]
        # An object ends with its section headers; weights start at the next page.
        headers, = struct.unpack_from("<Q", self.data, last + 0x28)
        size, count = struct.unpack_from("<HH", self.data, last + 0x3A)
        self.code_end = last + headers + size * count
        self.weights = -(-self.code_end // PAGE) * PAGE


def refuse(tool, command, scratch, data, what, expected):
    with open(scratch, "wb") as file:
        file.write(data)
    arguments = [tool, command, scratch] + (["--ids", "1,2", "-n", "1"] if command == "run" else [])
    result = subprocess.run(arguments, capture_output=True, timeout=60)
    message = result.stderr.decode(errors="replace")
    if result.returncode != 2 or not re.match(r"kvasir: error: .*" + expected, message) or result.stdout:
        sys.exit(f"{what}: {command} gave exit code {result.returncode}, message {message!r}, output {result.stdout!r}")


def cuts(artifact, rng):
    borders = [artifact.module[0], sum(artifact.module), *artifact.objects, artifact.code_end, artifact.weights]
    places = {*range(0, 301, 3), *range(56, 72)}
    for border in [*borders, len(artifact.data)]:
        places.update((border - 1, border, border + 1))
    places.update(rng.randrange(len(artifact.data)) for _ in range(60))
    return sorted(place for place in places if place < len(artifact.data))


def flips(artifact, rng):
    """Every byte of the header, and bits of the module and of each code object."""
    places = list(range(64)) + [artifact.module[0] + rng.randrange(artifact.module[1]) for _ in range(60)]
    places += [artifact.module[0], sum(artifact.module) - 1]
    ends = artifact.objects[1:] + [artifact.code_end]
    for begin, end in zip(artifact.objects, ends):
        places += [begin, begin + 20] + [rng.randrange(begin, min(end, begin + 60000)) for _ in range(25)]
    return places


def flipped(data, place, bit):
    changed = bytearray(data)
    changed[place] ^= 1 << bit
    return bytes(changed)


def main(kind, tool, path, scratch):
    artifact, rng, count = Artifact(path), random.Random(7), 0
    commands = ["inspect", "run", "report", "verify"]
    if kind == "cut":
        for count, place in enumerate(cuts(artifact, rng), 1):
            refuse(tool, commands[count % 4], scratch, artifact.data[:place], f"cut at {place}",
                   "(truncated|file is empty)")
        refuse(tool, "inspect", scratch, artifact.data + b"x", "one byte more", "")
    elif kind == "flip":
        for count, place in enumerate(flips(artifact, rng), 1):
            refuse(tool, commands[count % 4], scratch, flipped(artifact.data, place, rng.randrange(8)),
                   f"flipped a bit at {place}", "(corrupt|not a kvasir artifact|version|truncated|hash)")
    elif kind == "weights":
        size = len(artifact.data) - artifact.weights
        for count in range(1, 21):
            place = artifact.weights + rng.randrange(size)
            if any(artifact.data[place - 8 : place + 8]):  # not the padding between weights
                refuse(tool, "verify", scratch, flipped(artifact.data, place, 3), f"flipped a weight at {place}",
                       "weight")
    print(f"{kind}: {count} refused")


main(*sys.argv[1:])
