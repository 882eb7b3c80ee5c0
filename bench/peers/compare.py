#!/usr/bin/env python3
"""Measures Kvasir and other programs in turns, in one run, and prints tables in Markdown.

compare.py --kvasir build/bin/kvasir
           [--llama ARTIFACT GGUF DIRECTORY_OF_LLAMA_BINARIES]
           [--openvino ARTIFACT MODEL_DIRECTORY PYTHON_OF_ITS_ENVIRONMENT]
           [--batches 1,2,3,5,8,16] [--prefill 256] [--threads 2] [--rounds 3] [--json FILE]
README.md beside this file says how the others are set up. Every round runs both programs of a pair, in
changing order, and measures the read bandwidth around each. Speeds are medians over the rounds.
SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import argparse
import json
import os
import platform
import statistics
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


def output(command):
    process = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if process.returncode:
        sys.stderr.write(process.stderr.decode(errors="replace")[-2000:])
        sys.exit(f"{' '.join(map(str, command))} ended with {process.returncode}")
    return process.stdout.decode()


def joined(values):
    return ",".join(map(str, values))


def speeds(result):
    """(kind, size) to tokens per second."""
    found = {("decode", row["batch"]): row["tokens_per_second"] for row in result["decode"]}
    return found | {("prefill", row["tokens"]): row["tokens_per_second"] for row in result["prefill"]}


class Kvasir:
    def __init__(self, options, artifact):
        self.options, self.artifact = options, artifact
        self.name = output([options.kvasir, "--version"]).strip()

    def flags(self):
        o = self.options
        flags = ["--threads", o.threads, "--context", o.context, "--new-tokens", o.new_tokens, "--repeat", 1]
        flags += ["--batches", joined(o.batches)] if o.batches else ["--no-decode"]
        return flags + (["--prefill", joined(o.prefill)] if o.prefill else ["--no-prefill"])

    def describe(self):
        return f"{self.name}: `kvasir bench {os.path.basename(self.artifact)} {' '.join(map(str, self.flags()))}`"

    def run(self):
        return json.loads(output([self.options.kvasir, "bench", self.artifact, "--json", *self.flags()]))


class Llama:
    """llama-batched-bench for decode, llama-bench for prefill."""

    def __init__(self, options, gguf, directory):
        self.options, self.gguf, self.directory = options, gguf, directory
        self.name = "llama.cpp"

    def decode_flags(self):
        o = self.options
        cells = max([1, *o.batches]) * (o.context + o.new_tokens)
        return ["-c", -(-cells // 256) * 256, "-npp", o.context, "-ntg", o.new_tokens,
                "-npl", joined(o.batches), "-t", o.threads, "-tb", o.threads]

    def prefill_flags(self):
        return ["-p", joined(self.options.prefill), "-n", 0, "-t", self.options.threads, "-r", 1]

    def describe(self):
        flags = [" ".join(map(str, flags)) for flags in (self.decode_flags(), self.prefill_flags())]
        return (f"{self.name} ({self.options.llama_version}), {os.path.basename(self.gguf)}: "
                f"`llama-batched-bench {flags[0]}`, `llama-bench {flags[1]}`")

    def program(self, name):
        return [os.path.join(self.directory, name), "-m", self.gguf]

    def run(self):
        decode, prefill = [], []
        if self.options.batches:
            lines = output([*self.program("llama-batched-bench"), *self.decode_flags(), "--output-format", "jsonl"])
            rows = [json.loads(line) for line in lines.splitlines() if line.startswith("{")]
            decode = [{"batch": row["pl"], "tokens_per_second": row["speed_tg"]} for row in rows]
        if self.options.prefill:
            rows = json.loads(output([*self.program("llama-bench"), *self.prefill_flags(), "-o", "json"]))
            prefill = [{"tokens": row["n_prompt"], "tokens_per_second": row["avg_ts"]} for row in rows]
        return {"decode": decode, "prefill": prefill}


class OpenVINO:
    def __init__(self, options, model, python):
        self.options, self.model, self.python = options, model, python
        self.name = "OpenVINO GenAI"
        self.version, self.properties = "", {}

    def describe(self):
        properties = ", ".join(f"{key}={value}" for key, value in self.properties.items())
        return f"{self.name} {self.version}, {os.path.basename(os.path.normpath(self.model))}: continuous batching, {properties}"

    def run(self):
        o = self.options
        result = json.loads(output([
            self.python, os.path.join(HERE, "openvino_bench.py"), self.model, "--threads", o.threads,
            "--batches", joined(o.batches), "--prefill", joined(o.prefill), "--context", o.context,
            "--new-tokens", o.new_tokens]).splitlines()[-1])
        self.version, self.properties = result["version"], result["properties"]
        return result


def bandwidth(options, artifact):
    """Bytes read per second, right now."""
    return json.loads(output([options.kvasir, "bench", artifact, "--threads", options.threads, "--no-prefill",
                              "--batches", 1, "--context", 1, "--new-tokens", 1, "--repeat", 1,
                              "--json"]))["read_bandwidth_before"]


def measure(options, kvasir, peer):
    """One entry per round: results of both and the bandwidth around the peer."""
    rounds = []
    for i in range(options.rounds):
        entry = {"load": os.getloadavg()[0]}
        for program in (kvasir, peer) if i % 2 == 0 else (peer, kvasir):
            if program is kvasir:
                entry["kvasir"] = kvasir.run()
                continue
            before = bandwidth(options, kvasir.artifact)
            entry["peer"] = peer.run()
            entry["peer_bandwidth"] = [before, bandwidth(options, kvasir.artifact)]
        rounds.append(entry)
        print(f"round {i + 1} of {options.rounds}: {peer.name}", file=sys.stderr)
    return rounds


def table(options, kvasir, peer, rounds):
    keys = [("decode", n) for n in options.batches] + [("prefill", n) for n in options.prefill]
    ours = [speeds(entry["kvasir"]) for entry in rounds]
    theirs = [speeds(entry["peer"]) for entry in rounds]

    def median(of, key):
        return statistics.median(run[key] for run in of)

    def row(title, cell):
        return f"| {title} | " + " | ".join(cell(key) for key in keys) + " |"

    def ratio(key):
        each = [a[key] / b[key] for a, b in zip(ours, theirs)]
        return f"**{median(ours, key) / median(theirs, key):.2f}** ({min(each):.2f}-{max(each):.2f})"

    def share(key):
        kind, size = key
        name, field = ("batch", "bandwidth_fraction") if kind == "decode" else ("tokens", "peak_fraction")
        each = [line[field] for entry in rounds for line in entry["kvasir"][kind] if line[name] == size]
        return "-" if None in each else f"{100 * statistics.median(each):.0f}%"

    def gigabytes(pairs):
        return ", ".join(f"{before / 1e9:.1f}/{after / 1e9:.1f}" for before, after in pairs)

    around = [(e["kvasir"]["read_bandwidth_before"], e["kvasir"]["read_bandwidth_after"]) for e in rounds]
    lines = [row("tokens/s", lambda key: ("batch " if key[0] == "decode" else "prefill ") + str(key[1])),
             "|---" * (len(keys) + 1) + "|",
             row(f"Kvasir, {os.path.basename(kvasir.artifact)}", lambda key: f"{median(ours, key):.1f}"),
             row("its share of the bandwidth, of the int8 peak (prefill)", share),
             row(peer.name, lambda key: f"{median(theirs, key):.1f}"),
             row("ratio (least and most of a round)", ratio), "",
             f"{len(rounds)} rounds in turns, {options.threads} threads on {cpu()}; context {options.context}, "
             f"{options.new_tokens} steps. Read bandwidth before/after each run of Kvasir: {gigabytes(around)} GB/s; "
             f"of {peer.name}: {gigabytes(e['peer_bandwidth'] for e in rounds)} GB/s. Load averages when rounds "
             f"began: {', '.join(format(e['load'], '.1f') for e in rounds)}.",
             "", f"- {kvasir.describe()}", f"- {peer.describe()}", ""]
    return "\n".join(lines)


def cpu():
    try:
        with open("/proc/cpuinfo") as file:
            return next(line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.machine()


def numbers(text):
    return [int(number) for number in text.split(",") if number]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kvasir", required=True, help="the program kvasir")
    parser.add_argument("--llama", nargs=3, metavar=("ARTIFACT", "GGUF", "BINARIES"))
    parser.add_argument("--llama-version", default="version not given")
    parser.add_argument("--openvino", nargs=3, metavar=("ARTIFACT", "MODEL", "PYTHON"))
    parser.add_argument("--batches", type=numbers, default=[1, 2, 3, 5, 8, 16])
    parser.add_argument("--prefill", type=numbers, default=[256])
    parser.add_argument("--context", type=int, default=16)
    parser.add_argument("--new-tokens", type=int, default=24)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", metavar="FILE", help="all results of all rounds")
    options = parser.parse_args()
    if options.rounds < 1 or not (options.llama or options.openvino):
        parser.error("expected --llama or --openvino, and at least one round")
    pairs = []
    if options.llama:
        pairs.append((options.llama[0], Llama(options, *options.llama[1:])))
    if options.openvino:
        pairs.append((options.openvino[0], OpenVINO(options, *options.openvino[1:])))
    everything = {}
    for artifact, peer in pairs:
        kvasir = Kvasir(options, artifact)
        rounds = everything[peer.name] = measure(options, kvasir, peer)
        print(table(options, kvasir, peer, rounds), flush=True)
    if options.json:
        with open(options.json, "w") as file:
            json.dump(everything, file, indent=1)


if __name__ == "__main__":
    main()
