// Passes that stand between the phases of compilation: checks and snapshots.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_PIPELINE_PASSES
#define KVASIR_PIPELINE_PASSES

include "mlir/Pass/PassBase.td"

def VerifyPhasePass : Pass<"kvasir-verify-phase", "::mlir::ModuleOp"> {
  let summary = "checks that only what a phase leaves behind exists";
  let description = [{
    Reports every op and type that may not exist after the phase; changes
    nothing. The rules are a table in `lib/Pipeline/Legality.cpp`.

    Before and after, with `phase=fuse-attention`: this is an error, because the
    phase should have replaced the op.
    ```mlir
    %a = llm.attention %q, %k, %v {heads = 4 : i64, kv_heads = 2 : i64, layer = 0 : i64, scale = 0.25 : f32} : tensor<?x64xf32>, tensor<?x32xf32>
    ```
  }];
  let options = [Option<"phase", "phase", "std::string", "\"\"", "the phase that was the last to run">];
}

def SavePhasePass : Pass<"kvasir-save-phase", "::mlir::ModuleOp"> {
  let summary = "writes the module to a file";
  let description = [{
    Writes `directory/NN-phase.mlir`, atomically, where NN is the number of the
    phase. The file can be edited and fed back (`--from=PHASE`). The module is
    the same before and after.
  }];
  let options = [
    Option<"directory", "directory", "std::string", "\".\"", "where the file goes; made if need be">,
    Option<"phase", "phase", "std::string", "\"\"", "the phase that was the last to run">];
}

def LowerPass : Pass<"kvasir-lower", "::mlir::ModuleOp"> {
  let summary = "code for the target: one module for each of its variants";
  let description = [{
    Adds to the scheduled module what the target makes of it. On a CPU that is a
    nested module for each variant of the instruction set, with one function for
    each `step.phase`; for a GPU it is a `gpu.module` for each architecture, with
    a kernel for each. Other passes of the phase `lower` take these modules to
    the LLVM dialect.

    Before:
    ```mlir
    step.phase @ffn_out kind <panels> { ... }
    ```

    After:
    ```mlir
    step.phase @ffn_out kind <panels> { ... }
    module @"x86-64-v3" {
      func.func @ffn_out(...) { ... }
    }
    ```
  }];
  let options = [Option<"target", "target", "std::string", "\"cpu\"",
                        "what code is made for: cpu, or cuda: or emulate:ARCHITECTURE[+ARCHITECTURE...]">,
                 ListOption<"variants", "variants", "std::string",
                            "names of the CPU variants that code is made for (default: all)">];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::func::FuncDialect", "::mlir::gpu::GPUDialect",
    "::mlir::LLVM::LLVMDialect", "::mlir::NVVM::NVVMDialect",
    "::mlir::math::MathDialect", "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect"];
}

def EmulatePass : Pass<"kvasir-emulate", "::mlir::ModuleOp"> {
  let summary = "make code for the host of CUDA kernels";
  let description = [{
    Replaces each `gpu.module` by a nested module of the LLVM dialect in which
    every access, barrier and operation of a warp is a call of the emulator, which
    checks it. docs/Rationale/Emulator.md says what a `gpu.module` may hold; ops
    that the emulator does not know are errors.

    Before:
    ```mlir
    gpu.module @sm_90 {
      llvm.func @rows(%args: !llvm.ptr, %x: !llvm.ptr) attributes {nvvm.kernel, ...} { ... }
    }
    ```
    After:
    ```mlir
    module @"emulate:sm_90" {
      llvm.func internal @rows.thread(%thread: !llvm.ptr, %args: !llvm.ptr, %operands: !llvm.ptr) { ... }
      llvm.func @rows(%args: !llvm.ptr, %operands: !llvm.ptr, %worker: i32, %workers: i32) { ... }
    }
    ```
  }];
  let options = [Option<"seed", "seed", "uint64_t", "0",
                        "order in which blocks of a kernel run; 0: ascending">,
                 Option<"blocks", "blocks", "int64_t", "16", "most blocks of a kernel">];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect"];
}

#endif // KVASIR_PIPELINE_PASSES
