#!/usr/bin/env python3
"""Writes a small random llama twice: quantized, packed as a checkpoint of the given kind, and with the
values that the quantized one stands for, in F32.

quantized_model.py DIRECTORY KIND SEED     DIRECTORY/quantized, DIRECTORY/plain, DIRECTORY/prompts.json
KIND: gptq gptq-asym gptq-v2 gptq-int8 awq packed packed-asym packed-int8 int8 fp8-block fp8-row fp8-tensor
SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import json
import os
import random
import struct
import sys

HIDDEN, HEADS, KV, HEAD, FFN, VOCAB = 128, 4, 2, 32, 256, 101
AWQ_ORDER = [0, 2, 4, 6, 1, 3, 5, 7]


def f16(value):
    return struct.unpack("<e", struct.pack("<e", value))[0]


def f32(value):
    return struct.unpack("<f", struct.pack("<f", value))[0]


def bf16(value):
    return struct.unpack("<f", b"\0\0" + struct.pack("<f", value)[2:])[0]


def e4m3(code):
    exponent, mantissa = code >> 3 & 15, code & 7
    value = mantissa / 512 if exponent == 0 else (8 + mantissa) * 2.0 ** (exponent - 10)
    return -value if code & 128 else value


def pack(dtype, values):
    if dtype == "BF16":
        return b"".join(struct.pack("<f", v)[2:] for v in values)
    letter = {"F32": "f", "F16": "e", "I32": "I", "I64": "q", "I8": "b", "F8_E4M3": "B"}[dtype]
    return struct.pack(f"<{len(values)}{letter}", *values)


def words(columns, bits):
    """Numbers of `bits` bits as words, the first one lowest; the last word is filled with zeros."""
    per = 32 // bits
    return [sum(code << (bits * i) for i, code in enumerate(columns[at:at + per]))
            for at in range(0, len(columns), per)]


class Packer:
    """Codes and scales of one matrix: made up, packed, and decoded."""

    def __init__(self, kind, rng):
        self.kind, self.rng = kind, rng
        self.bits = 8 if "8" in kind else 4
        self.group = 0 if kind in ("packed-int8", "int8") else {"gptq-asym": 32, "awq": 64}.get(kind, 128)

    def matrix(self, rows, columns):
        group = self.group or columns
        codes = [[self.rng.randrange(1 << self.bits) for _ in range(columns)] for _ in range(rows)]
        asym = self.kind.endswith("asym") or self.kind in ("awq", "gptq-v2")
        zero = 1 << self.bits - 1
        low = 1 if self.kind.startswith("gptq") else 0
        zeros = [[self.rng.randrange(low, 16) if asym else zero for _ in range(columns // group)] for _ in range(rows)]
        narrow = bf16 if self.kind.startswith("packed") or self.kind == "int8" else f16
        scales = [[narrow(self.rng.uniform(0.5, 1.5) * 0.1 / zero) for _ in range(columns // group)]
                  for _ in range(rows)]
        values = [[f32(scales[r][c // group] * (codes[r][c] - zeros[r][c // group])) for c in range(columns)]
                  for r in range(rows)]
        return codes, scales, zeros, values

    def tensors(self, name, rows, columns):
        """{name: (dtype, shape, values)} of the checkpoint, and the decoded rows."""
        if self.kind.startswith("fp8"):
            return self.floats(name, rows, columns)
        codes, scales, zeros, values = self.matrix(rows, columns)
        groups, base = len(scales[0]), name.removesuffix(".weight")
        flat = lambda matrix: [x for line in matrix for x in line]
        across = lambda matrix: [list(line) for line in zip(*matrix)]
        if self.kind.startswith("gptq"):
            per, less = 32 // self.bits, 0 if self.kind == "gptq-v2" else 1
            qweight = across([words(line, self.bits) for line in codes])
            qzeros = [words([z - less for z in line], self.bits) for line in across(zeros)]
            return {base + ".qweight": ("I32", [columns // per, rows], flat(qweight)),
                    base + ".qzeros": ("I32", [groups, rows // per], flat(qzeros)),
                    base + ".scales": ("F16", [groups, rows], flat(across(scales))),
                    base + ".g_idx": ("I32", [columns], [c // self.group for c in range(columns)])}, values
        if self.kind == "awq":
            def line(numbers):
                return [sum(numbers[at + AWQ_ORDER[i]] << (4 * i) for i in range(8)) for at in range(0, rows, 8)]
            return {base + ".qweight": ("I32", [columns, rows // 8], flat(map(line, across(codes)))),
                    base + ".qzeros": ("I32", [groups, rows // 8], flat(map(line, across(zeros)))),
                    base + ".scales": ("F16", [groups, rows], flat(across(scales)))}, values
        if self.kind == "int8":
            return {name: ("I8", [rows, columns], [code - 128 for code in flat(codes)]),
                    base + ".weight_scale": ("BF16", [rows, 1], flat(scales))}, values
        per = 32 // self.bits
        result = {base + ".weight_packed": ("I32", [rows, columns // per], flat(words(line, self.bits) for line in codes)),
                  base + ".weight_scale": ("BF16", [rows, groups], flat(scales)),
                  base + ".weight_shape": ("I64", [2], [rows, columns])}
        if self.kind == "packed-asym":
            packed = across([words(line, 4) for line in across(zeros)])
            result[base + ".weight_zero_point"] = ("I32", [rows // 8, groups], flat(packed))
        return result, values

    def floats(self, name, rows, columns):
        codes = [[self.rng.choice([c for c in range(256) if c & 127 < 0x60]) for _ in range(columns)]
                 for _ in range(rows)]
        down, across = {"fp8-block": (128, 128), "fp8-row": (1, columns), "fp8-tensor": (rows, columns)}[self.kind]
        shape = [-(-rows // down), -(-columns // across)]
        scales = [[f32(self.rng.uniform(0.5, 1.5) * 0.003) for _ in range(shape[1])] for _ in range(shape[0])]
        values = [[f32(scales[r // down][c // across] * e4m3(codes[r][c])) for c in range(columns)] for r in range(rows)]
        base = name.removesuffix(".weight")
        scale = base + (".weight_scale_inv" if self.kind == "fp8-block" else ".weight_scale")
        return {name: ("F8_E4M3", [rows, columns], [c for line in codes for c in line]),
                scale: ("F32", [1] if self.kind == "fp8-tensor" else shape, [s for line in scales for s in line])}, values


def quantization(kind):
    if kind.startswith("gptq"):
        return {"quant_method": "gptq", "bits": 8 if kind == "gptq-int8" else 4,
                "group_size": 32 if kind == "gptq-asym" else 128, "desc_act": False,
                "sym": kind in ("gptq", "gptq-int8"), "checkpoint_format": "gptq_v2" if kind == "gptq-v2" else "gptq"}
    if kind == "awq":
        return {"quant_method": "awq", "bits": 4, "group_size": 64, "zero_point": True, "version": "gemm"}
    if kind == "fp8-block":
        return {"quant_method": "fp8", "fmt": "e4m3", "weight_block_size": [128, 128], "activation_scheme": "dynamic"}
    weights = {"num_bits": 8 if "8" in kind else 4, "type": "float" if kind.startswith("fp8") else "int",
               "symmetric": kind != "packed-asym", "strategy": "group" if kind in ("packed", "packed-asym") else
               "tensor" if kind == "fp8-tensor" else "channel"}
    if weights["strategy"] == "group":
        weights["group_size"] = 128
    form = {"p": "pack-quantized", "i": "int-quantized", "f": "float-quantized"}[kind[0]]
    return {"quant_method": "compressed-tensors", "format": form, "ignore": ["lm_head"],
            "config_groups": {"group_0": {"targets": ["Linear"], "weights": weights, "input_activations": None}}}


def write(directory, config, tensors):
    os.makedirs(directory, exist_ok=True)
    with open(os.path.join(directory, "config.json"), "w") as file:
        json.dump(config, file)
    header, data = {}, b""
    for name, (dtype, shape, values) in tensors.items():
        values = pack(dtype, values)
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(values)]}
        data += values
    text = json.dumps(header).encode()
    with open(os.path.join(directory, "model.safetensors"), "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


def main(directory, kind, seed):
    rng = random.Random(int(seed))
    packer, quantized, plain = Packer(kind, rng), {}, {}

    def both(name, shape, centre=0.0):
        values = [bf16(centre + rng.uniform(-0.1, 0.1)) for _ in range(shape[0] * (shape + [1])[1])]
        quantized[name] = plain[name] = ("F32", shape, values)

    both("model.embed_tokens.weight", [VOCAB, HIDDEN])
    both("lm_head.weight", [VOCAB, HIDDEN])
    both("model.norm.weight", [HIDDEN], 1.0)
    for norm in ("input_layernorm", "post_attention_layernorm"):
        both(f"model.layers.0.{norm}.weight", [HIDDEN], 1.0)
    for name, rows, columns in (("self_attn.q_proj", HEADS * HEAD, HIDDEN), ("self_attn.k_proj", KV * HEAD, HIDDEN),
                                ("self_attn.v_proj", KV * HEAD, HIDDEN), ("self_attn.o_proj", HIDDEN, HEADS * HEAD),
                                ("mlp.gate_proj", FFN, HIDDEN), ("mlp.up_proj", FFN, HIDDEN),
                                ("mlp.down_proj", HIDDEN, FFN)):
        name = f"model.layers.0.{name}.weight"
        tensors, values = packer.tensors(name, rows, columns)
        quantized.update(tensors)
        plain[name] = ("F32", [rows, columns], [x for line in values for x in line])
    config = {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": HIDDEN,
              "intermediate_size": FFN, "num_hidden_layers": 1, "num_attention_heads": HEADS,
              "num_key_value_heads": KV, "head_dim": HEAD, "vocab_size": VOCAB, "max_position_embeddings": 256,
              "hidden_act": "silu", "rms_norm_eps": 1e-6, "rope_theta": 10000.0, "tie_word_embeddings": False}
    write(os.path.join(directory, "plain"), config, plain)
    write(os.path.join(directory, "quantized"), config | {"quantization_config": quantization(kind)}, quantized)
    with open(os.path.join(directory, "prompts.json"), "w") as file:
        json.dump([[rng.randrange(VOCAB) for _ in range(n)] for n in (1, 7, 40)], file)


if __name__ == "__main__":
    main(*sys.argv[1:])
