#!/usr/bin/env python3
"""Compiles a real shape with random weights for a target, and prints time and memory: code alone, then the artifact.

compile.py [--bin build/bin] [--work DIRECTORY] [--shape llama-3.1-8b] [--target cuda:sm_90] [--quantize int4-g128]
"Code alone" is everything but weights (for one GPU architecture: --emit cubin). The artifact of the 8B shape needs
16 GB in the work directory (default build/bench) in bf16, 4.5 GB in int4; it is removed afterwards.
SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import argparse
import json
import os

import make_model
from road import HERE, processor, timed


def measure(name, command):
    before = processor()
    seconds, peak = timed(command, watch=True)
    print(f"{name:<12} {seconds:6.1f} s, {processor() - before:6.1f} s of processor time, "
          f"{peak / 2**20:.0f} MiB of anonymous memory at most", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--bin", default=os.path.join(HERE, "..", "build", "bin"))
    parser.add_argument("--work", default=os.path.join(HERE, "..", "build", "bench"))
    parser.add_argument("--shape", default="llama-3.1-8b", choices=make_model.SHAPES)
    parser.add_argument("--target", default="cuda:sm_90")
    parser.add_argument("--quantize", metavar="ENCODING", help="of all weights, such as int4-g128")
    options = parser.parse_args()
    os.makedirs(options.work, exist_ok=True)
    model = os.path.join(options.work, options.shape + ".json")
    artifact = os.path.join(options.work, options.shape + ".compile.kvasir")
    with open(model, "w") as file:
        json.dump(make_model.config(make_model.SHAPES[options.shape]), file)
    command = [os.path.join(options.bin, "kvasir"), "compile", model, "--random-weights", "1", "--no-tokenizer",
               "--target", options.target, "-o", artifact]
    if options.quantize:
        command += ["--quantize", options.quantize]
    try:
        if options.target.startswith("cuda:") and "+" not in options.target and "," not in options.target:
            measure("code alone", command + ["--emit", "cubin"])
        measure("artifact", command)
        print(f"{'':<12} {os.path.getsize(artifact) / 1e9:.2f} GB")
    finally:
        if os.path.exists(artifact):
            os.remove(artifact)


if __name__ == "__main__":
    main()
