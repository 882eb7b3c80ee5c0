"""divergence.py IDS LOGITS REFERENCE: what `kvasir eval --json` should say, from the files of `kvasir logits`.

SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import json
import math
import struct
import sys


def rows(path, index):
    with open(path, "rb") as file:
        data = file.read()
    (size,) = struct.unpack_from("<Q", data)
    tensor = json.loads(data[8 : 8 + size])[f"logits_{index}"]
    count, vocabulary = tensor["shape"]
    values = struct.unpack_from(f"<{count * vocabulary}f", data, 8 + size + tensor["data_offsets"][0])
    return [values[i * vocabulary : (i + 1) * vocabulary] for i in range(count)]


def log_probabilities(row):
    total = math.log(math.fsum(math.exp(value - max(row)) for value in row)) + max(row)
    return [value - total for value in row]


with open(sys.argv[1]) as file:
    windows = json.load(file)
losses, divergences, agreed = [], [], 0
for index, ids in enumerate(windows):
    for i, (model, reference) in enumerate(zip(*(rows(path, index) for path in sys.argv[2:]))):
        if i + 1 == len(ids):
            continue
        p, q = log_probabilities(reference), log_probabilities(model)
        losses.append(-q[ids[i + 1]])
        divergences.append(math.fsum(math.exp(a) * (a - b) for a, b in zip(p, q)))
        agreed += model.index(max(model)) == reference.index(max(reference))
count = len(losses)
result = json.load(sys.stdin)
for name, value in {"loss": math.fsum(losses) / count, "kl_divergence": math.fsum(divergences) / count,
                    "largest_kl_divergence": max(divergences), "top1_agreement": agreed / count,
                    "perplexity": math.exp(math.fsum(losses) / count), "predicted": count}.items():
    print(name, "agrees" if abs(result[name] - value) <= 1e-9 * abs(value) else f"{result[name]} {value}")
print("different models" if 0 < agreed < count else "nothing was compared")
