#!/usr/bin/env python3
"""Compiles, loads and decodes a random checkpoint of a real size and prints each figure beside its bound.

road.py [--bin build/bin] [--work DIRECTORY] [--shape llama-3.2-1b] [--rounds 3]
        [--quantize int4-g128] [--no-decode]
The work directory (default build/bench) needs about three times the size of the checkpoint.
SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))


def timed(command, watch=False):
    """(seconds, peak RssAnon in bytes of the process tree's largest member, if watched)."""
    start, peak = time.monotonic(), 0
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None:
        if watch:
            peak = max(peak, anonymous(process.pid))
        time.sleep(0.01)
    if process.returncode:
        sys.exit(f"{' '.join(command)} ended with {process.returncode}")
    return time.monotonic() - start, peak


def processor():
    """Seconds of processor time of the commands that have ended: what a busy machine changes least."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def anonymous(pid):
    try:
        with open(f"/proc/{pid}/status") as file:
            own = next((int(line.split()[1]) << 10 for line in file if line.startswith("RssAnon")), 0)
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            return max([own] + [anonymous(int(child)) for child in file.read().split()])
    except OSError:
        return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--bin", default=os.path.join(HERE, "..", "build", "bin"))
    parser.add_argument("--work", default=os.path.join(HERE, "..", "build", "bench"))
    parser.add_argument("--shape", default="llama-3.2-1b")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--quantize", metavar="ENCODING", help="of all weights, such as int4-g128")
    parser.add_argument("--no-decode", action="store_true", help="compile and load only")
    options = parser.parse_args()
    kvasir = os.path.join(options.bin, "kvasir")
    model = os.path.join(options.work, options.shape)
    artifact = model + (f"-{options.quantize}" if options.quantize else "") + ".kvasir"
    encoding = ["--quantize", options.quantize] if options.quantize else []
    weights = os.path.join(model, "model.safetensors")
    os.makedirs(options.work, exist_ok=True)
    if not os.path.exists(weights):
        subprocess.run([sys.executable, os.path.join(HERE, "make_model.py"), model, "--shape",
                        options.shape], check=True)

    copies, compiles, worked, peak = [], [], [], 0
    for _ in range(options.rounds):
        copy = os.path.join(options.work, "copy")
        copies.append(timed(["dd", f"if={weights}", f"of={copy}", "bs=16M", "conv=fsync"])[0])
        os.remove(copy)
        before = processor()
        seconds, rss = timed([kvasir, "compile", model, "-o", artifact, *encoding], watch=True)
        compiles.append(seconds)
        worked.append(processor() - before)
        peak = max(peak, rss)
    load = min(timed([kvasir, "inspect", artifact])[0] for _ in range(5))
    runs = []
    for _ in range(0 if options.no_decode else options.rounds):
        out = subprocess.run([kvasir, "bench", artifact, "--threads", str(options.threads), "--batches",
                              "1,2,4,8,12,16", "--prefill", "256", "--context", "16", "--new-tokens", "24",
                              "--json"], check=True, capture_output=True).stdout
        runs.append(json.loads(out))

    def median(of):
        return statistics.median(of(run) for run in runs)

    copy, compiled = statistics.median(copies), statistics.median(compiles)
    print(f"{options.shape}, {options.quantize or 'as stored'}, {options.threads} threads, "
          f"medians of {options.rounds} rounds")
    print(f"compile     {compiled:.1f} s, {statistics.median(worked):.1f} s of processor time; "
          f"dd of the checkpoint with fsync {copy:.1f} s; bound {2 * copy + 60:.1f} s")
    print(f"memory      {peak / 2**20:.0f} MiB anonymous at most; bound 1536 MiB")
    print(f"load        {1000 * load:.0f} ms (the whole of `kvasir inspect`); bound 200 ms")
    if not runs:
        return
    print(f"bandwidth   {median(lambda r: r['read_bandwidth']) / 1e9:.1f} GB/s read, measured in the same runs")
    first = median(lambda r: r["decode"][0]["tokens_per_second"])
    print("batch  tokens/s  of bandwidth  times batch 1")
    for i, row in enumerate(runs[0]["decode"]):
        speed = median(lambda r: r["decode"][i]["tokens_per_second"])
        share = median(lambda r: r["decode"][i]["bandwidth_fraction"])
        print(f"{row['batch']:5}  {speed:8.1f}  {100 * share:10.0f} %  {speed / first:13.2f}")
    for i, row in enumerate(runs[0]["prefill"]):
        print(f"prefill {row['tokens']}: {median(lambda r: r['prefill'][i]['tokens_per_second']):.1f} tokens/s")


if __name__ == "__main__":
    main()
