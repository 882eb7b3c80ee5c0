#!/usr/bin/env python3
"""Writes a random model as a GGUF file (version 3), for measurements against other programs on the same bits.

make_gguf.py FILE [--shape llama-3.2-1b] [--type Q4_0] [--seed 0]
Every matrix, the embedding included, has the type; norms are F32 ones. Values are normal with deviation
0.02, made of one pool of random blocks that is used from changing offsets. Shapes and tokenizer are
those of make_model.py. SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import argparse
import array
import math
import random
import struct

import make_model

ALIGNMENT = 32
# GGUF's numbers of value types.
UINT32, INT32, FLOAT32, BOOL, STRING, ARRAY = 4, 5, 6, 7, 8, 9
NORMAL_TOKEN, CONTROL_TOKEN = 1, 3


def half(value):
    return struct.pack("<e", value)


def q4_0(values):
    """A scale (f16) and 32 codes: value = scale * (code - 8), low nibbles first."""
    extreme = max(values, key=abs)
    scale = struct.unpack("<e", half(extreme / -8))[0]
    codes = [min(15, max(0, int(v / scale + 8.5))) if scale else 8 for v in values]
    return half(scale) + bytes(codes[i] | codes[i + 16] << 4 for i in range(16))


def q8_0(values):
    """A scale (f16) and 32 signed bytes."""
    scale = struct.unpack("<e", half(max(map(abs, values)) / 127))[0]
    codes = [max(-127, min(127, round(v / scale))) if scale else 0 for v in values]
    return half(scale) + struct.pack("<32b", *codes)


def bf16(values):
    halves = array.array("H")
    halves.frombytes(array.array("f", values).tobytes())
    return halves[1::2].tobytes()


# name: (number of the type, number of the file type, bytes of 32 values, encoder of 32 values)
TYPES = {
    "F32": (0, 0, 128, lambda values: struct.pack("<32f", *values)),
    "F16": (1, 1, 64, lambda values: struct.pack("<32e", *values)),
    "Q4_0": (2, 2, 18, q4_0),
    "Q8_0": (8, 7, 34, q8_0),
    "BF16": (30, 32, 64, bf16),
}


def text(value):
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def entry(key, kind, value):
    """A key and its value; `value` of a list is (type of the elements, bytes of each)."""
    packers = {UINT32: "<I", INT32: "<i", FLOAT32: "<f", BOOL: "<?"}
    if kind == STRING:
        data = text(value)
    elif kind == ARRAY:
        data = struct.pack("<IQ", value[0], len(value[1])) + b"".join(value[1])
    else:
        data = struct.pack(packers[kind], value)
    return text(key) + struct.pack("<I", kind) + data


def rope_factors(config):
    """What llama3 scaling divides each frequency by."""
    rope, half_head = config["rope_parameters"], config["head_dim"] // 2
    old, factor = rope["original_max_position_embeddings"], rope["factor"]
    low, high = rope["low_freq_factor"], rope["high_freq_factor"]
    factors = []
    for i in range(half_head):
        turns = old * rope["rope_theta"] ** (-i / half_head) / (2 * math.pi)
        smooth = min(1.0, max(0.0, (turns - low) / (high - low)))
        factors.append(1 / ((1 - smooth) / factor + smooth))
    return factors


def metadata(name, config, tokenizer, file_type):
    vocabulary = sorted(tokenizer["model"]["vocab"].items(), key=lambda item: item[1])
    special = {token["id"] for token in tokenizer["added_tokens"]}
    kinds = [CONTROL_TOKEN if i in special else NORMAL_TOKEN for _, i in vocabulary]
    return [
        entry("general.architecture", STRING, "llama"),
        entry("general.name", STRING, f"random {name}"),
        entry("general.alignment", UINT32, ALIGNMENT),
        entry("general.quantization_version", UINT32, 2),
        entry("general.file_type", UINT32, file_type),
        entry("llama.block_count", UINT32, config["num_hidden_layers"]),
        entry("llama.context_length", UINT32, config["max_position_embeddings"]),
        entry("llama.embedding_length", UINT32, config["hidden_size"]),
        entry("llama.feed_forward_length", UINT32, config["intermediate_size"]),
        entry("llama.attention.head_count", UINT32, config["num_attention_heads"]),
        entry("llama.attention.head_count_kv", UINT32, config["num_key_value_heads"]),
        entry("llama.attention.key_length", UINT32, config["head_dim"]),
        entry("llama.attention.value_length", UINT32, config["head_dim"]),
        entry("llama.attention.layer_norm_rms_epsilon", FLOAT32, config["rms_norm_eps"]),
        entry("llama.rope.freq_base", FLOAT32, config["rope_parameters"]["rope_theta"]),
        entry("llama.rope.dimension_count", UINT32, config["head_dim"]),
        entry("llama.vocab_size", UINT32, config["vocab_size"]),
        entry("tokenizer.ggml.model", STRING, "gpt2"),
        entry("tokenizer.ggml.pre", STRING, "gpt-2"),
        entry("tokenizer.ggml.tokens", ARRAY, (STRING, [text(token) for token, _ in vocabulary])),
        entry("tokenizer.ggml.token_type", ARRAY, (INT32, [struct.pack("<i", k) for k in kinds])),
        entry("tokenizer.ggml.merges", ARRAY, (STRING, [text(m) for m in tokenizer["model"]["merges"]])),
        entry("tokenizer.ggml.bos_token_id", UINT32, config["bos_token_id"]),
        entry("tokenizer.ggml.eos_token_id", UINT32, config["eos_token_id"]),
        entry("tokenizer.ggml.add_bos_token", BOOL, False),
    ]


def tensors(shape, config):
    """(name, [rows, columns] or [size]) of every tensor, in order."""
    names = {"input_layernorm": "attn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k",
             "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
             "post_attention_layernorm": "ffn_norm", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
             "mlp.down_proj": "ffn_down", "model.embed_tokens": "token_embd", "model.norm": "output_norm",
             "lm_head": "output"}
    yield "rope_freqs.weight", [config["head_dim"] // 2]
    for name, dimensions in make_model.tensors(shape):
        name = name.removesuffix(".weight")
        prefix = ""
        if name.startswith("model.layers."):
            _, _, layer, name = name.split(".", 3)
            prefix = f"blk.{layer}."
        yield f"{prefix}{names[name]}.weight", dimensions


def align(file):
    file.write(b"\0" * (-file.tell() % ALIGNMENT))


def write_matrix(file, blocks, pool, block_bytes, rng):
    """`blocks` blocks, in runs of the pool that start anywhere in it."""
    count = len(pool) // block_bytes
    while blocks:
        start = rng.randrange(count)
        run = min(blocks, count - start)
        file.write(memoryview(pool)[start * block_bytes : (start + run) * block_bytes])
        blocks -= run


def write(path, name, type_name, seed, pool_blocks=1 << 15):
    shape = make_model.SHAPES[name]
    config = make_model.config(shape)
    number, file_type, block_bytes, encode = TYPES[type_name]
    rng = random.Random(seed)
    pool = b"".join(encode([rng.gauss(0, 0.02) for _ in range(32)]) for _ in range(pool_blocks))
    entries = metadata(name, config, make_model.tokenizer(shape["vocab"], seed), file_type)
    table, offset, all_tensors = [], 0, list(tensors(shape, config))
    for tensor, dimensions in all_tensors:
        matrix = len(dimensions) == 2
        table.append(text(tensor) + struct.pack("<I", len(dimensions)) +
                     struct.pack(f"<{len(dimensions)}Q", *reversed(dimensions)) +
                     struct.pack("<IQ", number if matrix else TYPES["F32"][0], offset))
        size = math.prod(dimensions) // 32 * block_bytes if matrix else 4 * dimensions[0]
        offset += size + -size % ALIGNMENT
    with open(path, "wb") as file:
        file.write(b"GGUF" + struct.pack("<IQQ", 3, len(table), len(entries)))
        file.write(b"".join(entries) + b"".join(table))
        align(file)
        for tensor, dimensions in all_tensors:
            if tensor == "rope_freqs.weight":
                file.write(struct.pack(f"<{dimensions[0]}f", *rope_factors(config)))
            elif len(dimensions) == 1:
                file.write(struct.pack("<f", 1) * dimensions[0])
            else:
                write_matrix(file, math.prod(dimensions) // 32, pool, block_bytes, rng)
            align(file)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("file")
    parser.add_argument("--shape", choices=make_model.SHAPES, default="llama-3.2-1b")
    parser.add_argument("--type", choices=TYPES, default="Q4_0")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    write(options.file, options.shape, options.type, options.seed)


if __name__ == "__main__":
    main()
