#!/usr/bin/env python3
"""What the inner loop of a linear layer costs: instructions for a byte of weights, bytes in flight.
With --attention: what attention by partitions costs, for heads of 64, 128 and 256 on each architecture.

Needs no GPU: kvasir-compile, ptxas, and cuobjdump with nvdisasm (of the CUDA toolkit, or of PyPI's nvidia-cuda-cuobjdump
and nvidia-cuda-nvdisasm). An H200 of 132 multiprocessors, 4 schedulers each, at 1.7 GHz, has 0.187 instructions of a
warp for each byte that it reads at 4.8 TB/s: what a loop needs more than that, it reads slower.
"""
import argparse
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

# Bits of a weight with its scales, and matrix instructions for a tile of 16 x 32 weights and 8 tokens.
KINDS = {
    "bf16": (16, 2),
    "f32": (32, 6),
    "int8": (8, 2),
    "int8-g32": (8.5, 2),
    "int4-g128": (4.125, 2),
    "int4-g32": (4.5, 2),
    "int4-g128-asym": (4.1875, 2),
    "fp8-e4m3": (8, 2),
    "fp8-e4m3-g128": (8.25, 2),
    "mxfp4": (4.25, 2),
    "q2_k": (2.625, 4),
    "q3_k": (3.4375, 2),
    "q4_k": (4.5, 4),
    "q5_k": (5.5, 4),
    "q6_k": (6.5625, 2),
    "iq4_nl": (4.5, 2),
}
SLOTS_PER_BYTE = 132 * 4 * 1.7e9 / 4.8e12


def phase(kind, n, k, pair=False, tile=8):
    """A layer, or the pair of gate and up with their activation. Its columns may be divided if it is not a pair."""
    element = kind if kind in ("bf16", "f16", "f32") else f'!llm.encoded<"{kind}">'
    weight = f"!llm.weight<{n}x{k}x{element}>"
    x, out = f"!step.buffer<tokens, {k}>", f"!step.buffer<tokens, {n}>"
    rows, results = f"tensor<?x{k}xf32>", f"tensor<?x{n}xf32>"
    # Norms and activations store what linear layers would round anyway.
    order = "" if kind in ("bf16", "f16") else ", step.interleaved"
    stored = "" if kind == "f32" else f" {{step.stored = {'f16' if kind == 'f16' else 'bf16'}{order}}}"
    form = f"{{step.token_tile = {tile}}}"
    arguments = f"%x: {x}, %w: {weight}, %v: {weight}, %out: {out}" if pair else (
        f"%x: {x}, %w: {weight}, %out: {out}, %sums: !step.buffer<one, 4194304>, %count: !step.counter")
    linear = f"""%g, %u = llm.linear %0, [%w, %v] {form} : {rows}, [{weight}, {weight}] -> {results}, {results}
  %1 = llm.gated_act <silu> %g, %u : {results}""" if pair else (
        f"%1 = llm.linear %0, [%w] {form} : {rows}, [{weight}] -> {results}")
    return f"""step.phase @p kind <panels> {{
^bb0({arguments}):
  %0 = step.read %x{stored} : {x} -> {rows}
  {linear}
  step.write %1, %out : {results}, {out}
}}
"""


def run(*command):
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True)
    except FileNotFoundError:
        raise SystemExit(f"cannot run '{command[0]}': expected kvasir-compile, or cuobjdump of the CUDA toolkit or of "
                         "PyPI's nvidia-cuda-cuobjdump; name it with --compiler or --cuobjdump")
    except subprocess.CalledProcessError as error:
        raise SystemExit(f"{' '.join(command)}: {error.stderr.strip()}")


def instructions(cubin, cuobjdump, kernel="p"):
    """[(address, text)] of a kernel."""
    text = run(cuobjdump, "-sass", "-fun", kernel, cubin).stdout
    found = re.findall(r"^\s+/\*([0-9a-f]{4,})\*/\s+(.*?);", text, re.M)
    return [(int(address, 16), line) for address, line in found]


def inner_loops(code, most=True):
    index = {address: i for i, (address, _) in enumerate(code)}
    loops = []
    for i, (address, line) in enumerate(code):
        target = re.search(r"\bBRA(?:\.\w+)* .*?(0x[0-9a-f]+)", line)
        if target and int(target[1], 16) < address and int(target[1], 16) in index:
            loops.append((index[int(target[1], 16)], i + 1))
    inner = [a for a in loops if not any(a != b and a[0] <= b[0] and b[1] <= a[1] for b in loops)]
    return [way_through(code[first:last], most) for first, last in inner]


def way_through(loop, most):
    """The way through a loop with most (fewest) matrix instructions, and of these the one with most instructions."""
    index = {address: i for i, (address, _) in enumerate(loop)}
    best = [(0, 0, None)] * (len(loop) + 1)  # products, instructions and the next one, from each on
    for i in reversed(range(len(loop))):
        line = loop[i][1]
        ways = [i + 1]
        target = re.search(r"\bBRA(?:\.\w+)* .*?(0x[0-9a-f]+)", line)
        if target and index.get(int(target[1], 16), -1) > i:
            ways = [index[int(target[1], 16)]] + ([i + 1] if line.startswith("@") else [])
        way = max(ways, key=lambda way: (best[way][0] * (1 if most else -1), best[way][1]))
        best[i] = (best[way][0] + ("HMMA" in line), best[way][1] + 1, way)
    lines, i = [], 0
    while i is not None and i < len(loop):
        lines.append(loop[i][1])
        i = best[i][2]
    return lines


def attention(options):
    """Instructions: those of a warp for its tile of 64 keys and values, all of the kernel once, loops over columns of
    keys as often as they run; without the loops that go row by row where a value is not finite."""
    print("| cache | head | architecture | registers | shared memory | blocks | KB of keys in flight | per byte |")
    print("|---|---|---|---|---|---|---|---|")
    shapes = Path(__file__).parent.parent / "test/Target/CUDA/attend_shapes.py"
    for kind, size in [(kind, size) for kind in ("bf16", "i8") for size in (64, 128, 256)]:
        for arch in ("sm_80", "sm_90", "sm_100", "sm_120"):
            with tempfile.TemporaryDirectory() as folder:
                source, cubin = Path(folder, "phases.mlir"), Path(folder, "phases.cubin")
                source.write_text(run(sys.executable, shapes, f"{kind}:{size}:4").stdout)
                table = run(options.compiler, source, "--from", "schedule", "--target", f"cuda:{arch}", "--emit",
                            "cubin", "-o", cubin).stdout
                kernel = f"partitions_{kind}_{size}_4"
                code = instructions(cubin, options.cuobjdump, kernel)
            registers, shared, blocks = re.search(rf"^{kernel} +(\d+) +(\d+) +(\d+)", table, re.M).groups()
            products = lambda loop: sum("HMMA" in line for line in loop)
            # Larger ones are no loops: code that was put behind jumps back.
            loops = [loop for loop in inner_loops(code) if 0 < products(loop) <= 32]
            keys = min(loops, key=products)
            count = len(code) - sum(map(len, loops)) + len(keys) * (size // 32 - 1)
            lane = sum(int(width) // 8 for width in re.findall(r"LDG\.E\S*\.(64|128)", "\n".join(keys)))
            tile = 2 * 64 * size * (2 if kind == "bf16" else 1)
            print(f"| {kind} | {size} | {arch} | {registers} | {shared} | {blocks} | "
                  f"{lane * 32 * 8 * int(blocks) // 1024} | {count / tile:.3f} |", flush=True)


@dataclass
class Loop:
    registers: int
    blocks: int  # of a multiprocessor
    per_tile: float  # instructions
    pending: float  # tiles that a warp has in flight
    input_bytes: int  # of an input of a token
    shared: float  # bytes read from and written to shared memory for a tile


def measure(options, kind, n, k, arch, pair=False, tile=8, columns=None):
    """The loop with products, the inner one: with as many columns of 8 tokens as `tile` has, or with one."""
    with tempfile.TemporaryDirectory() as folder:
        source, cubin = Path(folder, "phase.mlir"), Path(folder, "phase.cubin")
        source.write_text(phase(kind, n, k, pair, tile))
        table = run(options.compiler, source, "--from", "schedule", "--target", f"cuda:{arch}", "--emit", "cubin", "-o",
                    cubin).stdout
        loops = inner_loops(instructions(cubin, options.cuobjdump), columns is None)
    count = lambda loop: sum("HMMA" in line for line in loop)
    loop = max(loops, key=count)
    products = KINDS[kind][1]
    if tile > 8 and products == 4:  # two tiles share the sums of inputs that minima want
        products = 3
    tiles = count(loop) / products / (columns or tile // 8)
    row = re.search(r"^p\s+(\d+)\s+\d+\s+(\d+)", table, re.M)
    pending = int(re.search(r"DEPBAR\.LE SB0, 0x([0-9a-f]+)", "\n".join(loop))[1], 16)
    access = r"^(?!@!PT).*\b(?:LDS|STS|LDGSTS)\b(?:\.[A-Z]\w*)*(?:\.(64|128))?"
    shared = sum(32 * int(width or 32) // 8 for width in re.findall(access, "\n".join(loop), re.M))
    return Loop(int(row[1]), int(row[2]), len(loop) / tiles, pending * tiles, 4 if kind == "f32" else 2, shared / tiles)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kinds", nargs="*", default=list(KINDS))
    parser.add_argument("--compiler", default="build/bin/kvasir-compile")
    parser.add_argument("--cuobjdump", default="cuobjdump")
    parser.add_argument("--arch", default="sm_90")
    parser.add_argument("--shape", type=int, nargs=2, default=[4096, 4096], metavar=("N", "K"))
    parser.add_argument("--attention", action="store_true")
    parser.add_argument("--tile", type=int, default=8, choices=(8, 32, 64), help="tokens of a block: the kernel's form")
    parser.add_argument("--pair", action="store_true", help="gate and up")
    options = parser.parse_args()
    if options.attention:
        return attention(options)
    print("| weights | registers | instructions per tile | bytes | per byte | of bandwidth | KB in flight per block |")
    print("|---|---|---|---|---|---|---|")
    for kind in options.kinds or list(KINDS):
        bits, _ = KINDS[kind]
        loop = measure(options, kind, *options.shape, options.arch, options.pair, options.tile)
        tile = 16 * 32 * bits / 8
        each = loop.per_tile / tile
        print(f"| {kind} | {loop.registers} | {loop.per_tile:.0f} | {tile:.0f} | {each:.3f} | "
              f"{min(1, SLOTS_PER_BYTE / each):.0%} | {loop.pending * tile * 8 / 1024:.0f} |")


if __name__ == "__main__":
    main()
