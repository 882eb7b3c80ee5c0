#!/usr/bin/env python3
"""Decode and prefill of OpenVINO GenAI, in its continuous batching, as one JSON object.

openvino_bench.py MODEL_DIRECTORY [--threads 2] [--batches 1,8] [--prefill 256] [--context 16]
                  [--new-tokens 24] [--dynamic-group 128] [--precision f32]
Run by compare.py, with the Python of the environment that has openvino-genai. Requests are token ids;
decode counts steps in which every request of the batch gets a token.
SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import argparse
import json
import random
import sys
import time

import numpy
import openvino
import openvino_genai


def numbers(text):
    return [int(number) for number in text.split(",") if number]


class Bench:
    def __init__(self, options):
        self.options = options
        self.random = random.Random(0)
        self.request = 0
        scheduler = openvino_genai.SchedulerConfig()
        scheduler.max_num_batched_tokens = 2048
        scheduler.max_num_seqs = max([1, *options.batches])
        scheduler.enable_prefix_caching = False
        scheduler.cache_size = 1  # GB
        self.properties = {"INFERENCE_NUM_THREADS": options.threads,
                           "DYNAMIC_QUANTIZATION_GROUP_SIZE": options.dynamic_group,
                           "INFERENCE_PRECISION_HINT": options.precision}
        self.pipe = openvino_genai.ContinuousBatchingPipeline(
            options.model, scheduler, "CPU", self.properties)

    def submit(self, prompt_tokens, new_tokens):
        ids = [self.random.randrange(16, 4000) for _ in range(prompt_tokens)]
        config = openvino_genai.GenerationConfig()
        config.max_new_tokens = new_tokens
        config.ignore_eos = True
        config.do_sample = False
        self.request += 1
        tensor = openvino.Tensor(numpy.array([ids], dtype=numpy.int64))
        return self.pipe.add_request(self.request, tensor, config)

    def finish(self):
        while self.pipe.has_non_finished_requests():
            self.pipe.step()

    def decode(self, batch):
        """Tokens per second of the whole batch."""
        steps = self.options.new_tokens
        handles = [self.submit(self.options.context, steps + 2) for _ in range(batch)]
        self.pipe.step()  # all prompts at once: they fit
        start = time.perf_counter()
        for _ in range(steps):
            self.pipe.step()
        seconds = time.perf_counter() - start
        for handle in handles:
            got = 0
            while handle.can_read():
                got += sum(len(output.generated_ids) for output in handle.read().values())
            if got != steps + 1:
                sys.exit(f"a request of {batch} has {got} tokens after {steps + 1} steps")
        self.finish()
        return batch * steps / seconds

    def prefill(self, tokens):
        handle = self.submit(tokens, 1)  # a request without its handle is given up
        start = time.perf_counter()
        self.finish()
        seconds = time.perf_counter() - start
        if not handle.can_read():
            sys.exit(f"a prompt of {tokens} tokens got no answer")
        return tokens / seconds

    def run(self):
        self.decode(1)  # the first requests compile and touch memory
        if self.options.prefill:
            self.prefill(self.options.prefill[0])
        return {"version": openvino_genai.get_version(), "properties": self.properties,
                "decode": [{"batch": n, "tokens_per_second": self.decode(n)} for n in self.options.batches],
                "prefill": [{"tokens": n, "tokens_per_second": self.prefill(n)} for n in self.options.prefill]}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batches", type=numbers, default=[1])
    parser.add_argument("--prefill", type=numbers, default=[256])
    parser.add_argument("--context", type=int, default=16)
    parser.add_argument("--new-tokens", type=int, default=24)
    parser.add_argument("--dynamic-group", type=int, default=128)
    parser.add_argument("--precision", default="f32")
    print(json.dumps(Bench(parser.parse_args()).run()))


if __name__ == "__main__":
    main()
