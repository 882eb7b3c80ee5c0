# Trains the demo model: a small Llama on generated tasks whose answers code can check. `--help` lists the
# options; README.md says what comes out.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
import argparse
import json
import math
import random
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from tasks import SHARES, TASKS, make_prompts, sample, unseen

HERE = Path(__file__).resolve().parent
BOS, EOS = 0, 1
VOCAB, HIDDEN, INTERMEDIATE, LAYERS = 768, 256, 512, 3
HEADS, KV_HEADS, HEAD_DIM = 8, 4, 64
CONTEXT, THETA, EPS = 512, 10000.0, 1e-5

# ---------------------------------------------------------------- tokenizer


def train_tokenizer(seed):
    """Byte-level BPE over generated text. A digit, with the space before it, is always a token of its own."""
    rng = random.Random(f"{seed}:tokenizer")
    corpus = ["".join(sample(task, rng)) for task in TASKS for _ in range(800)]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(r" ?\p{L}+| ?\p{N}| ?[^\s\p{L}\p{N}]+|\s+"), behavior="isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(corpus, trainers.BpeTrainer(
        vocab_size=VOCAB, special_tokens=["<s>", "</s>"], show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet())))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", BOS)])
    if tokenizer.get_vocab_size() != VOCAB:
        raise SystemExit(f"expected a vocabulary of {VOCAB} tokens, but got {tokenizer.get_vocab_size()}")
    return tokenizer


def encode(tokenizer, samples):
    """Pairs of (ids, first answer position); the ids are BOS prompt answer EOS."""
    prompts = tokenizer.encode_batch([prompt for prompt, _ in samples])
    answers = tokenizer.encode_batch([answer for _, answer in samples], add_special_tokens=False)
    return [(p.ids + a.ids + [EOS], len(p.ids)) for p, a in zip(prompts, answers)]


# ---------------------------------------------------------------- model (names as in Hugging Face's Llama)


class Attention(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.q_proj = torch.nn.Linear(HIDDEN, HEADS * HEAD_DIM, bias=False)
        self.k_proj = torch.nn.Linear(HIDDEN, KV_HEADS * HEAD_DIM, bias=False)
        self.v_proj = torch.nn.Linear(HIDDEN, KV_HEADS * HEAD_DIM, bias=False)
        self.o_proj = torch.nn.Linear(HEADS * HEAD_DIM, HIDDEN, bias=False)

    def forward(self, x, cos, sin):
        rows, length, _ = x.shape
        q, k, v = (proj(x).view(rows, length, -1, HEAD_DIM).transpose(1, 2)
                   for proj in (self.q_proj, self.k_proj, self.v_proj))
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        k, v = (t.repeat_interleave(HEADS // KV_HEADS, dim=1) for t in (k, v))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.o_proj(y.transpose(1, 2).reshape(rows, length, -1))


def rotate(x, cos, sin):
    a, b = x.chunk(2, dim=-1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), dim=-1)


class MLP(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.gate_proj = torch.nn.Linear(HIDDEN, INTERMEDIATE, bias=False)
        self.up_proj = torch.nn.Linear(HIDDEN, INTERMEDIATE, bias=False)
        self.down_proj = torch.nn.Linear(INTERMEDIATE, HIDDEN, bias=False)

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class RMSNorm(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(HIDDEN))

    def forward(self, x):
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + EPS) * self.weight


class Layer(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.input_layernorm, self.post_attention_layernorm = RMSNorm(), RMSNorm()
        self.self_attn, self.mlp = Attention(), MLP()

    def forward(self, x, cos, sin, wanted):
        x = x + self.self_attn(self.input_layernorm(x), cos, sin)
        if wanted is not None:
            x = x[wanted]
        return x + self.mlp(self.post_attention_layernorm(x))


def initial_std(name):
    """Embeddings lead the residual stream at first: what the layers add starts at zero."""
    if "o_proj" in name or "down_proj" in name:
        return 0.0
    return dict(embed_tokens=1.0, lm_head=0.02).get(name.split(".")[0], 0.5 * HIDDEN ** -0.5)


class Llama(torch.nn.Module):
    """Logits for [rows, length] ids. Rows are padded on the right, where a causal mask needs no help."""

    def __init__(self):
        super().__init__()
        self.embed_tokens = torch.nn.Embedding(VOCAB, HIDDEN)
        self.layers = torch.nn.ModuleList(Layer() for _ in range(LAYERS))
        self.norm = RMSNorm()
        self.lm_head = torch.nn.Linear(HIDDEN, VOCAB, bias=False)
        angles = torch.outer(torch.arange(CONTEXT), THETA ** (-torch.arange(0, HEAD_DIM, 2) / HEAD_DIM))
        self.register_buffer("cos", angles.cos(), persistent=False)
        self.register_buffer("sin", angles.sin(), persistent=False)
        for name, parameter in self.named_parameters():
            if parameter.dim() == 2:
                torch.nn.init.normal_(parameter, std=initial_std(name))

    def forward(self, ids, wanted=None):
        """`wanted`: a [rows, length] mask; the result then has only the logits of those."""
        x, length = self.embed_tokens(ids), ids.shape[1]
        for layer in self.layers:
            x = layer(x, self.cos[:length], self.sin[:length], wanted if layer is self.layers[-1] else None)
        return self.lm_head(self.norm(x))


# ---------------------------------------------------------------- training


class Muon:
    """Momentum whose update is made orthogonal (Newton-Schulz), for the matrices inside the layers."""

    def __init__(self, parameters):
        self.parameters = list(parameters)
        self.momentum = [torch.zeros_like(p) for p in self.parameters]

    @torch.no_grad()
    def step(self, rate, pool):
        for p, m in zip(self.parameters, self.momentum):
            m.lerp_(p.grad, 0.05)
        updates = pool.map(orthogonal, [p.grad.lerp(m, 0.95) for p, m in zip(self.parameters, self.momentum)])
        for p, update in zip(self.parameters, updates):
            p.mul_(1 - 0.01 * rate).add_(update, alpha=-rate * max(1, p.shape[0] / p.shape[1]) ** 0.5)


@torch.no_grad()
def orthogonal(g):
    x = g if g.shape[0] <= g.shape[1] else g.T
    x = x / (x.norm() + 1e-7)
    for _ in range(5):
        a = x @ x.T
        x = 3.4445 * x + (-4.775 * a + 2.0315 * a @ a) @ x
    return x if g.shape[0] <= g.shape[1] else x.T


def pad(encoded):
    """[rows, length] inputs and targets, and each target's weight in the loss: zero outside the answer. The root lets
    a long answer count for more than a short one, but not in proportion."""
    length = max(len(ids) for ids, _ in encoded)
    rows = torch.tensor([ids + [EOS] * (length - len(ids)) for ids, _ in encoded])
    place = torch.arange(1, length)
    start = torch.tensor([first for _, first in encoded])[:, None]
    end = torch.tensor([len(ids) for ids, _ in encoded])[:, None]
    return rows[:, :-1], rows[:, 1:], ((place >= start) & (place < end)) * (end - start) ** -0.5


def training_batch(tokenizer, seed, step, size):
    """One step's samples in groups of similar length, so that little is padding. Depends on (seed, step) only."""
    rng = random.Random(f"{seed}:{step}")
    tasks = rng.choices([*SHARES], [*SHARES.values()], k=size)
    encoded = sorted(encode(tokenizer, [sample(task, rng) for task in tasks]), key=lambda e: -len(e[0]))
    groups = []
    for ids, first in encoded:
        longest = len(groups[-1][0][0]) if groups else 0
        if len(ids) < 0.8 * longest or not groups or len(groups[-1]) * longest > 500:
            groups.append([])
        groups[-1].append((ids, first))
    return [pad(group) for group in groups]


def schedule(step, steps):
    """Share of the full learning rate: a short warm-up, level, then a line down to zero over the last 40%.

    The level part is the same for every `steps`, so a run may be resumed with another end."""
    return min(1, (step + 1) / 20, (steps - step) / (0.4 * steps))


@torch.no_grad()
def evaluate(model, tokenizer, count, seed):
    """Exact match of greedy decoding on unseen prompts, {task: (right, asked)}, with the weights rounded to bf16.

    Greedy decoding gives the answer exactly when each of its tokens, and EOS, is the best one after those before it,
    so one forward pass decides."""
    rounded, table = round_weights(model), {}
    for task in TASKS:
        encoded = sorted(encode(tokenizer, unseen(task, count, seed)), key=lambda e: len(e[0]))
        right = 0
        for i in range(0, len(encoded), 64):
            inputs, targets, weight = pad(encoded[i:i + 64])
            right += ((rounded(inputs).argmax(-1) == targets) | (weight == 0)).all(-1).sum().item()
        table[task] = (right, len(encoded))
    return table


def round_weights(model):
    rounded = Llama()
    rounded.load_state_dict({name: t.bfloat16().float() for name, t in model.state_dict().items()})
    return rounded.eval()


def set_gradients(model, groups, pool):
    """The mean loss of a batch; its gradient goes into the parameters. Groups run side by side, one thread each, and
    are summed in order, so the result does not depend on the number of threads."""
    parameters, total = list(model.parameters()), sum(weight.sum() for _, _, weight in groups)

    def gradient(group):
        inputs, targets, weight = group
        wanted = weight > 0
        losses = F.cross_entropy(model(inputs, wanted), targets[wanted], reduction="none")
        loss = (losses * weight[wanted]).sum() / total
        return loss.item(), torch.autograd.grad(loss, parameters)

    mean = 0.0
    model.zero_grad()
    for loss, gradients in pool.map(gradient, groups):
        mean += loss
        for p, g in zip(parameters, gradients):
            p.grad = g if p.grad is None else p.grad.add_(g)
    return mean


def train(options, tokenizer):
    model, pool = Llama(), ThreadPoolExecutor(options.threads, initializer=torch.set_num_threads, initargs=(1,))
    matrices = [p for p in model.layers.parameters() if p.dim() == 2]
    others = [p for p in model.parameters() if not any(p is m for m in matrices)]
    muon, adam = Muon(matrices), torch.optim.AdamW(others, betas=(0.9, 0.95), weight_decay=0.0)
    first, began, checkpoint = 0, time.time(), options.work / "checkpoint.pt"
    if checkpoint.exists() and not options.fresh:
        state = torch.load(checkpoint, weights_only=True)
        if (state["seed"], state["batch"]) != (options.seed, options.batch):
            raise SystemExit(f"{checkpoint} has seed {state['seed']} and batch {state['batch']}: give the same, or --fresh")
        model.load_state_dict(state["model"]), adam.load_state_dict(state["adam"])
        muon.momentum, first = state["muon"], state["step"]
    for step in range(first, options.steps):
        share = schedule(step, options.steps)
        loss = set_gradients(model, training_batch(tokenizer, options.seed, step, options.batch), pool)
        for group in adam.param_groups:
            group["lr"] = 0.005 * share
        adam.step(), muon.step(0.015 * share, pool)
        if (step + 1) % 25 == 0:
            print(f"step {step + 1}  loss {loss:.4f}  {time.time() - began:.0f} s", flush=True)
        if (step + 1) % options.every == 0 or step + 1 == options.steps:
            torch.save(dict(model=model.state_dict(), adam=adam.state_dict(), muon=muon.momentum, step=step + 1,
                            seed=options.seed, batch=options.batch), checkpoint.with_suffix(".tmp"))
            checkpoint.with_suffix(".tmp").replace(checkpoint)
            table = evaluate(model, tokenizer, 64, options.seed + 2)
            print("  " + "  ".join(f"{task} {100 * r // n}%" for task, (r, n) in table.items()), flush=True)
    return model


# ---------------------------------------------------------------- what is written


def save(model, tokenizer, folder):
    folder.mkdir(parents=True, exist_ok=True)
    outer = {"lm_head.weight"}
    tensors = {name if name in outer else f"model.{name}": t.bfloat16().contiguous()
               for name, t in model.state_dict().items()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    tokenizer.save(str(folder / "tokenizer.json"))
    config = dict(
        architectures=["LlamaForCausalLM"], attention_bias=False, attention_dropout=0.0, bos_token_id=BOS,
        dtype="bfloat16", eos_token_id=EOS, head_dim=HEAD_DIM, hidden_act="silu", hidden_size=HIDDEN,
        initializer_range=0.02, intermediate_size=INTERMEDIATE, max_position_embeddings=CONTEXT, mlp_bias=False,
        model_type="llama", num_attention_heads=HEADS, num_hidden_layers=LAYERS, num_key_value_heads=KV_HEADS,
        pad_token_id=None, pretraining_tp=1, rms_norm_eps=EPS,
        rope_parameters=dict(rope_theta=THETA, rope_type="default"), tie_word_embeddings=False, use_cache=True,
        vocab_size=VOCAB)
    write_json(folder / "config.json", config)
    write_json(folder / "generation_config.json", dict(bos_token_id=BOS, eos_token_id=EOS, do_sample=False))
    write_json(folder / "tokenizer_config.json", dict(
        tokenizer_class="PreTrainedTokenizerFast", bos_token="<s>", eos_token="</s>", model_max_length=CONTEXT,
        clean_up_tokenization_spaces=False))


def write_json(path, value):
    path.write_text(json.dumps(value, indent=2) + "\n")


@torch.no_grad()
def reference(model, tokenizer, prompts, limit=128):
    """Greedy ids of every prompt, with the smallest gap between the two best logits met on the way."""
    model, rows = round_weights(model), []
    for prompt in prompts:
        ids = tokenizer.encode(prompt["prompt"]).ids
        greedy, gap = [], math.inf
        while len(greedy) < limit and EOS not in greedy:
            best = model(torch.tensor([ids + greedy]))[0, -1].topk(2)
            gap = min(gap, (best.values[0] - best.values[1]).item())
            greedy.append(best.indices[0].item())
        text = tokenizer.decode(greedy)
        right = None if prompt["answer"] is None else text.strip() == prompt["answer"]
        rows.append(dict(prompt, ids=ids, greedy=greedy, text=text, right=right, smallest_gap=gap))
    return rows


def main():
    parser = argparse.ArgumentParser(description="train the demo model and write model/ and prompts.json")
    parser.add_argument("--out", type=Path, help="folder for model/ and prompts.json (default: demo)")
    parser.add_argument("--work", type=Path, default=HERE.parent / "build" / "demo-train",
                        help="folder for checkpoints")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--steps", type=int, default=1300)
    parser.add_argument("--batch", type=int, default=128, help="samples per step")
    parser.add_argument("--every", type=int, default=100, help="steps between checkpoints")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--tests", type=int, default=500, help="unseen prompts per task in the final table")
    parser.add_argument("--fresh", action="store_true", help="ignore a checkpoint in --work")
    parser.add_argument("--quick", action="store_true", help="a smoke run of half a minute; writes into --work")
    parser.add_argument("--reference", type=Path, help="also write the greedy ids of every prompt to this file")
    options = parser.parse_args()
    if options.quick:
        options.steps, options.batch, options.every, options.tests, options.fresh = 30, 64, 15, 32, True
        options.work = options.work / "quick"
        options.out = options.out or options.work
    options.out = options.out or HERE
    options.work.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)  # one per group of samples: see set_gradients
    torch.manual_seed(options.seed)

    tokenizer = train_tokenizer(options.seed)
    model = train(options, tokenizer)
    prompts = make_prompts(options.seed)
    save(model, tokenizer, options.out / "model")
    write_json(options.out / "prompts.json", prompts)
    print("| task | exact match | unseen prompts |\n|---|---|---|")
    for task, (right, asked) in evaluate(model, tokenizer, options.tests, options.seed + 3).items():
        print(f"| {task} | {100 * right / asked:.1f}% | {asked} |")
    if options.reference:
        write_json(options.reference, reference(model, tokenizer, prompts))


if __name__ == "__main__":
    main()
