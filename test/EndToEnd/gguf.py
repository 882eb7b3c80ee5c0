#!/usr/bin/env python3
"""Compares logits of GGUF files with golden values that transformers made of the decoded weights.

gguf.py prompts GOLDEN PROMPTS.json    writes the prompt, for `kvasir logits --ids`
gguf.py compare GOLDEN OUT             |difference| <= 1e-3 * max |logit| at every position
gguf.py divergence EVAL.json BOUND     what `kvasir eval --reference --json` says is at most that
SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import json
import sys

from golden import load


def prompts(golden, out):
    with open(out, "w") as file:
        json.dump([list(load(golden)["ids"][1])], file)


def compare(golden, out):
    (shape, expected), (got_shape, actual) = load(golden)["logits"], load(out)["logits_0"]
    assert shape == got_shape, (shape, got_shape)
    bound = 1e-3 * max(map(abs, expected))
    error = max(abs(a - b) if a == a else float("inf") for a, b in zip(actual, expected))
    assert error <= bound, f"error {error:.3g} exceeds {bound:.3g}"
    print(f"golden: largest error {error / bound:.2g} of the bound")


def divergence(path, bound):
    with open(path) as file:
        result = json.load(file)
    assert result["kl_divergence"] <= float(bound), f"{result['kl_divergence']:.3g} exceeds {bound}"
    print(f"divergence: {result['kl_divergence']:.3g} over {result['predicted']} tokens, at most {bound}")


if __name__ == "__main__":
    {"prompts": prompts, "compare": compare, "divergence": divergence}[sys.argv[1]](*sys.argv[2:])
