#!/usr/bin/env python3
"""Prints phases of attention: attend_shapes.py TYPE HEAD_SIZE...

For each head size over a cache of TYPE: in one go, by partitions, and the fold of partitions.
SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import sys

PHASES = """
step.phase @attend_{size} kind <attend> {{
^bb0(%c: !kv.paged<2x{size}x{type}>, %q: !step.buffer<tokens, {q}>, %out: !step.buffer<tokens, {q}>, %n: !step.counter):
  %0 = step.read %q : !step.buffer<tokens, {q}> -> tensor<?x{q}xf32>
  %1 = kv.attend %c, %0 {{heads = 8 : i64, scale = 0.125 : f32}} : !kv.paged<2x{size}x{type}>, tensor<?x{q}xf32>
  step.write %1, %out : tensor<?x{q}xf32>, !step.buffer<tokens, {q}>
}}
step.phase @partitions_{size} kind <attend> {{
^bb0(%c: !kv.paged<2x{size}x{type}, window = 4096>, %q: !step.buffer<tokens, {q}>, %out: !step.buffer<tokens, {p}>, %n: !step.counter):
  %0 = step.read %q : !step.buffer<tokens, {q}> -> tensor<?x{q}xf32>
  %1 = kv.attend_partitions %c, %0 {{heads = 8 : i64, partitions = 9 : i64, scale = 0.125 : f32}} : !kv.paged<2x{size}x{type}, window = 4096>, tensor<?x{q}xf32>, tensor<?x{p}xf32>
  step.write %1, %out : tensor<?x{p}xf32>, !step.buffer<tokens, {p}>
}}
step.phase @merge_{size} kind <attend> {{
^bb0(%in: !step.buffer<tokens, {p}>, %out: !step.buffer<tokens, {q}>, %n: !step.counter):
  %t = step.input <positions> : tensor<?xi32>
  %0 = step.read %in : !step.buffer<tokens, {p}> -> tensor<?x{p}xf32>
  %1 = kv.merge_partitions %0, %t {{heads = 8 : i64, partitions = 9 : i64, window = 4096 : i64}} : tensor<?x{p}xf32>, tensor<?xi32>, tensor<?x{q}xf32>
  step.write %1, %out : tensor<?x{q}xf32>, !step.buffer<tokens, {q}>
}}
"""

for size in map(int, sys.argv[2:]):
    print(PHASES.format(type=sys.argv[1], size=size, q=8 * size, p=8 * 9 * (size + 2)))
print("""step.program @step max_tokens 0 {
  %l = step.buffer "l" slot 0 : !step.buffer<rows, 64>
  step.logits %l : !step.buffer<rows, 64>
}""")
