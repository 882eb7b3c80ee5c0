#!/usr/bin/env python3
"""Counts the results that scripts/test.sh left in a directory; the last line is the sum.

SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import collections
import glob
import os
import sys
import xml.etree.ElementTree as ElementTree


def main(directory):
    total = collections.Counter()
    skipped = collections.Counter()
    for path in sorted(glob.glob(os.path.join(directory, "*.xml"))):
        suite = collections.Counter()
        for case in ElementTree.parse(path).getroot().iter("testcase"):
            if case.find("failure") is not None or case.find("error") is not None:
                kind = "failed"
            elif case.find("skipped") is not None or case.get("status") in ("notrun", "disabled"):
                kind = "skipped"
                reason = case.find("skipped")
                text = reason.get("message") if reason is not None else "not run"
                skipped[(text or "skipped by the test").strip()] += 1
            else:
                kind = "passed"
            suite[kind] += 1
        name = os.path.splitext(os.path.basename(path))[0]
        print(f"{name}: {suite['passed']} passed, {suite['failed']} failed, {suite['skipped']} skipped")
        if not suite:
            suite["failed"] += 1  # a suite that ran nothing is a failure
        total += suite
    steps = os.path.join(directory, "steps")
    if os.path.exists(steps):
        with open(steps) as file:
            for line in file:
                total["passed" if line.strip() == "pass" else "failed"] += 1
    for reason, count in skipped.most_common():
        print(f"skipped {count}: {reason}")
    print(f"{total['passed']} passed, {total['failed']} failed, {total['skipped']} skipped")
    return 1 if total["failed"] or not total["passed"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
