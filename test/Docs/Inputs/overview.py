"""Checks that the excerpts of a page are in the files that compilation leaves behind.

overview.py PAGE DIRECTORY    A block tagged "mlir PHASE" is looked for in DIRECTORY/NN-PHASE.mlir, one tagged
"text NAME" in DIRECTORY/NAME.txt: its lines must be there in this order. `...` stands for anything, in a line or
between lines; indentation does not count.
"""
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
import glob
import re
import sys

page, directory = sys.argv[1:]
text = open(page, encoding="utf-8").read()
blocks = re.findall(r"^```(mlir|text) (\S+)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
seen, wrong = set(), 0
for language, name, block in blocks:
    pattern = f"{directory}/[0-9][0-9]-{name}.mlir" if language == "mlir" else f"{directory}/{name}.txt"
    files = glob.glob(pattern)
    if len(files) != 1:
        sys.exit(f"{page}: expected one file {pattern}, but found {len(files)}")
    seen.add(name)
    lines = open(files[0], encoding="utf-8").read().splitlines()
    at = 0
    for wanted in block.splitlines():
        parts = [re.escape(part.strip()) for part in wanted.split("...")]
        line = re.compile(r"\s*" + ".*".join(parts) + r"\s*$")
        found = next((i for i in range(at, len(lines)) if line.match(lines[i])), None)
        if found is None:
            print(f"{page}: {name}: expected after line {at} of {files[0]}: {wanted.strip()}")
            wrong += 1
        elif wanted.strip() != "...":
            at = found + 1
print("checked", len(blocks), "excerpts:", ", ".join(sorted(seen)))
sys.exit(wrong > 0)
