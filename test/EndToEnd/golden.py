#!/usr/bin/env python3
"""Compares logits of a model with golden values made by Hugging Face transformers.

golden.py prompts GOLDEN PROMPTS.json     writes the prompts, for `kvasir logits --ids`
golden.py compare GOLDEN OUT              |difference| <= 2e-4 * max(1, max |logit|) at every
                                          position; greedy ids equal where golden.json's gap allows
golden.py half GOLDEN OUT                 largest and mean square error from the f32 logits at most 1.5
                                          times that of transformers' own run in bf16
golden.py same OUT OUT...                 bits of all tensors are equal
golden.py close OUT OUT                   logits within 1e-3 * max(1, max |logit|)
golden.py mostly OUT OUT                  the same at 4 of 5 positions, at half of them a hundred times
                                          closer: where inputs are rounded to 8 bits, a tie may fall
                                          to the other side, and is seen by positions after it
SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import array
import json
import os
import struct
import sys

TYPES = {"F32": "f", "I32": "i", "I64": "q"}


def load(path):
    """{name: (shape, array)} of the F32, BF16 (widened), I32 and I64 tensors of a safetensors file."""
    with open(path, "rb") as file:
        data = file.read()
    size = struct.unpack("<Q", data[:8])[0]
    tensors = {}
    for name, entry in json.loads(data[8 : 8 + size]).items():
        if name == "__metadata__" or entry["dtype"] not in (*TYPES, "BF16"):
            continue
        begin, end = entry["data_offsets"]
        if entry["dtype"] == "BF16":
            words = array.array("H", data[8 + size + begin : 8 + size + end])
            wide = array.array("I", (word << 16 for word in words))
            tensors[name] = (entry["shape"], array.array("f", wide.tobytes()))
            continue
        values = array.array(TYPES[entry["dtype"]])
        values.frombytes(data[8 + size + begin : 8 + size + end])
        tensors[name] = (entry["shape"], values)
    return tensors


def prompts(golden, out):
    tensors = load(golden)
    count = sum(name.startswith("ids_") for name in tensors)
    with open(out, "w") as file:
        json.dump([list(tensors[f"ids_{i}"][1]) for i in range(count)], file)


def compare(golden, out):
    want, got = load(golden), load(out)
    count = sum(name.startswith("ids_") for name in want)
    gaps = json.load(open(os.path.join(os.path.dirname(golden), "golden.json")))["prompts"]
    worst = 0
    for i in range(count):
        shape, expected = want[f"logits_{i}"]
        assert got[f"logits_{i}"][0] == shape, (i, got[f"logits_{i}"][0], shape)
        actual = got[f"logits_{i}"][1]
        bound = 2e-4 * max(1, max(map(abs, expected)))
        error = max(abs(a - b) if a == a else float("inf") for a, b in zip(actual, expected))
        worst = max(worst, error / bound)
        assert error <= bound, f"prompt {i}: error {error:.3g} exceeds {bound:.3g}"
        if f"greedy_{i}" in got and gaps[i]["min_top2_margin"] > 2 * bound:
            ids = list(want[f"greedy_{i}"][1])
            assert list(got[f"greedy_{i}"][1]) == ids, (i, got[f"greedy_{i}"][1], ids)
    print(f"golden: {count} prompts, largest error {worst:.3f} of the bound")


def half(golden, out):
    want, got = load(golden), load(out)
    errors = {"ours": [], "theirs": []}
    for i in range(sum(name.startswith("ids_") for name in want)):
        expected = want[f"logits_{i}"][1]
        for name, actual in (("ours", got[f"logits_{i}"][1]), ("theirs", want[f"logits_bf16_{i}"][1])):
            assert len(actual) == len(expected), (i, len(actual), len(expected))
            errors[name] += [abs(a - b) if a == a else float("inf") for a, b in zip(actual, expected)]
    largest = max(errors["ours"]) / max(errors["theirs"])
    squares = {name: sum(e * e for e in list) for name, list in errors.items()}
    mean = (squares["ours"] / squares["theirs"]) ** 0.5
    print(f"half: largest error {largest:.3f}, root mean square {mean:.3f} of that of transformers in bf16")
    assert largest <= 1.5 and mean <= 1.5


def same(*paths):
    first = load(paths[0])
    for path in paths[1:]:
        other = load(path)
        for name in first:
            if name.startswith(("logits_", "greedy_")):
                equal = first[name][1].tobytes() == other[name][1].tobytes()
                assert equal, f"{name} of {path} differs from {paths[0]}"
    print(f"same: {len(paths)} files")


def close(path, other):
    want, got = load(path), load(other)
    worst = 0
    for name, (shape, expected) in want.items():
        bound = 1e-3 * max(1, max(map(abs, expected)))
        error = max(abs(a - b) if a == a else float("inf") for a, b in zip(got[name][1], expected))
        worst = max(worst, error / bound)
        assert error <= bound, f"{name}: error {error:.3g} exceeds {bound:.3g}"
    print(f"close: {len(want)} tensors, largest error {worst:.3f} of the bound")


def mostly(path, other):
    want, got = load(path), load(other)
    errors = []
    for name, ((rows, columns), expected) in want.items():
        bound = 1e-3 * max(1, max(map(abs, expected)))
        pairs = [abs(a - b) if a == a else float("inf") for a, b in zip(got[name][1], expected)]
        errors += [max(pairs[i * columns : (i + 1) * columns]) / bound for i in range(rows)]
    errors.sort()
    middle, most = errors[len(errors) // 2], errors[len(errors) * 4 // 5]
    assert middle <= 0.01 and most <= 1, f"errors of {middle:.3g} and {most:.3g} of the bound"
    print(f"mostly: {len(errors)} positions, {middle:.2g} of the bound at half, {errors[-1]:.2g} at most")


if __name__ == "__main__":
    {"prompts": prompts, "compare": compare, "same": same, "close": close,
     "mostly": mostly, "half": half}[sys.argv[1]](*sys.argv[2:])
