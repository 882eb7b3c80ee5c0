// RUN: kvasir-opt %s --split-input-file -verify-diagnostics --kvasir-verify-phase=phase=lower

module {
  module @"x86-64-v3" {
    llvm.func @f() {
      // expected-error @below {{unexpected 'arith.constant' after phase 'lower' in a nested module}}
      %0 = arith.constant 0 : i32
      llvm.return
    }
  }
  // Only nested modules hold code.
  // expected-error @below {{unexpected 'llvm.func' after phase 'lower'}}
  llvm.func @g()
}

// -----

module {
  module @"x86-64-v3" {
    // expected-error @below {{unexpected 'step.phase' after phase 'lower' in a nested module}}
    step.phase @p kind <rows> {
    }
  }
}
