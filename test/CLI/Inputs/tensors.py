"""tensors.py FILE: name, type and shape of each tensor of a safetensors file, and i32 values.

SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import json
import struct
import sys

with open(sys.argv[1], "rb") as file:
    data = file.read()
(size,) = struct.unpack_from("<Q", data)
for name, tensor in json.loads(data[8 : 8 + size]).items():
    begin, end = (8 + size + offset for offset in tensor["data_offsets"])
    values = ""
    if tensor["dtype"] == "I32":
        values = struct.unpack(f"<{(end - begin) // 4}i", data[begin:end])
    print(name, tensor["dtype"], tensor["shape"], *values)
assert end == len(data)
