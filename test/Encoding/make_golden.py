"""Random blocks of GGUF's types and their values as gguf-py decodes them, written to gguf-blocks.txt.

Each line: name, bytes of the blocks in hexadecimal, little endian f32 values in hexadecimal.
    pip install gguf; python make_golden.py > gguf-blocks.txt
SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import numpy as np
from gguf import GGMLQuantizationType as Type, GGML_QUANT_SIZES
from gguf.quants import dequantize

# Places of the f16 numbers in a block: random bits there would be huge or not finite.
HALVES = {"Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q2_K": [80, 82],
          "Q3_K": [108], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208], "IQ4_NL": [0], "IQ4_XS": [0], "MXFP4": []}

random = np.random.default_rng(7)
for name, halves in HALVES.items():
    values, size = GGML_QUANT_SIZES[Type[name]]
    count = 1 if values == 256 else 3
    blocks = random.integers(0, 256, (count, size), dtype=np.uint8)
    for at in halves:
        blocks[:, at:at + 2] = random.normal(0, 0.1, (count, 1)).astype("<f2").view(np.uint8)
    if name == "MXFP4":
        blocks[:, 0] = [0, 1, 120]
    decoded = dequantize(blocks.reshape(-1), Type[name]).astype("<f4")
    print(name, blocks.tobytes().hex(), decoded.tobytes().hex())
