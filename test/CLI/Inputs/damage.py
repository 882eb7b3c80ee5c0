"""damage.py IN OUT WHERE: copies an artifact and flips a bit of its header, module, code or weights,
or cuts it: cut=BYTES (negative: from the end), version=MINOR.

SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import struct
import sys

source, target, where = sys.argv[1:4]
with open(source, "rb") as file:
    data = bytearray(file.read())
module_offset, module_size = struct.unpack_from("<QQ", data, 24)
if where.startswith("cut="):
    data = data[: int(where[4:])]
elif where.startswith("version="):
    struct.pack_into("<H", data, 10, int(where[8:]))
elif where == "header":
    data[20] ^= 1
elif where == "module":
    data[module_offset + module_size // 2] ^= 16
elif where == "code":  # the first ELF object
    data[data.index(b"\x7fELF") + 300] ^= 1
elif where == "weights":  # at the end, or one page before the module at the end
    data[-1 if module_offset == 4096 else module_offset - 4096] ^= 1
with open(target, "wb") as file:
    file.write(data)
