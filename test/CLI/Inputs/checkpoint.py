"""checkpoint.py DIR: a random one-layer Llama in Hugging Face layout, without a tokenizer.

SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import json
import os
import random
import struct
import sys

hidden, inner, vocabulary = 32, 48, 64
directory = sys.argv[1]
os.makedirs(directory, exist_ok=True)
config = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu",
    "hidden_size": hidden, "intermediate_size": inner, "num_hidden_layers": 1,
    "num_attention_heads": 2, "num_key_value_heads": 2, "vocab_size": vocabulary,
    "max_position_embeddings": 128, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
    "tie_word_embeddings": True, "torch_dtype": "float32", "bos_token_id": 1, "eos_token_id": 2,
}
layer = "model.layers.0."
shapes = {
    "model.embed_tokens.weight": [vocabulary, hidden], "model.norm.weight": [hidden],
    layer + "input_layernorm.weight": [hidden], layer + "post_attention_layernorm.weight": [hidden],
    layer + "mlp.gate_proj.weight": [inner, hidden], layer + "mlp.up_proj.weight": [inner, hidden],
    layer + "mlp.down_proj.weight": [hidden, inner],
}
shapes.update({layer + f"self_attn.{x}_proj.weight": [hidden, hidden] for x in "qkvo"})
generator = random.Random(1)
header, values = {}, b""
for name, shape in shapes.items():
    count = shape[0] * (shape[1] if len(shape) > 1 else 1)
    begin = len(values)
    values += struct.pack(f"<{count}f", *(generator.gauss(0, 0.2) for _ in range(count)))
    header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [begin, len(values)]}
text = json.dumps(header).encode()
text += b" " * (-len(text) % 8)
with open(os.path.join(directory, "model.safetensors"), "wb") as file:
    file.write(struct.pack("<Q", len(text)) + text + values)
with open(os.path.join(directory, "config.json"), "w") as file:
    json.dump(config, file)
