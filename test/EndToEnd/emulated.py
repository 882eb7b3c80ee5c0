#!/usr/bin/env python3
"""Compares kernels of encodings on the emulator with the CPU's exact logits, by the measure of "golden.py half".

emulated.py KVASIR encodings MODEL WORK NAME...   a checkpoint with golden values, quantized to each NAME
emulated.py KVASIR caches MODEL WORK TYPE...      the same checkpoint as it is, with caches of each TYPE
emulated.py KVASIR files GOLDEN WORK FILE...      GGUF files; the golden values are of any checkpoint

The largest and the mean square error, relative to the logits', are at most 1.5 times those of
transformers' run of the golden model in bf16, and sm_80 gives the bits of sm_90.
SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import json
import os
import subprocess
import sys

from golden import load, prompts


def sizes(pairs):
    """Largest and mean square difference, relative to the second values'."""
    errors = [abs(a - b) if a == a else float("inf") for a, b in pairs]
    largest = max(errors) / max(abs(b) for _, b in pairs)
    return largest, (sum(e * e for e in errors) / sum(b * b for _, b in pairs)) ** 0.5


def rows(tensors, name):
    count = sum(key.startswith("ids_") for key in tensors)
    return [value for i in range(count) for value in tensors[f"{name}_{i}"][1]]


def kvasir(*arguments):
    subprocess.run([sys.argv[1], *arguments], check=True, stdout=subprocess.DEVNULL)


def logits(model, ids, work, name, options, variants):
    artifact = os.path.join(work, name + ".kvasir")
    kvasir("compile", model, "-o", artifact, *([] if "--kv" in options else ["--kv", "f32"]), *options)
    results = []
    for variant in variants:
        out = f"{artifact}.{variant.split(':')[-1]}"
        kvasir("logits", artifact, "--ids", ids, "-o", out, *(("--variant", variant) if variant else ()))
        results.append([v for key, (_, values) in sorted(load(out).items()) if key.startswith("logits_")
                        for v in values])
    return results


def check(name, model, ids, work, options, bounds):
    (exact,) = logits(model, ids, work, name + ".cpu", [*options, "--activations", "exact", "--variant", "native"], [""])
    ninety, eighty = logits(model, ids, work, name + ".gpu", [*options, "--target", "emulate:sm_80+sm_90"],
                            ["emulate:sm_90", "emulate:sm_80"])
    assert ninety == eighty, f"{name}: sm_80 and sm_90 differ"
    found = sizes(list(zip(ninety, exact)))
    shares = [value / bound for value, bound in zip(found, bounds)]
    print(f"{name}: largest error {shares[0]:.2f}, root mean square {shares[1]:.2f} of that in bf16")
    assert max(shares) <= 1.5, name


def bf16(golden):
    tensors = load(golden)
    return sizes(list(zip(rows(tensors, "logits_bf16"), rows(tensors, "logits"))))


def each(option, model, work, *values):
    golden, ids = os.path.join(model, "golden.safetensors"), os.path.join(work, "ids.json")
    os.makedirs(work, exist_ok=True)
    prompts(golden, ids)
    for value in values:
        check(value, model, ids, work, [option, value], bf16(golden))


def encodings(*arguments):
    each("--quantize", *arguments)


def caches(*arguments):
    each("--kv", *arguments)


def files(golden, work, *paths):
    os.makedirs(work, exist_ok=True)
    for path in paths:
        name = os.path.splitext(os.path.basename(path))[0]
        ids = os.path.join(work, name + ".json")
        with open(ids, "w") as file:
            json.dump([list(load(os.path.splitext(path)[0] + ".golden.safetensors")["ids"][1])], file)
        check(name, path, ids, work, [], bf16(golden))


if __name__ == "__main__":
    {"encodings": encodings, "caches": caches, "files": files}[sys.argv[2]](*sys.argv[3:])
