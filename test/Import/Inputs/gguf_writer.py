# Writes GGUF files: metadata and tensors as bytes.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""write(path, metadata, tensors): `metadata` maps keys to values of Python (or to (kind, value) where the kind matters),
`tensors` maps names to (type, shape with the innermost dimension last, bytes)."""
import struct

UINT8, INT8, UINT16, INT16, UINT32, INT32, FLOAT32, BOOL, STRING, ARRAY, UINT64, INT64, FLOAT64 = range(13)
PACK = {UINT8: "B", INT8: "b", UINT16: "H", INT16: "h", UINT32: "I", INT32: "i", FLOAT32: "f", BOOL: "?",
        UINT64: "Q", INT64: "q", FLOAT64: "d"}
# name: (number, values of a block, bytes of a block)
TYPES = {"F32": (0, 1, 4), "F16": (1, 1, 2), "Q4_0": (2, 32, 18), "Q4_2": (4, 32, 18), "Q8_0": (8, 32, 34),
         "Q4_K": (12, 256, 144), "Q6_K": (14, 256, 210), "IQ2_XXS": (16, 256, 66), "I32": (26, 1, 4), "BF16": (30, 1, 2),
         "TQ1_0": (34, 256, 54), "MXFP4": (39, 32, 17), "unknown": (99, 1, 4)}


def text(value):
    data = value if isinstance(value, bytes) else value.encode()
    return struct.pack("<Q", len(data)) + data


def kind_of(value):
    for kind, python in ((BOOL, bool), (UINT32, int), (FLOAT32, float), (STRING, (str, bytes)), (ARRAY, list)):
        if isinstance(value, python):
            return INT32 if kind == UINT32 and value < 0 else kind
    raise ValueError(value)


def payload(kind, value):
    if kind == STRING:
        return text(value)
    if kind != ARRAY:
        return struct.pack("<" + PACK[kind], value)
    element = kind_of(value[0]) if value else UINT32
    if element == UINT32:
        element = INT32
    return struct.pack("<IQ", element, len(value)) + b"".join(payload(element, v) for v in value)


def entry(key, value):
    kind, value = value if isinstance(value, tuple) else (kind_of(value), value)
    return text(key) + struct.pack("<I", kind) + payload(kind, value)


def size_of(type_name, shape):
    _, values, size = TYPES[type_name]
    count = 1
    for dimension in shape:
        count *= dimension
    return count // values * size


def write(path, metadata, tensors, version=3):
    alignment = metadata.get("general.alignment", 32)
    header = struct.pack("<4sIQQ", b"GGUF", version, len(tensors), len(metadata))
    header += b"".join(entry(key, value) for key, value in metadata.items())
    data = b""
    for name, (type_name, shape, values) in tensors.items():
        header += text(name) + struct.pack("<I", len(shape)) + struct.pack(f"<{len(shape)}Q", *reversed(shape))
        header += struct.pack("<IQ", TYPES[type_name][0], len(data))
        data += values + b"\0" * (-len(values) % alignment)
    with open(path, "wb") as file:
        file.write(header + b"\0" * (-len(header) % alignment) + data)


def write_parts(path, metadata, tensors, parts):
    """path-00001-of-0000N.gguf and so on; the first part has the metadata."""
    names = list(tensors)
    for part in range(parts):
        own = {"split.no": (UINT16, part), "split.count": (UINT16, parts), "split.tensors.count": (INT32, len(names))}
        mine = {name: tensors[name] for name in names[part::parts]}
        write(f"{path}-{part + 1:05}-of-{parts:05}.gguf", {**own, **(metadata if part == 0 else {})}, mine)
