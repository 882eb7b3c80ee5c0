// RUN: kvasir-opt %s --split-input-file -verify-diagnostics --kvasir-verify-phase=phase=schedule

// Everything that should not be there is listed, not only the first.
// expected-error @below {{unexpected 'func.func' after phase 'schedule'}}
func.func @step(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  // expected-error @below {{unexpected 'llm.attention' after phase 'schedule'}}
  %0 = llm.attention %x, %x, %x {heads = 4 : i64, kv_heads = 4 : i64, layer = 0 : i64, scale = 0.25 : f32} : tensor<?x64xf32>, tensor<?x64xf32>
  // expected-error @below {{unexpected 'func.return' after phase 'schedule'}}
  return %0 : tensor<?x64xf32>
}

// -----

// expected-error @below {{unexpected type '!kv.cache<2x16>' after phase 'schedule'}}
kv.cache @layer0 layer 0 : !kv.cache<2x16>

// -----

// Code of a target comes later.
module {
  // expected-error @below {{unexpected 'builtin.module' after phase 'schedule' in a nested module}}
  module @"x86-64-v3" {
    // expected-error @below {{unexpected 'llvm.func' after phase 'schedule' in a nested module}}
    llvm.func @f()
  }
}
