# Writes a tiny GGUF model, all weights zero.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""usage: gguf.py FILE ARCHITECTURE [KEY=JSON]... [--set KEY=JSON] [--drop NAME]... [--add TENSOR:SHAPE[:TYPE]]
               [--fill TENSOR:FLOAT] [--type TYPE] [--parts N] [--version N]

KEY=JSON sets a key of the architecture (embedding_length) and the shapes that follow from it, --set a whole key and nothing
else; --drop leaves out a tensor or a whole key. SHAPE is like 4x2. --fill sets all values of a tensor of F32. With --parts,
FILE is what the names of the parts start with."""
import argparse
import json
import os
import struct

import gguf_writer as gguf

SIZES = {"block_count": 1, "context_length": 32, "embedding_length": 8, "feed_forward_length": 12,
         "attention.head_count": 2, "attention.head_count_kv": 1, "vocab_size": 16}


def metadata_of(architecture, sizes):
    norm = "attention.layer_norm_epsilon" if architecture == "gpt2" else "attention.layer_norm_rms_epsilon"
    values = {"general.architecture": architecture, "general.name": "tiny"}
    values.update({f"{architecture}.{key}": value for key, value in sizes.items()})
    return {**values, f"{architecture}.{norm}": 1e-5}


def layer_tensors(architecture, s):
    hidden, inner = s["embedding_length"], s["feed_forward_length"]
    head = s.get("attention.key_length", hidden // s["attention.head_count"])
    q, kv = s["attention.head_count"] * head, s["attention.head_count_kv"] * head
    tensors = {"attn_norm.weight": [hidden], "attn_output.weight": [hidden, q], "ffn_norm.weight": [hidden],
               "ffn_down.weight": [hidden, inner]}
    if architecture in ("phi3", "gpt2"):
        tensors["attn_qkv.weight"] = [q + 2 * kv, hidden]
        tensors["ffn_up.weight"] = [2 * inner if architecture == "phi3" else inner, hidden]
    else:
        tensors.update({"attn_q.weight": [q, hidden], "attn_k.weight": [kv, hidden], "attn_v.weight": [kv, hidden],
                        "ffn_gate.weight": [inner, hidden], "ffn_up.weight": [inner, hidden]})
    if architecture == "gpt2":
        tensors.update({name.replace("weight", "bias"): shape[:1] for name, shape in tensors.items()})
    if architecture == "qwen2":
        tensors.update({f"attn_{name}.bias": [q if name == "q" else kv] for name in "qkv"})
    if architecture == "olmo2":
        del tensors["attn_norm.weight"], tensors["ffn_norm.weight"]
        tensors.update({"post_attention_norm.weight": [hidden], "post_ffw_norm.weight": [hidden]})
    if architecture in ("qwen3", "olmo2"):
        row = architecture == "olmo2"
        tensors.update({"attn_q_norm.weight": [q if row else head], "attn_k_norm.weight": [kv if row else head]})
    return tensors


def shapes_of(architecture, s):
    hidden = s["embedding_length"]
    tensors = {"token_embd.weight": [s["vocab_size"], hidden], "output_norm.weight": [hidden],
               "output.weight": [s["vocab_size"], hidden]}
    if architecture == "gpt2":
        tensors.update({"position_embd.weight": [s["context_length"], hidden], "output_norm.bias": [hidden]})
    for layer in range(s["block_count"]):
        tensors.update({f"blk.{layer}.{name}": shape for name, shape in layer_tensors(architecture, s).items()})
    return tensors


def pairs(entries):
    return {key: json.loads(value) for key, value in (entry.split("=", 1) for entry in entries)}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file")
    parser.add_argument("architecture")
    parser.add_argument("keys", nargs="*")
    for name in ("set", "drop", "add", "fill"):
        parser.add_argument(f"--{name}", action="append", default=[])
    parser.add_argument("--type", default="F32")
    parser.add_argument("--parts", type=int, default=0)
    parser.add_argument("--version", type=int, default=3)
    return parser.parse_intermixed_args()


def main():
    args = arguments()
    sizes = {**SIZES, **pairs(args.keys)}
    if args.architecture == "gpt2":
        sizes["attention.head_count_kv"] = sizes["attention.head_count"]
    metadata = {**metadata_of(args.architecture, sizes), **pairs(args.set)}
    shapes = {name: (args.type if len(shape) == 2 else "F32", shape)
              for name, shape in shapes_of(args.architecture, sizes).items()}
    for added in args.add:
        name, shape, *kind = added.split(":")
        shapes[name] = (kind[0] if kind else "F32", [int(size) for size in shape.split("x")])
    for name in args.drop:
        del (shapes if name in shapes else metadata)[name]
    fill = dict(entry.split(":") for entry in args.fill)
    tensors = {}
    for name, (kind, shape) in shapes.items():
        values = bytes(gguf.size_of(kind, shape))
        if name in fill:
            values = struct.pack("<f", float(fill[name])) * (len(values) // 4)
        tensors[name] = (kind, shape, values)
    os.makedirs(os.path.dirname(args.file) or ".", exist_ok=True)
    if args.parts:
        gguf.write_parts(args.file, metadata, tensors, args.parts)
    else:
        gguf.write(args.file, metadata, tensors, args.version)


if __name__ == "__main__":
    main()
