#!/usr/bin/env python3
"""Prints phases of attention: attend_shapes.py TYPE:HEAD_SIZE:GROUP[:WINDOW]...

For each shape, over a cache of TYPE of two heads, each for GROUP heads of queries: in one go, and by partitions.
SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import sys

PHASES = """
step.phase @attend_{name} kind <attend> {{
^bb0(%c: {cache}, %q: !step.buffer<tokens, {q}>, %out: !step.buffer<tokens, {q}>, %n: !step.counter):
  %0 = step.read %q : !step.buffer<tokens, {q}> -> tensor<?x{q}xf32>
  %1 = kv.attend %c, %0 {{heads = {heads} : i64, scale = 0.125 : f32}} : {cache}, tensor<?x{q}xf32>
  step.write %1, %out : tensor<?x{q}xf32>, !step.buffer<tokens, {q}>
}}
step.phase @partitions_{name} kind <attend> {{
^bb0(%c: {cache}, %q: !step.buffer<tokens, {q}>, %parts: !step.buffer<tokens, {p}>, %out: !step.buffer<tokens, {q}>, %counts: !step.buffer<tokens, {heads}>, %n: !step.counter):
  %t = step.input <positions> : tensor<?xi32>
  %0 = step.read %q : !step.buffer<tokens, {q}> -> tensor<?x{q}xf32>
  %1 = kv.attend_partitions %c, %0 {{heads = {heads} : i64, partitions = 9 : i64, scale = 0.125 : f32}} : {cache}, tensor<?x{q}xf32>, tensor<?x{p}xf32>
  %2 = kv.merge_partitions %1, %t {{heads = {heads} : i64, partitions = 9 : i64, window = {window} : i64}} : tensor<?x{p}xf32>, tensor<?xi32>, tensor<?x{q}xf32>
  step.write %1, %parts : tensor<?x{p}xf32>, !step.buffer<tokens, {p}>
  step.write %2, %out : tensor<?x{q}xf32>, !step.buffer<tokens, {q}>
}}
"""

for shape in sys.argv[1:]:
    kind, size, group, window = (shape.split(":") + ["0"])[:4]
    size, heads = int(size), 2 * int(group)
    cache = f"!kv.paged<2x{size}x{kind}{', window = ' + window if int(window) else ''}>"
    print(PHASES.format(name=shape.replace(":", "_"), cache=cache, heads=heads, q=heads * size,
                        p=heads * 9 * (size + 2), window=window))
print("""step.program @step max_tokens 0 {
  %l = step.buffer "l" slot 0 : !step.buffer<rows, 64>
  step.logits %l : !step.buffer<rows, 64>
}""")
