#!/usr/bin/env python3
"""Converts a Hugging Face checkpoint to GGUF as llama.cpp's converter does: to_gguf.py DIRECTORY FILE.gguf [Q8_0|decoded]

Matrices keep their type, vectors become F32; the rows of q and k are permuted and GPT-2's matrices transposed. With Q8_0
matrices are rounded to blocks of that type; `decoded` writes the values of those blocks as F32. A tokenizer is converted if it is one of SentencePiece. SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import json
import math
import os
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "Import", "Inputs"))
import gguf_writer as gguf

SIZES = {"F32": 4, "F16": 2, "BF16": 2}
LAYER = {"input_layernorm": "attn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k",
         "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output", "self_attn.qkv_proj": "attn_qkv",
         "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm", "post_attention_layernorm": "ffn_norm",
         "post_feedforward_layernorm": "post_ffw_norm", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
         "mlp.gate_up_proj": "ffn_up", "mlp.down_proj": "ffn_down", "ln_1": "attn_norm", "ln_2": "ffn_norm",
         "attn.c_attn": "attn_qkv", "attn.c_proj": "attn_output", "mlp.c_fc": "ffn_up", "mlp.c_proj": "ffn_down"}
OUTER = {"embed_tokens": "token_embd", "norm": "output_norm", "lm_head": "output", "wte": "token_embd",
         "wpe": "position_embd", "ln_f": "output_norm"}


def load(path):
    """{name: (type, shape, bytes)} of a safetensors file."""
    with open(path, "rb") as file:
        data = file.read()
    size = struct.unpack("<Q", data[:8])[0]
    tensors = {}
    for name, entry in json.loads(data[8 : 8 + size]).items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            tensors[name] = (entry["dtype"], entry["shape"], data[8 + size + begin : 8 + size + end])
    return tensors


def widen(kind, data):
    """The values as F32, all exact."""
    if kind == "F16":
        count = len(data) // 2
        return struct.pack(f"<{count}f", *struct.unpack(f"<{count}e", data))
    return data if kind == "F32" else b"".join(b"\0\0" + data[i : i + 2] for i in range(0, len(data), 2))


def permute(data, heads):
    """Row p * n + i of a head of 2 * n rows becomes row 2 * i + p."""
    size = len(data) // heads
    result = b""
    for head in range(heads):
        rows, count = data[head * size : (head + 1) * size], 2 * permute.half
        row = size // count
        result += b"".join(rows[(j % 2 * permute.half + j // 2) * row :][:row] for j in range(count))
    return result


def transpose(data, shape, size):
    rows, columns = shape
    return b"".join(data[(r * columns + c) * size :][:size] for c in range(columns) for r in range(rows))


def new_name(name, model):
    name = name.removeprefix("model.").removeprefix("transformer.")
    stem, kind = name.rsplit(".", 1)
    if stem in OUTER:
        return f"{OUTER[stem]}.{kind}"
    _, layer, stem = stem.split(".", 2)
    stored = "post_attention_norm" if model == "olmo2" and stem == "post_attention_layernorm" else LAYER[stem]
    return f"blk.{layer}.{stored}.{kind}"


def convert_tensors(directory, config):
    model, tensors = config["model_type"], {}
    heads = config.get("num_attention_heads", config.get("n_head"))
    kv_heads = config.get("num_key_value_heads") or heads
    permute.half = (config.get("head_dim") or config.get("hidden_size", 0) // heads) // 2
    for name, (kind, shape, data) in load(os.path.join(directory, "model.safetensors")).items():
        stored = new_name(name, model)
        if model in ("llama", "mistral", "granite"):
            if ".attn_q." in stored:
                data = permute(data, heads)
            if ".attn_k." in stored:
                data = permute(data, kv_heads)
        if len(shape) == 1:
            kind, data = "F32", widen(kind, data)
        elif model == "gpt2" and stored.startswith("blk."):
            data, shape = transpose(data, shape, SIZES[kind]), shape[::-1]
        tensors[stored] = (kind, shape, data)
    return tensors


def round_blocks(data, decoded):
    """F32 values as Q8_0: of 32 values the scale (f16), and each over the scale."""
    result = []
    for begin in range(0, len(data), 128):
        values = struct.unpack_from("<32f", data, begin)
        scale = struct.pack("<e", max(map(abs, values)) / 127)
        step, = struct.unpack("<e", scale)
        codes = [max(-127, min(127, round(value / step))) if step else 0 for value in values]
        result.append(struct.pack("<32f", *(step * code for code in codes)) if decoded
                      else scale + struct.pack("<32b", *codes))
    return b"".join(result)


def rope_factors(rope, theta, half):
    """What scaling of the kind llama3 divides each frequency by."""
    factors = []
    for i in range(half):
        wavelength = 2 * math.pi * theta ** (i / half)
        turns = rope["original_max_position_embeddings"] / wavelength
        low, high = rope["low_freq_factor"], rope["high_freq_factor"]
        smooth = min(1.0, max(0.0, (turns - low) / (high - low)))
        factors.append(1 / ((1 - smooth) / rope["factor"] + smooth))
    return struct.pack(f"<{half}f", *factors)


def convert_config(config, tensors):
    model = config["model_type"]
    name = "llama" if model == "mistral" else model
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    theta = rope.get("rope_theta", config.get("rope_theta"))
    both = lambda *keys: next((config[key] for key in keys if config.get(key) is not None), None)
    values = {"block_count": both("num_hidden_layers", "n_layer"), "embedding_length": both("hidden_size", "n_embd"),
              "context_length": both("max_position_embeddings", "n_positions"),
              "feed_forward_length": config.get("n_inner") or 4 * config["n_embd"] if model == "gpt2"
              else config["intermediate_size"],
              "attention.head_count": both("num_attention_heads", "n_head"), "vocab_size": config["vocab_size"],
              "attention.head_count_kv": None if model == "gpt2" else config.get("num_key_value_heads"),
              "attention.key_length": config.get("head_dim"), "attention.value_length": config.get("head_dim"),
              "attention.layer_norm_rms_epsilon": config.get("rms_norm_eps"),
              "attention.layer_norm_epsilon": config.get("layer_norm_epsilon"),
              "rope.freq_base": theta and float(theta), "attention.sliding_window": config.get("sliding_window"),
              "embedding_scale": config.get("embedding_multiplier"), "attention.scale": config.get("attention_multiplier"),
              "residual_scale": config.get("residual_multiplier"), "logit_scale": config.get("logits_scaling")}
    if rope.get("rope_type") == "llama3":
        half = permute.half
        tensors["rope_freqs.weight"] = ("F32", [half], rope_factors(rope, theta, half))
    metadata = {"general.architecture": name, "general.type": "model"}
    metadata.update({f"{name}.{key}": value for key, value in values.items() if value is not None})
    return metadata


def convert_tokenizer(directory, config):
    path = os.path.join(directory, "tokenizer.json")
    if not os.path.exists(path):
        return {"tokenizer.ggml.model": "no_vocab"}
    model = json.load(open(path))["model"]
    tokens = [token for token, _ in sorted(model["vocab"].items(), key=lambda item: item[1])]
    rank = {}
    for index, merge in enumerate(model["merges"]):
        rank.setdefault("".join(merge), index)
    kinds = [2 if t == "<unk>" else 3 if t in ("<s>", "</s>") else 6 if t.startswith("<0x") else 1 for t in tokens]
    return {"tokenizer.ggml.model": "llama", "tokenizer.ggml.tokens": tokens, "tokenizer.ggml.token_type": kinds,
            "tokenizer.ggml.scores": [-float(rank.get(token, 1e6)) for token in tokens],
            "tokenizer.ggml.bos_token_id": config["bos_token_id"], "tokenizer.ggml.eos_token_id": config["eos_token_id"]}


def main():
    directory, out, *types = sys.argv[1:]
    with open(os.path.join(directory, "config.json")) as file:
        config = json.load(file)
    tensors = convert_tensors(directory, config)
    if config.get("tie_word_embeddings", config["model_type"] == "gpt2"):
        tensors.pop("output.weight", None)
    for name, (kind, shape, data) in tensors.items():
        if types and len(shape) == 2:
            data = round_blocks(widen(kind, data), types[0] == "decoded")
            tensors[name] = ("F32" if types[0] == "decoded" else "Q8_0", shape, data)
    gguf.write(out, {**convert_config(config, tensors), **convert_tokenizer(directory, config)}, tensors)


main()
