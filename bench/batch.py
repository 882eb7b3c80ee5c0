#!/usr/bin/env python3
"""What the linear layers of Llama 3.1 8B leave room for in a step of several tokens on an H200, without one.

For each phase: its work items, how much of a large grid they fill, bytes that it reads from memory and moves through the
second-level cache, and the instructions of its loop and the bytes that they move through shared memory (from SASS, as
bench/sass.py has them). From these the least time by each of the four, and the share of the memory's bandwidth that the
slowest one leaves. A bound, not a forecast: launches, waits and what else a step does are not in it.
"""
import argparse
import math

import sass

HIDDEN, INNER, LAYERS, VOCABULARY = 4096, 14336, 32, 128256
# Name, outputs of each group, inputs, layers, whether two results share an epilogue.
PHASES = [
    ("q, k, v", [4096, 1024, 1024], HIDDEN, LAYERS, False),
    ("output", [4096], HIDDEN, LAYERS, False),
    ("gate, up", [14336, 14336], HIDDEN, LAYERS, True),
    ("down", [4096], INNER, LAYERS, False),
    ("logits", [VOCABULARY], HIDDEN, 1, False),
]
MULTIPROCESSORS, CLOCK, MEMORY = 132, 1.7e9, 4.8e12
GRID = MULTIPROCESSORS
UNIT_OUTPUTS, UNIT_TOKENS, SHARES, MOST_UNITS = 256, 32, 8, 64


def items(outputs, pair, tokens):
    """Units, items, and whether K is divided: as LinearWide.cpp and LinearSplit.cpp have it."""
    bands = sum(math.ceil(n / (UNIT_OUTPUTS // 2 if pair else UNIT_OUTPUTS)) for n in (outputs[:1] if pair else outputs))
    units = bands * math.ceil(tokens / UNIT_TOKENS)
    grid = min(GRID, units * SHARES)
    may = sum(outputs) <= UNIT_OUTPUTS * MOST_UNITS and units <= MOST_UNITS
    divided = may and math.ceil(SHARES * units / grid) < SHARES * math.ceil(units / grid)
    return units, units * SHARES if divided else units, divided


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kind", nargs="?", default="int4-g128")
    parser.add_argument("--tokens", type=int, default=32, help="of a step, 9 or more")
    parser.add_argument("--cache", type=float, default=5.5, help="TB/s that the second-level cache gives (assumed)")
    parser.add_argument("--compiler", default="build/bin/kvasir-compile")
    parser.add_argument("--cuobjdump", default="cuobjdump")
    options = parser.parse_args()
    bits = sass.KINDS[options.kind][0]
    loops = {pair: sass.measure(options, options.kind, 4096, 4096, "sm_90", pair, UNIT_TOKENS) for pair in (False, True)}
    print(f"| phase | items | of a grid of {GRID} | memory MB | cache MB | instructions per tile | memory us | cache us "
          "| issue us | shared us | of bandwidth |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    sums = [0.0] * 5
    for name, outputs, k, layers, pair in PHASES:
        units, count, divided = items(outputs, pair, options.tokens)
        weights = sum(outputs) * k * bits / 8
        inputs = units * UNIT_TOKENS * k * loops[pair].input_bytes
        parts = 2 * count * UNIT_OUTPUTS * UNIT_TOKENS * 4 if divided else 0
        moved = weights * math.ceil(options.tokens / UNIT_TOKENS) + inputs + parts
        rounds = math.ceil(count / GRID)
        full = count / (rounds * GRID)
        tiles = sum(outputs) / 16 * k / 32 * math.ceil(options.tokens / UNIT_TOKENS)
        times = [weights / MEMORY, moved / (options.cache * 1e12),
                 tiles * loops[pair].per_tile / (MULTIPROCESSORS * 4 * CLOCK) / full,
                 tiles * loops[pair].shared / (MULTIPROCESSORS * 128 * CLOCK) / full]
        slowest = max(times)
        print(f"| {name} | {count} | {full:.0%} | {weights / 1e6:.1f} | {moved / 1e6:.1f} | {loops[pair].per_tile:.0f} | "
              + " | ".join(f"{t * 1e6:.1f}" for t in times) + f" | {times[0] / slowest:.0%} |")
        for i, t in enumerate([*times, slowest]):
            sums[i] += t * layers
    print("| a step | | | | | | " + " | ".join(f"{t * 1e6:.0f}" for t in sums[:4]) + f" | {sums[0] / sums[4]:.0%} |")


if __name__ == "__main__":
    main()
