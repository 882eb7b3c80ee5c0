// RUN: kvasir-opt %s -verify-diagnostics -split-input-file

// expected-error @below {{program_c1: expected one step.logits, but got 0}}
step.program @decode max_tokens 16 {
  %x = step.buffer "x" slot 0 : !step.buffer<rows, 64>
}

// -----

// expected-error @below {{program_c1: expected one step.logits, but got 2}}
step.program @decode max_tokens 16 {
  %x = step.buffer "x" slot 0 : !step.buffer<rows, 64>
  step.logits %x : !step.buffer<rows, 64>
  step.logits %x : !step.buffer<rows, 64>
}

// -----

// expected-error @below {{program_c2: expected only ops of a phase table}}
step.program @decode max_tokens 16 {
  // expected-note @below {{but got arith.constant}}
  %0 = arith.constant 0 : i32
}

// -----

// expected-error @below {{program_c2: expected a body without arguments}}
step.program @decode max_tokens 16 {
^bb0(%x: !step.buffer<rows, 64>):
  step.logits %x : !step.buffer<rows, 64>
}

// -----

step.program @decode max_tokens 16 {
  %x = step.buffer "x" slot 0 : !step.buffer<rows, 64>
  // expected-error @below {{run_c1: expected a step.phase named @p}}
  step.run @p(%x) layer 0 cost <> : !step.buffer<rows, 64>
  step.logits %x : !step.buffer<rows, 64>
}

// -----

// expected-note @below {{the phase is declared here}}
step.phase @p kind <rows> {
^bb0(%x: !step.buffer<tokens, 64>):
}
step.program @decode max_tokens 16 {
  %x = step.buffer "x" slot 0 : !step.buffer<rows, 64>
  // expected-error @below {{run_c1: expected the operands of @p}}
  step.run @p(%x) layer 0 cost <> : !step.buffer<rows, 64>
  step.logits %x : !step.buffer<rows, 64>
}

// -----

// expected-error @below {{attribute 'max_tokens' failed to satisfy constraint: 64-bit signless integer attribute whose value is non-negative}}
step.program @decode max_tokens -1 {
}

// -----

step.program @decode max_tokens 16 {
  // expected-error @below {{attribute 'slot' failed to satisfy constraint: 64-bit signless integer attribute whose value is non-negative}}
  %x = step.buffer "x" slot -1 : !step.buffer<rows, 64>
  step.logits %x : !step.buffer<rows, 64>
}

// -----

// expected-error @below {{expected columns from 1 to 2^31 - 1, but got 0}}
func.func private @f(!step.buffer<rows, 0>)

// -----

// expected-error @below {{expected costs of 0 or more, but got -1}}
func.func private @f() attributes {cost = #step.cost<weight_bytes = -1>}

// -----

func.func @f() {
  // expected-error @below {{expects parent op 'step.program'}}
  %0 = step.counter : !step.counter
  return
}

// -----

step.program @decode max_tokens 16 {
  %x = step.buffer "x" slot 0 : !step.buffer<tokens, 64>
  // expected-error @below {{logits_c1: expected a buffer of rows that is not scratch, but got '!step.buffer<tokens, 64>'}}
  step.logits %x : !step.buffer<tokens, 64>
}

// -----

step.program @decode max_tokens 16 {
  %x = step.buffer "x" slot 0 scratch : !step.buffer<rows, 64>
  // expected-error @below {{logits_c1: expected a buffer of rows that is not scratch}}
  step.logits %x : !step.buffer<rows, 64>
}

// -----

step.program @decode max_tokens 16 {
  %x = step.buffer "x" slot 0 : !step.buffer<rows, i32>
  // expected-error @below {{logits_c1: expected a buffer of rows that is not scratch, but got '!step.buffer<rows, i32>'}}
  step.logits %x : !step.buffer<rows, i32>
}

// -----

step.program @decode max_tokens 16 {
  %x = step.buffer "x" slot 0 : !step.buffer<rows, 64>
  step.logits %x : !step.buffer<rows, 64>
  // expected-error @below {{chosen_c1: expected a buffer of i32 for rows that is not scratch, but got '!step.buffer<rows, 64>'}}
  step.chosen %x : !step.buffer<rows, 64>
}

// -----

// expected-error @below {{program_c1: expected at most one step.chosen, but got 2}}
step.program @decode max_tokens 16 {
  %x = step.buffer "x" slot 0 : !step.buffer<rows, 64>
  %c = step.buffer "c" slot 1 : !step.buffer<rows, i32>
  step.logits %x : !step.buffer<rows, 64>
  step.chosen %c : !step.buffer<rows, i32>
  step.chosen %c : !step.buffer<rows, i32>
}

// -----

step.phase @p kind <rows> {
^bb0(%x: !step.buffer<rows, 64>, %out: !step.buffer<rows, i32>):
  %0 = step.read %x : !step.buffer<rows, 64> -> tensor<?x64xf32>
  // expected-error @below {{write_c1: expected a value for '!step.buffer<rows, i32>', but got 'tensor<?x64xf32>'}}
  step.write %0, %out : tensor<?x64xf32>, !step.buffer<rows, i32>
}
