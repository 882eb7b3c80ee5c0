#!/usr/bin/env python3
"""What the inner loop of a linear layer for few tokens costs: instructions for a byte of weights, bytes in flight.
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


def phase(kind, n, k):
    element = kind if kind in ("bf16", "f16", "f32") else f'!llm.encoded<"{kind}">'
    weight = f"!llm.weight<{n}x{k}x{element}>"
    x, out = f"!step.buffer<tokens, {k}>", f"!step.buffer<tokens, {n}>"
    return f"""step.phase @p kind <panels> {{
^bb0(%x: {x}, %w: {weight}, %out: {out}):
  %0 = step.read %x : {x} -> tensor<?x{k}xf32>
  %1 = llm.linear %0, [%w] : tensor<?x{k}xf32>, [{weight}] -> tensor<?x{n}xf32>
  step.write %1, %out : tensor<?x{n}xf32>, {out}
}}
"""


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True)


def instructions(cubin, cuobjdump, kernel="p"):
    """[(address, text)] of a kernel."""
    text = run(cuobjdump, "-sass", "-fun", kernel, cubin).stdout
    found = re.findall(r"^\s+/\*([0-9a-f]{4,})\*/\s+(.*?);", text, re.M)
    return [(int(address, 16), line) for address, line in found]


def inner_loops(code):
    index = {address: i for i, (address, _) in enumerate(code)}
    loops = []
    for i, (address, line) in enumerate(code):
        target = re.search(r"\bBRA(?:\.\w+)* .*?(0x[0-9a-f]+)", line)
        if target and int(target[1], 16) < address and int(target[1], 16) in index:
            loops.append((index[int(target[1], 16)], i + 1))
    inner = [a for a in loops if not any(a != b and a[0] <= b[0] and b[1] <= a[1] for b in loops)]
    return [[line for _, line in code[first:last]] for first, last in inner]


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


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kinds", nargs="*", default=list(KINDS))
    parser.add_argument("--compiler", default="build/bin/kvasir-compile")
    parser.add_argument("--cuobjdump", default="cuobjdump")
    parser.add_argument("--arch", default="sm_90")
    parser.add_argument("--shape", type=int, nargs=2, default=[4096, 4096], metavar=("N", "K"))
    parser.add_argument("--attention", action="store_true")
    options = parser.parse_args()
    if options.attention:
        return attention(options)
    print("| weights | registers | instructions per tile | bytes | per byte | of bandwidth | KB in flight per block |")
    print("|---|---|---|---|---|---|---|")
    for kind in options.kinds or list(KINDS):
        bits, products = KINDS[kind]
        with tempfile.TemporaryDirectory() as folder:
            source, cubin = Path(folder, "phase.mlir"), Path(folder, "phase.cubin")
            source.write_text(phase(kind, *options.shape))
            table = run(options.compiler, source, "--from", "schedule", "--target", f"cuda:{options.arch}", "--emit",
                        "cubin", "-o", cubin).stdout
            loops = inner_loops(instructions(cubin, options.cuobjdump))
        # Few tokens: the loop with products and the fewest of them.
        count = lambda loop: sum("HMMA" in line for line in loop)
        loop = min((loop for loop in loops if count(loop)), key=count)
        tiles = count(loop) / products
        registers = re.search(r"^p\s+(\d+)", table, re.M)[1]
        pending = int(re.search(r"DEPBAR\.LE SB0, 0x([0-9a-f]+)", "\n".join(loop))[1], 16)
        tile = 16 * 32 * bits / 8
        each = len(loop) / tiles / tile
        print(f"| {kind} | {registers} | {len(loop) / tiles:.0f} | {tile:.0f} | {each:.3f} | "
              f"{min(1, SLOTS_PER_BYTE / each):.0%} | {pending * tiles * tile * 8 / 1024:.0f} |")


if __name__ == "__main__":
    main()
