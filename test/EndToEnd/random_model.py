#!/usr/bin/env python3
"""Writes a small random checkpoint with sizes that divide nothing, and prompts for it.

random_model.py DIRECTORY FAMILY DTYPE SEED     families: llama qwen2 qwen3 olmo2 phi3 mistral gpt2
SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import json
import os
import random
import struct
import sys


def pack(dtype, values):
    if dtype == "F16":
        return struct.pack(f"<{len(values)}e", *values)
    data = struct.pack(f"<{len(values)}f", *values)
    if dtype == "F32":
        return data
    return b"".join(data[i + 2 : i + 4] for i in range(0, len(data), 4))


def sizes(rng, family):
    kv_heads = rng.choice([1, 2, 3])
    group = 1 if family == "gpt2" else rng.choice([1, 2, 3, 5])
    head = rng.choice([6, 10, 12, 20, 24])
    heads = kv_heads * group
    hidden = heads * head if family == "gpt2" else rng.choice([33, 36, 50, 52])
    return dict(heads=heads, kv=heads if family == "gpt2" else kv_heads, head=head, hidden=hidden,
                ffn=rng.choice([43, 52, 75]), vocab=rng.choice([101, 131, 250]), layers=2)


def llama_like(family, s):
    h, q, kv = s["hidden"], s["heads"] * s["head"], s["kv"] * s["head"]
    tensors = {"model.embed_tokens.weight": [s["vocab"], h], "model.norm.weight": [h],
               "lm_head.weight": [s["vocab"], h]}
    for i in range(s["layers"]):
        p = f"model.layers.{i}."
        if family == "phi3":
            tensors |= {p + "self_attn.qkv_proj.weight": [q + 2 * kv, h],
                        p + "mlp.gate_up_proj.weight": [2 * s["ffn"], h]}
        else:
            tensors |= {p + "self_attn.q_proj.weight": [q, h], p + "self_attn.k_proj.weight": [kv, h],
                        p + "self_attn.v_proj.weight": [kv, h],
                        p + "mlp.gate_proj.weight": [s["ffn"], h], p + "mlp.up_proj.weight": [s["ffn"], h]}
        tensors |= {p + "self_attn.o_proj.weight": [h, q], p + "mlp.down_proj.weight": [h, s["ffn"]],
                    p + "post_attention_layernorm.weight": [h]}
        if family == "olmo2":
            tensors |= {p + "post_feedforward_layernorm.weight": [h],
                        p + "self_attn.q_norm.weight": [q], p + "self_attn.k_norm.weight": [kv]}
        else:
            tensors[p + "input_layernorm.weight"] = [h]
        if family == "qwen3":
            tensors |= {p + f"self_attn.{x}_norm.weight": [s["head"]] for x in "qk"}
        if family == "qwen2":
            tensors |= {p + "self_attn.q_proj.bias": [q], p + "self_attn.k_proj.bias": [kv],
                        p + "self_attn.v_proj.bias": [kv]}
    config = {"model_type": family, "hidden_size": h, "intermediate_size": s["ffn"],
              "num_hidden_layers": s["layers"], "num_attention_heads": s["heads"],
              "num_key_value_heads": s["kv"], "head_dim": s["head"], "vocab_size": s["vocab"],
              "max_position_embeddings": 2048, "hidden_act": "silu", "rms_norm_eps": 1e-6,
              "rope_theta": 10000.0, "tie_word_embeddings": False}
    if family == "mistral":
        config["sliding_window"] = 37
    return config, tensors


def gpt2(s):
    h = s["hidden"]
    tensors = {"transformer.wte.weight": [s["vocab"], h], "transformer.wpe.weight": [2048, h],
               "transformer.ln_f.weight": [h], "transformer.ln_f.bias": [h]}
    for i in range(s["layers"]):
        p = f"transformer.h.{i}."
        for norm in ("ln_1", "ln_2"):
            tensors |= {p + norm + ".weight": [h], p + norm + ".bias": [h]}
        for name, rows, columns in (("attn.c_attn", h, 3 * h), ("attn.c_proj", h, h),
                                    ("mlp.c_fc", h, s["ffn"]), ("mlp.c_proj", s["ffn"], h)):
            tensors |= {p + name + ".weight": [rows, columns], p + name + ".bias": [columns]}
    return {"model_type": "gpt2", "n_embd": h, "n_head": s["heads"], "n_inner": s["ffn"],
            "n_layer": s["layers"], "n_positions": 2048, "vocab_size": s["vocab"],
            "activation_function": "gelu", "layer_norm_epsilon": 1e-5}, tensors


def main(directory, family, dtype, seed):
    rng = random.Random(f"{family} {seed}")
    s = sizes(rng, family)
    config, tensors = gpt2(s) if family == "gpt2" else llama_like(family, s)
    config["dtype"] = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}[dtype]
    os.makedirs(directory, exist_ok=True)
    header, data = {}, b""
    for name, shape in tensors.items():
        count = 1
        for size in shape:
            count *= size
        center = 1 if "norm" in name and name.endswith("weight") else 0
        values = pack(dtype, [rng.gauss(center, 0.15) for _ in range(count)])
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(values)]}
        data += values
    text = json.dumps(header).encode()
    with open(os.path.join(directory, "model.safetensors"), "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)
    with open(os.path.join(directory, "config.json"), "w") as file:
        json.dump(config, file)
    prompts = [[rng.randrange(s["vocab"]) for _ in range(n)] for n in (1, 2, 3, 9, 64, 65, 150)]
    prompts.append([rng.randrange(s["vocab"]) for _ in range(530)])  # more than a partition of keys
    with open(os.path.join(directory, "prompts.json"), "w") as file:
        json.dump(prompts, file)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4])
