#!/usr/bin/env python3
# Compares the JSON lines of `kvasir run FILE --prompts-file F --json` with the answers in prompts.json.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
import argparse
import json
import sys
from pathlib import Path

from tasks import TASKS, unseen

HERE = Path(__file__).resolve().parent


def read_results(stream):
    """{prompt index: text} of the result lines. Other JSON objects (a summary, say) and blank lines are passed over."""
    results = {}
    for number, line in enumerate(stream, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            sys.exit(f"line {number}: expected a JSON object, but got {line.strip()[:60]!r} ({error})")
        if not isinstance(row, dict) or "index" not in row:
            continue
        if not isinstance(row["index"], int) or not isinstance(row.get("text"), str):
            sys.exit(f"line {number}: expected an integer 'index' and a string 'text', but got {line.strip()[:60]!r}")
        if row["index"] in results:
            sys.exit(f"line {number}: expected one result per prompt, but got index {row['index']} a second time")
        results[row["index"]] = (row.get("prompt"), row["text"])
    return results


def answer_of(prompt, result):
    """The generated text. A result that repeats its prompt, or shows the end token, is taken without them."""
    shown, text = result
    if shown is not None and shown != prompt:
        sys.exit(f"expected the prompt {prompt!r}, but got {shown!r}: were other prompts run?")
    return text.removeprefix("<s>").removeprefix(prompt).strip().removesuffix("</s>").strip()


def unseen_prompts(count):
    """The prompts of the table in README.md: train.py draws them with its seed (1) + 3."""
    return [dict(task=task, prompt=prompt, answer=answer.strip())
            for task in TASKS for prompt, answer in unseen(task, count, 4)]


def shorten(text, width):
    return text if len(text) <= width else text[:width - 3] + "..."


def main():
    parser = argparse.ArgumentParser(description="print each answer of `kvasir run --json`, and whether it is right")
    parser.add_argument("results", nargs="?", help="file of JSON lines (standard input if absent)")
    parser.add_argument("--prompts", type=Path, default=HERE / "prompts.json")
    parser.add_argument("--unseen", type=int, metavar="N",
                        help="instead of prompts.json: N unseen prompts per task, those of README.md with 500")
    parser.add_argument("--write-prompts", type=Path, metavar="FILE",
                        help="write the prompts, one per line, for `kvasir run --prompts-file`, and stop")
    parser.add_argument("--at-least", type=float, default=95.0, metavar="PERCENT",
                        help="exit with 1 if fewer checkable answers are right (default: 95)")
    parser.add_argument("--summary", action="store_true", help="print only the counts per task")
    options = parser.parse_args()

    prompts = unseen_prompts(options.unseen) if options.unseen else json.loads(options.prompts.read_text())
    if options.write_prompts:
        options.write_prompts.write_text("".join(row["prompt"] + "\n" for row in prompts))
        return 0
    if options.results:
        with open(options.results, encoding="utf-8") as stream:
            results = read_results(stream)
    else:
        results = read_results(sys.stdin)

    width, counts = max(len(row["prompt"]) for row in prompts), {}
    for index, row in enumerate(prompts):
        given = answer_of(row["prompt"], results[index]) if index in results else None
        if row["answer"] is None:
            verdict = "-" if given else "empty"
        else:
            right, asked = counts.get(row["task"], (0, 0))
            counts[row["task"]] = (right + (given == row["answer"]), asked + 1)
            verdict = ("right" if given == row["answer"] else "no result" if given is None else
                       f"wrong, expected {row['answer']}")
        if not options.summary:
            print(f"{row['prompt']:<{width}}  {shorten(given or '', 40):<40}  {verdict}")

    # A story has no single right answer: its count is shown, and not part of the sum.
    right, asked = (sum(column) for column in zip(*(count for task, count in counts.items() if task != "story")))
    share = 100 * right / asked
    print("" if options.summary else "\n", end="")
    print("  ".join(f"{task} {r}/{n}" for task, (r, n) in sorted(counts.items())))
    print(f"{right} of {asked} right ({share:.1f}%)")
    missing = len(prompts) - len(results.keys() & set(range(len(prompts))))
    if missing:
        print(f"{missing} of {len(prompts)} prompts have no result")
    return 0 if share >= options.at_least and not missing else 1


if __name__ == "__main__":
    sys.exit(main())
