// RUN: kvasir-opt %s --split-input-file -verify-diagnostics --kvasir-verify-phase=phase=import

// expected-error @below {{unexpected 'kv.cache' after phase 'import'}}
kv.cache @layer0 layer 0 : !kv.cache<2x16>

// -----

func.func @step(%x: i32) -> i32 {
  // expected-error @below {{unexpected 'arith.addi' after phase 'import'}}
  %0 = arith.addi %x, %x : i32
  return %0 : i32
}

// -----

// expected-error @below {{unexpected 'step.phase' after phase 'import'}}
step.phase @p kind <rows> {
}
