#!/usr/bin/env python3
"""Writes a randomly initialised checkpoint in Hugging Face layout, for measurements of size and speed.

make_model.py DIRECTORY [--shape llama-3.2-1b] [--seed 0]
Weights are bf16, normal with deviation 0.02, made of one block of random values that is used from
changing offsets. The tokenizer is a byte-level BPE with as many entries as the vocabulary.
SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import argparse
import array
import json
import os
import random
import struct

SHAPES = {
    "llama-3.2-1b": dict(hidden=2048, layers=16, heads=32, kv_heads=8, head=64, ffn=8192,
                         vocab=128256, tied=True),
    "llama-3.1-8b": dict(hidden=4096, layers=32, heads=32, kv_heads=8, head=128, ffn=14336,
                         vocab=128256, tied=False),
    "small": dict(hidden=512, layers=4, heads=8, kv_heads=4, head=64, ffn=1536, vocab=4096, tied=True),
}


def config(shape):
    return {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "dtype": "bfloat16",
        "hidden_size": shape["hidden"], "intermediate_size": shape["ffn"],
        "num_hidden_layers": shape["layers"], "num_attention_heads": shape["heads"],
        "num_key_value_heads": shape["kv_heads"], "head_dim": shape["head"],
        "vocab_size": shape["vocab"], "max_position_embeddings": 131072, "hidden_act": "silu",
        "rms_norm_eps": 1e-5, "tie_word_embeddings": shape["tied"], "attention_bias": False,
        "mlp_bias": False, "bos_token_id": 0, "eos_token_id": 1,
        "rope_parameters": {"rope_type": "llama3", "rope_theta": 500000.0, "factor": 32.0,
                            "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                            "original_max_position_embeddings": 8192},
    }


def tensors(shape):
    """(name, dimensions) of every tensor, in order."""
    h, f = shape["hidden"], shape["ffn"]
    q, kv = shape["heads"] * shape["head"], shape["kv_heads"] * shape["head"]
    yield "model.embed_tokens.weight", [shape["vocab"], h]
    for i in range(shape["layers"]):
        p = f"model.layers.{i}."
        yield p + "input_layernorm.weight", [h]
        yield p + "self_attn.q_proj.weight", [q, h]
        yield p + "self_attn.k_proj.weight", [kv, h]
        yield p + "self_attn.v_proj.weight", [kv, h]
        yield p + "self_attn.o_proj.weight", [h, q]
        yield p + "post_attention_layernorm.weight", [h]
        yield p + "mlp.gate_proj.weight", [f, h]
        yield p + "mlp.up_proj.weight", [f, h]
        yield p + "mlp.down_proj.weight", [h, f]
    yield "model.norm.weight", [h]
    if not shape["tied"]:
        yield "lm_head.weight", [shape["vocab"], h]


def random_block(rng, count):
    """`count` normal values as bf16 bytes (truncated)."""
    values = array.array("f", (rng.gauss(0, 0.02) for _ in range(count)))
    halves = array.array("H")
    halves.frombytes(values.tobytes())
    return halves[1::2].tobytes()


def write_weights(path, shape, seed):
    header, offset = {}, 0
    for name, dimensions in tensors(shape):
        size = 2
        for d in dimensions:
            size *= d
        header[name] = {"dtype": "BF16", "shape": dimensions, "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    rng = random.Random(seed)
    block = random_block(rng, 1 << 20)
    ones = struct.pack("<H", 0x3F80)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for entry in header.values():
            size = entry["data_offsets"][1] - entry["data_offsets"][0]
            if len(entry["shape"]) == 1:
                file.write(ones * (size // 2))
                continue
            while size:
                start = 2 * rng.randrange(len(block) // 2)
                part = block[start : start + size]
                file.write(part)
                size -= len(part)


def byte_alphabet():
    """The printable stand-ins of byte-level BPE, by byte."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in printable]
    return {b: chr(b) for b in printable} | {b: chr(256 + i) for i, b in enumerate(others)}


def tokenizer(vocab_size, seed):
    alphabet = sorted(byte_alphabet().values())
    special = ["<|begin|>", "<|end|>"]
    tokens, merges = alphabet[:], []
    known, rng = set(tokens), random.Random(seed)
    while len(tokens) < vocab_size - len(special):
        left, right = (tokens[int(len(tokens) * rng.random() ** 3)] for _ in range(2))
        if left + right not in known and len(left + right) <= 12:
            known.add(left + right)
            tokens.append(left + right)
            merges.append(f"{left} {right}")
    vocab = {token: i for i, token in enumerate(special + tokens)}
    added = [{"id": i, "content": s, "single_word": False, "lstrip": False, "rstrip": False,
              "normalized": False, "special": True} for i, s in enumerate(special)]
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": added,
            "normalizer": None, "pre_tokenizer": byte_level, "post_processor": None,
            "decoder": byte_level,
            "model": {"type": "BPE", "dropout": None, "unk_token": None,
                      "continuing_subword_prefix": None, "end_of_word_suffix": None,
                      "fuse_unk": False, "byte_fallback": False, "vocab": vocab, "merges": merges}}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("directory")
    parser.add_argument("--shape", choices=SHAPES, default="llama-3.2-1b")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    shape = SHAPES[options.shape]
    os.makedirs(options.directory, exist_ok=True)
    with open(os.path.join(options.directory, "config.json"), "w") as file:
        json.dump(config(shape), file, indent=1)
    with open(os.path.join(options.directory, "tokenizer.json"), "w") as file:
        json.dump(tokenizer(shape["vocab"], options.seed), file)
    write_weights(os.path.join(options.directory, "model.safetensors"), shape, options.seed)


if __name__ == "__main__":
    main()
