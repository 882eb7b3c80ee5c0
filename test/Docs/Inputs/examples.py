"""Prints the mlir examples of a page, split for kvasir-opt --split-input-file."""
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
import re
import sys
import textwrap

text = open(sys.argv[1], encoding="utf-8").read()
blocks = re.findall(r"^[ ]*```mlir\n(.*?)^[ ]*```$", text, re.DOTALL | re.MULTILINE)
if not blocks:
    sys.exit(f"{sys.argv[1]}: expected an example in a block of mlir, but found none")
print("// -----\n".join(textwrap.dedent(block) for block in blocks), end="")
