# Writes a safetensors file from the text of its header, however wrong.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""usage: raw.py DIRECTORY HEADER DATA_BYTES [HEADER_LENGTH]: beside a config.json of a llama"""
import os
import struct
import subprocess
import sys

directory, header, size = sys.argv[1], sys.argv[2].encode(), int(sys.argv[3])
length = int(sys.argv[4]) if len(sys.argv) > 4 else len(header)
maker = os.path.join(os.path.dirname(__file__), "checkpoint.py")
subprocess.run([sys.executable, maker, directory, "llama"], check=True)
with open(f"{directory}/model.safetensors", "wb") as file:
    file.write(struct.pack("<Q", length) + header + bytes(size))
