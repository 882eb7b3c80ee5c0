#!/usr/bin/env python3
"""What the linear layers of Llama 3.1 8B or 3.2 1B leave room for in a step on an H200, without one.

For each phase: its work items, how much of a large grid they fill, bytes that it reads from memory and moves through the
second-level cache, and the instructions of its loop and the bytes that they move through shared memory (from SASS, as
bench/sass.py has them). From these the least time by each of the four, and the share of the memory's bandwidth that the
slowest one leaves. A bound, not a forecast: launches, waits and what else a step does are not in it. With --wanted the
time that is left for these, for each kernel of a step, if it is to read at that share of the bandwidth.
"""
import argparse
import math
from dataclasses import dataclass

import sass

MULTIPROCESSORS, CLOCK, MEMORY = 132, 1.7e9, 4.8e12
SHARES, MANY_OUTPUTS, SUMS, FEW = 8, 256, 16 << 20, 2  # LinearWide.cpp, dialects/Step/Sums.h and TokenTile.h
KERNELS_OF_LAYER, OTHER_KERNELS = 8, 3  # norm, q/k/v, append, attention, output, norm, gate/up, down; norm, logits, choice


@dataclass
class Model:
    hidden: int
    inner: int
    keys: int  # outputs of k, of v
    layers: int
    vocabulary: int

    def phases(self):
        """Name, outputs of each matrix, inputs, layers, whether two results share an epilogue."""
        return [
            ("q, k, v", [self.hidden, self.keys, self.keys], self.hidden, self.layers, False),
            ("output", [self.hidden], self.hidden, self.layers, False),
            ("gate, up", [self.inner, self.inner], self.hidden, self.layers, True),
            ("down", [self.hidden], self.inner, self.layers, False),
            ("logits", [self.vocabulary], self.hidden, 1, False),
        ]


MODELS = {"8b": Model(4096, 14336, 1024, 32, 128256), "1b": Model(2048, 8192, 512, 16, 128256)}


def few(outputs, pair, tokens):
    """Items of a tile row each, and how many tokens of inputs an item reads."""
    return sum(math.ceil(n / 16) for n in (outputs[:1] if pair else outputs)), tokens, False


def many(outputs, pair, tokens, tile):
    """Items of 256 rows of weights and a tile of tokens, or of a share of K of them: LinearSplit.cpp. A tile of up to 8
    tokens has one column."""
    bands = sum(math.ceil(n / (MANY_OUTPUTS // 2 if pair else MANY_OUTPUTS)) for n in (outputs[:1] if pair else outputs))
    units = bands * math.ceil(tokens / tile)
    most = SUMS // SHARES // (MANY_OUTPUTS * tile * 4)
    grid = min(MULTIPROCESSORS, units * SHARES)
    divided = (sum(outputs) <= MANY_OUTPUTS * most and units <= most
               and math.ceil(SHARES * units / grid) < SHARES * math.ceil(units / grid))
    return units * SHARES if divided else units, 8 if tokens <= 8 else tile, divided


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kind", nargs="?", default="int4-g128")
    parser.add_argument("--model", choices=MODELS, default="8b")
    parser.add_argument("--tokens", type=int, default=32, help="of a step")
    parser.add_argument("--cache", type=float, default=5.5, help="TB/s that the second-level cache gives (assumed)")
    parser.add_argument("--wanted", type=float, help="share of the bandwidth, e.g. 0.5")
    parser.add_argument("--compiler", default="build/bin/kvasir-compile")
    parser.add_argument("--cuobjdump", default="cuobjdump")
    options = parser.parse_args()
    model, tokens = MODELS[options.model], options.tokens
    tile = 8 if tokens <= FEW else 64 if tokens > 32 and options.kind in ("bf16", "f16") else 32
    tiles_of_tokens = math.ceil(tokens / tile)
    bits = sass.KINDS[options.kind][0]
    loops = {pair: sass.measure(options, options.kind, 4096, 4096, "sm_90", pair, tile,
                                1 if FEW < tokens <= 8 else None) for pair in (False, True)}
    print("| phase | items | of the grid | memory MB | cache MB | instructions per tile | memory us | cache us "
          "| issue us | shared us | of bandwidth |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    sums = [0.0] * 5
    for name, outputs, k, layers, pair in model.phases():
        loop = loops[pair]
        count, read, divided = few(outputs, pair, tokens) if tile == 8 else many(outputs, pair, tokens, tile)
        weights = sum(outputs) * k * bits / 8
        inputs = count / (SHARES if divided else 1) * read * k * loop.input_bytes
        parts = 2 * count * MANY_OUTPUTS * min(tokens, tile) * 4 if divided else 0
        moved = weights * tiles_of_tokens + inputs + parts
        grid = MULTIPROCESSORS * loop.blocks
        full = count / (math.ceil(count / grid) * grid)
        tiles = sum(outputs) / 16 * k / 32 * tiles_of_tokens
        times = [weights / MEMORY, moved / (options.cache * 1e12),
                 tiles * loop.per_tile / (MULTIPROCESSORS * 4 * CLOCK) / full,
                 tiles * loop.shared / (MULTIPROCESSORS * 128 * CLOCK) / full]
        slowest = max(times)
        print(f"| {name} | {count} | {full:.0%} | {weights / 1e6:.1f} | {moved / 1e6:.1f} | {loop.per_tile:.0f} | "
              + " | ".join(f"{t * 1e6:.1f}" for t in times) + f" | {times[0] / slowest:.0%} |")
        for i, t in enumerate([*times, slowest]):
            sums[i] += t * layers
    print("| a step | | | | | | " + " | ".join(f"{t * 1e6:.0f}" for t in sums[:4]) + f" | {sums[0] / sums[4]:.0%} |")
    if options.wanted:
        kernels = KERNELS_OF_LAYER * model.layers + OTHER_KERNELS
        left = sums[0] / options.wanted - sums[4]
        print(f"\n{options.wanted:.0%} of {MEMORY / 1e12} TB/s: {sums[0] / options.wanted * 1e6:.0f} us for a step, of which "
              f"{left * 1e6:.0f} are left for {kernels} kernels to start and end: {left / kernels * 1e6:.2f} each")


if __name__ == "__main__":
    main()
