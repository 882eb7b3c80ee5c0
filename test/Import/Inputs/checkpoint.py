# Writes a tiny checkpoint in the layout of Hugging Face, all weights zero.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""usage: checkpoint.py DIRECTORY FAMILY [KEY=JSON | KEY-]... [--drop TENSOR] [--add TENSOR:SHAPE[:DTYPE]]
                     [--dtype DTYPE] [--shards N] [--bare] [--generation JSON] [--fill TENSOR:BYTE] [--set KEY=JSON]

KEY=JSON sets a key of config.json, KEY- removes one; --set leaves the tensors as they
would be without it. --add replaces a tensor that is there. SHAPE is like 4x2. --bare leaves out the prefix of the tensors' names."""
import argparse
import json
import os
import struct

BYTES = {"F32": 4, "F16": 2, "BF16": 2, "F64": 8, "I64": 8, "U8": 1, "F8_E4M3": 1}

COMMON = dict(vocab_size=8, hidden_size=4, intermediate_size=6, num_hidden_layers=1, num_attention_heads=2,
              num_key_value_heads=1, max_position_embeddings=32, rms_norm_eps=1e-6, hidden_act="silu", bos_token_id=1,
              eos_token_id=2, tie_word_embeddings=False, dtype="bfloat16",
              rope_parameters={"rope_theta": 10000.0, "rope_type": "default"})
ARCHITECTURES = dict(llama="LlamaForCausalLM", mistral="MistralForCausalLM", qwen2="Qwen2ForCausalLM",
                     qwen3="Qwen3ForCausalLM", phi3="Phi3ForCausalLM", olmo2="Olmo2ForCausalLM",
                     granite="GraniteForCausalLM", gpt2="GPT2LMHeadModel")
EXTRA = dict(qwen3=dict(head_dim=2),
             granite=dict(embedding_multiplier=12.0, attention_multiplier=0.125, residual_multiplier=0.5,
                          logits_scaling=8.0))


def configuration(family):
    if family == "gpt2":
        config = dict(vocab_size=8, n_embd=4, n_head=2, n_layer=1, n_positions=32, bos_token_id=1, eos_token_id=2)
    else:
        config = {**COMMON, **EXTRA.get(family, {})}
    return {"model_type": family, "architectures": [ARCHITECTURES.get(family, "Other")], **config}


def gpt2_tensors(config):
    d, tensors = config["n_embd"], {}
    inner = config.get("n_inner") or 4 * d
    for layer in range(config["n_layer"]):
        for name, shape in [("ln_1", [d]), ("attn.c_attn", [d, 3 * d]), ("attn.c_proj", [d, d]), ("ln_2", [d]),
                            ("mlp.c_fc", [d, inner]), ("mlp.c_proj", [inner, d])]:
            tensors[f"h.{layer}.{name}.weight"] = shape
            tensors[f"h.{layer}.{name}.bias"] = shape[-1:]
    tensors.update({"wte.weight": [config["vocab_size"], d], "wpe.weight": [config["n_positions"], d],
                    "ln_f.weight": [d], "ln_f.bias": [d]})
    return "transformer.", tensors


def layer_tensors(family, config):
    d, inner = config["hidden_size"], config["intermediate_size"]
    head = config.get("head_dim") or d // config["num_attention_heads"]
    q, kv = config["num_attention_heads"] * head, config["num_key_value_heads"] * head
    tensors = {"self_attn.o_proj": [d, q], "mlp.down_proj": [d, inner]}
    if family == "phi3":
        tensors.update({"self_attn.qkv_proj": [q + 2 * kv, d], "mlp.gate_up_proj": [2 * inner, d]})
    else:
        tensors.update({"self_attn.q_proj": [q, d], "self_attn.k_proj": [kv, d], "self_attn.v_proj": [kv, d],
                        "mlp.gate_proj": [inner, d], "mlp.up_proj": [inner, d]})
    norms = {"post_attention_layernorm": [d]}
    norms["post_feedforward_layernorm" if family == "olmo2" else "input_layernorm"] = [d]
    if family in ("olmo2", "qwen3"):
        row = family == "olmo2"
        norms.update({"self_attn.q_norm": [q if row else head], "self_attn.k_norm": [kv if row else head]})
    biased = [name for name in tensors if "self_attn" in name] if config.get("attention_bias") else []
    if family == "qwen2":
        biased = ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"]
    if config.get("mlp_bias"):
        biased += [name for name in tensors if "mlp" in name]
    result = {name + ".weight": shape for name, shape in {**tensors, **norms}.items()}
    result.update({name + ".bias": tensors[name][:1] for name in biased})
    return result


def decoder_tensors(family, config):
    d, tensors = config["hidden_size"], {}
    for layer in range(config["num_hidden_layers"]):
        for name, shape in layer_tensors(family, config).items():
            tensors[f"layers.{layer}.{name}"] = shape
    tensors.update({"embed_tokens.weight": [config["vocab_size"], d], "norm.weight": [d]})
    return "model.", tensors


def write_safetensors(path, tensors, fill):
    header, data = {}, b""
    for name, (dtype, shape) in sorted(tensors.items()):
        count = 1
        for size in shape:
            count *= size
        begin = len(data)
        data += bytes([fill.get(name, 0)]) * (count * BYTES[dtype])
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [begin, len(data)]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


def write_weights(directory, tensors, shards, fill):
    if shards == 1:
        return write_safetensors(f"{directory}/model.safetensors", tensors, fill)
    names, where = sorted(tensors), {}
    for shard in range(shards):
        file = f"model-{shard + 1:05}-of-{shards:05}.safetensors"
        mine = {name: tensors[name] for name in names[shard::shards]}
        where.update({name: file for name in mine})
        write_safetensors(f"{directory}/{file}", mine, fill)
    with open(f"{directory}/model.safetensors.index.json", "w") as file:
        json.dump({"metadata": {}, "weight_map": where}, file)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory")
    parser.add_argument("family")
    parser.add_argument("keys", nargs="*")
    parser.add_argument("--drop", action="append", default=[])
    parser.add_argument("--add", action="append", default=[])
    parser.add_argument("--fill", action="append", default=[])
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--dtype", default="BF16")
    parser.add_argument("--shards", type=int, default=1)
    parser.add_argument("--bare", action="store_true")
    parser.add_argument("--generation")
    return parser.parse_intermixed_args()


def main():
    args = arguments()
    config = configuration(args.family)
    for key in args.keys:
        name, equals, value = key.partition("=")
        if equals:
            config[name] = json.loads(value)
    maker = gpt2_tensors if args.family == "gpt2" else lambda c: decoder_tensors(args.family, c)
    prefix, shapes = maker(config)
    tensors = {("" if args.bare else prefix) + name: (args.dtype, shape) for name, shape in shapes.items()}
    if not config.get("tie_word_embeddings", args.family == "gpt2"):
        tensors["lm_head.weight"] = (args.dtype, [config["vocab_size"], config.get("hidden_size", config.get("n_embd"))])
    for name in args.drop:
        del tensors[name]
    for entry in args.add:
        name, shape, *dtype = entry.split(":")
        tensors[name] = (dtype[0] if dtype else args.dtype, [int(size) for size in shape.split("x") if size])
    for key in args.keys:
        if key.endswith("-"):
            del config[key[:-1]]
    for entry in args.set:
        key, value = entry.split("=", 1)
        config[key] = json.loads(value)
    os.makedirs(args.directory, exist_ok=True)
    with open(f"{args.directory}/config.json", "w") as file:
        json.dump(config, file)
    if args.generation:
        with open(f"{args.directory}/generation_config.json", "w") as file:
            file.write(args.generation)
    fill = {name: int(byte) for name, byte in (entry.split(":") for entry in args.fill)}
    write_weights(args.directory, tensors, args.shards, fill)


main()
