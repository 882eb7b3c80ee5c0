// The step dialect: the SPMD program of one step, phases with a barrier after each.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_STEP_OPS
#define KVASIR_STEP_OPS

include "mlir/IR/OpBase.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/IR/RegionKindInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def Step_Dialect : Dialect {
  let name = "step";
  let cppNamespace = "::kvasir::step";
  let summary = "a step as phases that all workers go through together";
  let description = [{
    `step.phase` is a function that every worker enters; it does its share and
    meets the others at a barrier. `step.program` is the constant table of
    phases with their operands. Phases that differ only in operands are one
    `step.phase`. See docs/Rationale/Step.md.
  }];
  let useDefaultTypePrinterParser = 1;
  let useDefaultAttributePrinterParser = 1;
}

def Step_Extent : I32EnumAttr<"Extent", "number of rows of a buffer", [
    I32EnumAttrCase<"tokens", 0>, // T, the tokens of the step
    I32EnumAttrCase<"rows", 1>,   // L, the rows whose logits are wanted
    I32EnumAttrCase<"one", 2>]> { // a single row
  let cppNamespace = "::kvasir::step";
  let genSpecializedAttr = 0;
}
def Step_ExtentParameter : EnumParameter<Step_Extent>;

def Step_BufferType : TypeDef<Step_Dialect, "Buffer"> {
  let mnemonic = "buffer";
  let summary = "rows in the arena";
  let description = [{
    `!step.buffer<tokens, 2048>`: one row of 2048 f32 for each token. Rows are
    padded to a multiple of 16 values or more; what lies in the padding is unspecified.

    `!step.buffer<rows, i32>`: an i32 for each row of logits, without padding.

    `!step.buffer<tokens, 2048, <group = 32, sums = 32, factor = 8>>`:
    rows quantized to 8 bits, in tiles of 16 tokens that lie one after the other:
    codes [columns / 32][16 tokens][32], zero beyond the columns; scales
    [columns / group][16 tokens] f32; negative sums times `factor`
    [columns / sums][16 tokens] i32; negative sums times the scale, as many, f32.
  }];
  let parameters = (ins Step_ExtentParameter:$extent, "int64_t":$columns,
                        "bool":$integers, // one i32, not f32
                        OptionalParameter<"::kvasir::llm::Int8RowsAttr">:$quantized);
  let assemblyFormat = "`<` $extent `,` custom<Columns>($columns, $integers) (`,` $quantized^)? `>`";
  let builders = [
    TypeBuilder<(ins "Extent":$extent, "int64_t":$columns,
                 CArg<"::kvasir::llm::Int8RowsAttr", "{}">:$quantized), [{
      return $_get($_ctxt, extent, columns, /*integers=*/false, quantized);
    }]>,
    TypeBuilder<(ins "Extent":$extent), [{ // of i32
      return $_get($_ctxt, extent, 1, /*integers=*/true, ::kvasir::llm::Int8RowsAttr());
    }]>];
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// Values from one row to the next: a cache line more where rows would else start in the same
    /// set of the first-level cache (its period is 4096 bytes), since a tile reads many rows at once.
    int64_t getStride() const {
      if (getIntegers())
        return 1;
      int64_t padded = (getColumns() + 15) / 16 * 16;
      return padded % 256 == 0 ? padded + 16 : padded;
    }
    /// Bytes that a row adds; of a quantized row a sixteenth of its tile.
    int64_t getRowBytes() const;
    /// Parts of a tile of quantized rows, in bytes from its start.
    struct Tile {
      int64_t scales, sums, scaledSums, bytes;
    };
    Tile getTile() const;
    /// Rows of a tile: 16, or 1 for rows of f32.
    int64_t getTileRows() const { return getQuantized() ? 16 : 1; }
  }];
}

def Step_CounterType : TypeDef<Step_Dialect, "Counter"> {
  let mnemonic = "counter";
  let summary = "64 bytes of one row of the phase table, zero when the step starts; an i32 on CPUs";
}

def Step_CostAttr : AttrDef<Step_Dialect, "Cost"> {
  let mnemonic = "cost";
  let summary = "bytes read and FLOPs of a phase, linear in tokens, logits rows and context";
  let description = [{
    In a step of T tokens, L logits rows and C context tokens seen in all (by the phase's cache):
    bytes = weight_bytes + bytes_per_token * T + cache_bytes_per_context * C,
    FLOPs = flops_per_token * T + flops_per_row * L + flops_per_context * C.
  }];
  let parameters = (ins DefaultValuedParameter<"int64_t", "0">:$weight_bytes,
    DefaultValuedParameter<"int64_t", "0">:$bytes_per_token,
    DefaultValuedParameter<"int64_t", "0">:$cache_bytes_per_context,
    DefaultValuedParameter<"int64_t", "0">:$flops_per_token,
    DefaultValuedParameter<"int64_t", "0">:$flops_per_row,
    DefaultValuedParameter<"int64_t", "0">:$flops_per_context);
  let genVerifyDecl = 1;
  let assemblyFormat = "`<` struct(params) `>`";
}

def Step_PhaseKind : I32EnumAttr<"PhaseKind", "how a phase is divided among workers", [
    I32EnumAttrCase<"rows", 0>,   // every token by one worker; all ops are on rows
    I32EnumAttrCase<"panels", 1>, // linear layers: every panel of 16 outputs by one worker
    I32EnumAttrCase<"attend", 2>, // every (attention block, kv head) by one worker, first come first served
    I32EnumAttrCase<"serial", 3>]> { // plain loops on worker 0: the naive path
  let cppNamespace = "::kvasir::step";
  let genSpecializedAttr = 0;
}
def Step_PhaseKindAttr : EnumAttr<Step_Dialect, Step_PhaseKind, "kind"> {
  let assemblyFormat = "`<` $value `>`";
}

def Step_InputKind : I32EnumAttr<"InputKind", "an integer array of the step's arguments", [
    I32EnumAttrCase<"ids", 0>,        // [T] token ids
    I32EnumAttrCase<"positions", 1>,  // [T] absolute positions
    I32EnumAttrCase<"totals", 2>,     // [T] prompt and maximum of new tokens of the token's request
    I32EnumAttrCase<"rows", 3>]> {    // [L] tokens whose logits are wanted
  let cppNamespace = "::kvasir::step";
  let genSpecializedAttr = 0;
}
def Step_InputKindAttr : EnumAttr<Step_Dialect, Step_InputKind, "input_kind"> {
  let assemblyFormat = "`<` $value `>`";
}

// T x features of f32. T is known at run time only, the number of features when compiling.
def Step_Rows : Type<And<[2DTensorOf<[F32]>.predicate, CPred<[{
    ::llvm::cast<::mlir::RankedTensorType>($_self).isDynamicDim(0) &&
    ::llvm::cast<::mlir::RankedTensorType>($_self).getDimSize(1) >= 1 &&
    ::llvm::cast<::mlir::RankedTensorType>($_self).getDimSize(1) < (int64_t(1) << 31)}]>]>,
  "tensor<?xNxf32> with N from 1 to 2^31 - 1", "::mlir::TensorType">;
def Step_AnyRows : AnyTypeOf<[Step_Rows, Type<CPred<[{
    ::llvm::isa<::mlir::RankedTensorType>($_self) &&
    ::llvm::isa_and_nonnull<::kvasir::llm::Int8RowsAttr>(
        ::llvm::cast<::mlir::RankedTensorType>($_self).getEncoding())}]>, "tensor<?xNxi8, #llm.int8_rows<...>>", "::mlir::TensorType">]>;
def Step_Ints : 1DTensorOf<[I32]>;
def Step_AnyValue : AnyTypeOf<[Step_AnyRows, Step_Ints]>;

class Step_Op<string mnemonic, list<Trait> traits = []> : Op<Step_Dialect, mnemonic, traits>;

def Step_PhaseOp : Step_Op<"phase", [Symbol, IsolatedFromAbove, NoTerminator, SingleBlock]> {
  let summary = "a function that all workers run together";
  let description = [{
    Block arguments are the operands: buffers, weights, caches, counters. The
    body holds, in this order, reads of buffers and inputs; a prologue of ops on
    rows; anchors; an epilogue of elementwise ops on the anchors' results; and
    writes. In a phase of kind

    - `rows`: there are only ops on rows (embedding and `kv.append` among them)
      and elementwise ops; worker w owns a range of tokens.
    - `panels`: the anchor is one `llm.linear`. The prologue is repeated by every worker,
      into scratch; worker w owns a range of each weight's panels, and the
      epilogue works on the owned panels of the linear's results.
    - `attend`: the anchor is one `kv.attend`, or `kv.attend_partitions` with the merge of its result.
    - `serial`: one op of any kind, done by worker 0 in plain loops (the naive path).

    A value computed on rows has a home: the buffer that the first `step.write`
    puts it in. A scratch buffer is the worker's own.

    ```mlir
    step.phase @ffn_out kind <panels> {
    ^bb0(%in: !step.buffer<tokens, 128>, %w: !llm.weight<64x128xbf16>, %x: !step.buffer<tokens, 64>, %out: !step.buffer<tokens, 64>):
      %0 = step.read %in : !step.buffer<tokens, 128> -> tensor<?x128xf32>
      %1 = step.read %x : !step.buffer<tokens, 64> -> tensor<?x64xf32>
      %2 = llm.linear %0, [%w] : tensor<?x128xf32>, [!llm.weight<64x128xbf16>] -> tensor<?x64xf32>
      %3 = llm.add %1, %2 : tensor<?x64xf32>
      step.write %3, %out : tensor<?x64xf32>, !step.buffer<tokens, 64>
    }
    ```

    Constraints:
    - (phase_c1) a buffer is read or written in a phase, never both
    - (phase_c2) arguments are buffers, weights, caches or counters
    - (phase_c3) the body has the ops that the kind admits
    - (phase_c4) a value computed on rows, an attention or a serial op has a home
    - (phase_c5) what follows the linear layer is elementwise, on its results
    - (phase_c6) a phase of kind attend has one counter, one of kind panels at most
      one
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, Step_PhaseKindAttr:$kind);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$sym_name `kind` $kind attr-dict-with-keyword $body";
  let hasVerifier = 1;
}

def Step_ReadOp : Step_Op<"read", [Pure, HasParent<"PhaseOp">]> {
  let summary = "the rows of a buffer as a value";
  let description = [{
    ```mlir
    %x = step.read %buffer : !step.buffer<tokens, 64> -> tensor<?x64xf32>
    ```

    Constraints:
    - (read_c1) the value has the buffer's columns and is quantized as it is
  }];
  let arguments = (ins Step_BufferType:$buffer);
  let results = (outs Step_AnyRows:$result);
  let assemblyFormat = "$buffer attr-dict `:` qualified(type($buffer)) `->` type($result)";
  let hasVerifier = 1;
}

def Step_WriteOp : Step_Op<"write", [HasParent<"PhaseOp">]> {
  let summary = "puts rows into a buffer";
  let description = [{
    Every element is written by the worker that owns it (into scratch: by every worker).

    ```mlir
    step.write %x, %buffer : tensor<?x64xf32>, !step.buffer<tokens, 64>
    ```

    Constraints:
    - (write_c1) the value has the buffer's columns and is quantized as it is, and
      integers go to a buffer of integers
  }];
  let arguments = (ins Step_AnyValue:$value, Step_BufferType:$buffer);
  let assemblyFormat = "$value `,` $buffer attr-dict `:` type($value) `,` qualified(type($buffer))";
  let hasVerifier = 1;
}

def Step_InputOp : Step_Op<"input", [Pure, HasParent<"PhaseOp">]> {
  let summary = "an integer array of the step's arguments";
  let description = [{
    ```mlir
    %ids = step.input <ids> : tensor<?xi32>
    ```
  }];
  let arguments = (ins Step_InputKindAttr:$kind);
  let results = (outs Step_Ints:$result);
  let assemblyFormat = "$kind attr-dict `:` type($result)";
}

def Step_ProgramOp : Step_Op<"program", [Symbol, NoTerminator, SingleBlock]> {
  let summary = "the phase table of a step, its buffers and its output";
  let description = [{
    Runs a step of up to `max_tokens` tokens (0: as many as the engine admits).

    ```mlir
    step.program @decode max_tokens 16 {
      %x = step.buffer "x" slot 0 : !step.buffer<tokens, 64>
      step.run @ffn_out(%h, %w, %x, %y) layer 0 cost <weight_bytes = 16384> : ...
      step.logits %l : !step.buffer<rows, 256>
    }
    ```

    Constraints:
    - (program_c1) exactly one `step.logits`, at most one `step.chosen`
    - (program_c2) the body has no arguments, and only ops of the table, `llm.get_weight` and `kv.get_cache`
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, ConfinedAttr<I64Attr, [IntNonNegative]>:$max_tokens);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$sym_name `max_tokens` $max_tokens attr-dict-with-keyword $body";
  let hasVerifier = 1;
}

def Step_BufferOp : Step_Op<"buffer", [HasParent<"ProgramOp">]> {
  let summary = "a buffer of the arena";
  let description = [{
    Buffers of one slot are never alive together. `scratch`: each worker has its own.

    ```mlir
    %x = step.buffer "x" slot 0 : !step.buffer<tokens, 64>
    ```
  }];
  let arguments = (ins StrAttr:$name, ConfinedAttr<I64Attr, [IntNonNegative]>:$slot, UnitAttr:$scratch);
  let results = (outs Step_BufferType:$result);
  let assemblyFormat = "$name `slot` $slot (`scratch` $scratch^)? attr-dict `:` qualified(type($result))";
}

def Step_CounterOp : Step_Op<"counter", [HasParent<"ProgramOp">]> {
  let summary = "the work counter of one row of the table";
  let description = [{
    ```mlir
    %c = step.counter : !step.counter
    ```
  }];
  let results = (outs Step_CounterType:$result);
  let assemblyFormat = "attr-dict `:` qualified(type($result))";
}

def Step_RunOp : Step_Op<"run", [HasParent<"ProgramOp">, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "a row of the phase table";
  let description = [{
    ```mlir
    step.run @ffn_out(%h, %w, %x, %y) layer 0 cost <weight_bytes = 16384> : !step.buffer<tokens, 128>, !llm.weight<64x128xbf16>, !step.buffer<tokens, 64>, !step.buffer<tokens, 64>
    ```

    Constraints:
    - (run_c1) the symbol is a `step.phase` whose arguments have the operands' types
  }];
  let arguments = (ins FlatSymbolRefAttr:$phase, Variadic<AnyType>:$operands, I64Attr:$layer, Step_CostAttr:$cost);
  let assemblyFormat = "$phase `(` $operands `)` `layer` $layer `cost` $cost attr-dict `:` type($operands)";
}

def Step_LogitsOp : Step_Op<"logits", [HasParent<"ProgramOp">]> {
  let summary = "the buffer that holds the logits when the step is over";
  let description = [{
    ```mlir
    step.logits %l : !step.buffer<rows, 256>
    ```

    Constraints:
    - (logits_c1) the buffer has a row for each row of logits, and is not scratch
  }];
  let arguments = (ins Step_BufferType:$buffer);
  let assemblyFormat = "$buffer attr-dict `:` qualified(type($buffer))";
  let hasVerifier = 1;
}

def Step_ChosenOp : Step_Op<"chosen", [HasParent<"ProgramOp">]> {
  let summary = "the buffer that holds the greedy choice for each row of logits";
  let description = [{
    Programs without one leave the choice to the runtime, which has the logits.

    ```mlir
    step.chosen %c : !step.buffer<rows, i32>
    ```

    Constraints:
    - (chosen_c1) the buffer has an i32 for each row of logits, and is not scratch
  }];
  let arguments = (ins Step_BufferType:$buffer);
  let assemblyFormat = "$buffer attr-dict `:` qualified(type($buffer))";
  let hasVerifier = 1;
}
#endif // KVASIR_STEP_OPS
