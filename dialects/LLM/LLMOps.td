// The llm dialect: a decoder model on ragged tokens, weights by reference.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_LLM_OPS
#define KVASIR_LLM_OPS

include "mlir/IR/OpBase.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/SideEffectInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"

def LLM_Dialect : Dialect {
  let name = "llm";
  let cppNamespace = "::kvasir::llm";
  let summary = "a decoder language model on ragged tokens";
  let description = [{
    One function, `@step(ids, positions, totals, rows)`, computes a step: T
    tokens of several requests, laid end to end (ragged, no padding), each with
    its absolute position and the total of its request; `rows` are the L tokens
    whose logits, the result, are wanted. A value
    is a tensor `T x features` of f32; T is known at run time only. Weights
    never enter the IR: `llm.weight` names a range of a file, and ops take
    `!llm.weight` values made by `llm.get_weight`.

    The dialect says what is computed, not in which order of additions: that is
    fixed by the target (see docs/Rationale/Bits.md).

    Module attributes: `llm.model` (a dictionary of what the runtime reports:
    architecture, layers, hidden_size, vocab_size, heads, kv_heads, head_size,
    parameters, max_context, weight_type, bos, eos) and `llm.directory` (where
    the files of the sources are).
  }];
  let useDefaultTypePrinterParser = 1;
  let useDefaultAttributePrinterParser = 1;
  let hasOperationAttrVerify = 1;
}

//===----------------------------------------------------------------------===//
// Types and attributes
//===----------------------------------------------------------------------===//

def LLM_WeightType : TypeDef<LLM_Dialect, "Weight"> {
  let mnemonic = "weight";
  let summary = "a weight: its shape and the type of its stored values";
  let description = [{
    `!llm.weight<2048x512xbf16>` is a matrix of 2048 rows (outputs) and 512
    columns (inputs); a vector has one dimension. Element types: f32, f16, bf16,
    and of matrices encodings: `!llm.weight<2048x512x!llm.encoded<"int4-g128">>`.
  }];
  let parameters = (ins ArrayRefParameter<"int64_t">:$shape, "::mlir::Type":$elementType);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    int64_t getRank() const { return getShape().size(); }
    /// Outputs of a matrix, length of a vector.
    int64_t getRows() const { return getShape().front(); }
    /// Inputs of a matrix; 1 for a vector.
    int64_t getColumns() const { return getRank() == 1 ? 1 : getShape()[1]; }
    /// The encoding of the values; nothing if they are plain floats.
    std::optional<::kvasir::Encoding> getEncoding() const;
  }];
}

def LLM_EncodedType : TypeDef<LLM_Dialect, "Encoded"> {
  let mnemonic = "encoded";
  let summary = "values written in few bits";
  let description = [{
    Element type of weights. `!llm.encoded<"int4-g128">`: codes of 4 bits, and a
    scale for each group of 128 columns. The names are those of the table in
    kvasir/Encoding/Encoding.h; encodings that are equal have one name.
  }];
  let parameters = (ins StringRefParameter<"name of the encoding">:$name);
  let assemblyFormat = "`<` $name `>`";
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    ::kvasir::Encoding getEncoding() const;
  }];
}

def LLM_Int8RowsAttr : AttrDef<LLM_Dialect, "Int8Rows"> {
  let mnemonic = "int8_rows";
  let summary = "how rows of activations are quantized to 8 bits";
  let description = [{
    Encoding of a tensor `tensor<?xKxi8, #llm.int8_rows<group = 32, sums = 32, factor = 8>>`:
    `group` neighbouring columns of a row share a scale (f32). What linear layers
    need of the codes beside is kept with them: for every `sums` columns the
    negative sum of the codes times `factor` (i32), and the negative sum times
    the scale (f32).
  }];
  let parameters = (ins "int64_t":$group, "int64_t":$sums, "int64_t":$factor);
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
}

def LLM_SourceAttr : AttrDef<LLM_Dialect, "Source"> {
  let mnemonic = "source";
  let summary = "where the values of a weight are read from";
  let description = [{
    A tensor stored in `file` (relative to the module's `llm.directory`) at byte
    `offset`, rows contiguous, with the shape and type of `stored`. With
    `transpose` the stored matrix is used transposed. `row` is the first row
    (after transposing) of the slice that the weight takes; the weight's own
    shape says how many. `interleaved`: the source holds the rows of every head
    of so many rows in the order 0, n, 1, n + 1, ... (n half of it), as
    llama.cpp writes them for rotary embedding; the weight has them as 0, 1, 2, ...

    Encoded values are stored in GGUF's blocks, or, with a `format` (see
    kvasir/Encoding/Stored.h), as several tensors: codes at `offset`, and the
    tensors `scales` and `zeros`. `stored` is then the shape of the matrix, and
    that of the parts the shape of their tensor.

    ```mlir
    #llm.source<file = "model.safetensors", offset = 4096, stored = tensor<64x192xbf16>, transpose = true, row = 64>
    #llm.source<file = "model.safetensors", offset = 0, stored = tensor<64x128x!llm.encoded<"int4-g128">>, format = "gptq",
      scales = <file = "model.safetensors", offset = 4096, stored = tensor<1x64xf16>>>
    ```
  }];
  let parameters = (ins "::mlir::StringAttr":$file, "uint64_t":$offset,
    "::mlir::RankedTensorType":$stored,
    DefaultValuedParameter<"bool", "false">:$transpose,
    DefaultValuedParameter<"int64_t", "0">:$row,
    DefaultValuedParameter<"int64_t", "0">:$interleaved,
    OptionalParameter<"::mlir::StringAttr">:$format,
    OptionalParameter<"::kvasir::llm::SourceAttr">:$scales,
    OptionalParameter<"::kvasir::llm::SourceAttr">:$zeros);
  let extraClassDeclaration = [{
    /// How encoded values are stored; nothing for others, or an unknown format.
    std::optional<::kvasir::StoredMatrix> getMatrix() const;
  }];
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
}

def LLM_ActivationKind : I32EnumAttr<"ActivationKind", "elementwise activation function", [
    I32EnumAttrCase<"silu", 0>,      // x * sigmoid(x)
    I32EnumAttrCase<"gelu", 1>,      // x * Phi(x), exact (erf)
    I32EnumAttrCase<"gelu_tanh", 2>, // tanh approximation of gelu
    I32EnumAttrCase<"relu", 3>]> {
  let cppNamespace = "::kvasir::llm";
  let genSpecializedAttr = 0;
}
def LLM_ActivationAttr : EnumAttr<LLM_Dialect, LLM_ActivationKind, "act"> {
  let assemblyFormat = "`<` $value `>`";
}

def LLM_WeightLayout : I32EnumAttr<"WeightLayout", "how a weight lies in the artifact", [
    I32EnumAttrCase<"row_major", 0>,
    I32EnumAttrCase<"panel16", 1>,  // [N/16][K][16] of plain floats
    I32EnumAttrCase<"panel32", 2>,  // of encoded values, see kvasir/Encoding/Encoding.h
    I32EnumAttrCase<"mma16", 3>]> { // of plain floats, see kvasir/Encoding/Mma16.h
  let cppNamespace = "::kvasir::llm";
  let genSpecializedAttr = 0;
}
def LLM_LayoutAttr : EnumAttr<LLM_Dialect, LLM_WeightLayout, "layout"> {
  let assemblyFormat = "`<` $value `>`";
}

// T x features of f32. T is known at run time only, the number of features when compiling.
def LLM_Rows : Type<And<[2DTensorOf<[F32]>.predicate, CPred<[{
    ::llvm::cast<::mlir::RankedTensorType>($_self).isDynamicDim(0) &&
    ::llvm::cast<::mlir::RankedTensorType>($_self).getDimSize(1) >= 1 &&
    ::llvm::cast<::mlir::RankedTensorType>($_self).getDimSize(1) < (int64_t(1) << 31)}]>]>,
  "tensor<?xNxf32> with N from 1 to 2^31 - 1", "::mlir::TensorType">;
// T x features of i8 with their scales.
def LLM_QuantizedRows : Type<And<[2DTensorOf<[I8]>.predicate, CPred<[{
    ::llvm::cast<::mlir::RankedTensorType>($_self).isDynamicDim(0) &&
    ::llvm::isa_and_nonnull<::kvasir::llm::Int8RowsAttr>(
        ::llvm::cast<::mlir::RankedTensorType>($_self).getEncoding())}]>]>,
  "tensor<?xNxi8, #llm.int8_rows<...>>", "::mlir::TensorType">;
// Integers for each token or row.
def LLM_Ints : 1DTensorOf<[I32]>;

class LLM_Op<string mnemonic, list<Trait> traits = []> : Op<LLM_Dialect, mnemonic, traits>;

// An op on each row by itself: the result at row t depends on row t only, and on all of it.
def LLM_RowOp : NativeOpTrait<"RowOp"> { let cppNamespace = "::kvasir::llm"; }
// An op on each element by itself.
def LLM_ElementwiseOp : NativeOpTrait<"ElementwiseOp"> { let cppNamespace = "::kvasir::llm"; }

//===----------------------------------------------------------------------===//
// Weights
//===----------------------------------------------------------------------===//

def LLM_WeightOp : LLM_Op<"weight", [Symbol]> {
  let summary = "declares a weight and where its values come from";
  let description = [{
    Made by an importer, one for each tensor (or slice of one) that the model
    uses. `schedule` sets `layout`; `package` packs the values in that layout.

    ```mlir
    llm.weight @layers.0.q : !llm.weight<64x64xbf16> from <file = "model.safetensors", offset = 0, stored = tensor<64x64xbf16>>
    ```

    Constraints:
    - (weight_c1) the stored values have the weight's element type, or are floats
      that `package` encodes
    - (weight_c2) the weight's columns are the columns of the source (after transposing)
    - (weight_c3) the slice lies inside the source
    - (weight_c4) interleaved heads are whole, and their source is not transposed
    - (weight_c5) encoded values are not transposed
    - (weight_c6) a `format` is one of kvasir/Encoding/Stored.h that can hold the
      encoding, and has the tensors that it needs; only parts of one are integers
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, TypeAttrOf<LLM_WeightType>:$type,
                       LLM_SourceAttr:$source, OptionalAttr<LLM_LayoutAttr>:$layout);
  let assemblyFormat = "$sym_name `:` $type `from` $source (`layout` $layout^)? attr-dict";
  let hasVerifier = 1;
}

def LLM_GetWeightOp : LLM_Op<"get_weight", [Pure, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "a declared weight as a value";
  let description = [{
    ```mlir
    %w = llm.get_weight @layers.0.q : !llm.weight<64x64xbf16>
    ```

    Constraints:
    - (get_weight_c1) the symbol is an `llm.weight` of the same type
  }];
  let arguments = (ins FlatSymbolRefAttr:$name);
  let results = (outs LLM_WeightType:$result);
  let assemblyFormat = "$name attr-dict `:` qualified(type($result))";
}

//===----------------------------------------------------------------------===//
// Ops on rows
//===----------------------------------------------------------------------===//

def LLM_EmbeddingOp : LLM_Op<"embedding", [Pure, LLM_RowOp]> {
  let summary = "rows of a table, chosen by ids or positions";
  let description = [{
    `result[t, :] = f32(table[index[t], :])`.

    ```mlir
    %x = llm.embedding %ids, %table : (tensor<?xi32>, !llm.weight<256x64xbf16>) -> tensor<?x64xf32>
    ```

    `schedule` sets `layout`, how the table lies (a tied head's panels serve both).

    Constraints:
    - (embedding_c1) the table is a matrix with as many columns as the result
  }];
  let arguments = (ins LLM_Ints:$index, LLM_WeightType:$table, OptionalAttr<LLM_LayoutAttr>:$layout);
  let results = (outs LLM_Rows:$result);
  let builders = [OpBuilder<(ins "::mlir::Type":$result, "::mlir::Value":$index, "::mlir::Value":$table), [{
    build($_builder, $_state, result, index, table, /*layout=*/WeightLayoutAttr());
  }]>];
  let assemblyFormat = "$index `,` $table (`layout` $layout^)? attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def LLM_SelectRowsOp : LLM_Op<"select_rows", [Pure, AllTypesMatch<["x", "result"]>]> {
  let summary = "the rows whose logits are wanted";
  let description = [{
    `result[l, :] = x[rows[l], :]`. What follows is computed for L rows, not T.

    ```mlir
    %last = llm.select_rows %x, %rows : tensor<?x64xf32>, tensor<?xi32>
    ```
  }];
  let arguments = (ins LLM_Rows:$x, LLM_Ints:$rows);
  let results = (outs LLM_Rows:$result);
  let assemblyFormat = "$x `,` $rows attr-dict `:` type($x) `,` type($rows)";
}

def LLM_RmsNormOp : LLM_Op<"rms_norm", [Pure, LLM_RowOp, AllTypesMatch<["x", "result"]>]> {
  let summary = "root mean square normalization over groups of features";
  let description = [{
    For every group of `group` neighbouring features (the whole row, or a head):
    `result = x / sqrt(mean(x^2) + epsilon) * weight`, with a weight of `group`
    values that all groups share, or of a whole row. (Zhang and Sennrich, 2019.)

    ```mlir
    %n = llm.rms_norm %x, %w {epsilon = 1.0e-06 : f32, group = 64 : i64} : tensor<?x64xf32>, !llm.weight<64xbf16>
    ```

    Constraints:
    - (rms_norm_c1) `group` divides the number of features
    - (rms_norm_c2) the weight is a vector of `group` values
  }];
  let arguments = (ins LLM_Rows:$x, LLM_WeightType:$weight, F32Attr:$epsilon, I64Attr:$group);
  let results = (outs LLM_Rows:$result);
  let assemblyFormat = "$x `,` $weight attr-dict `:` type($x) `,` qualified(type($weight))";
  let hasVerifier = 1;
}

def LLM_LayerNormOp : LLM_Op<"layer_norm", [Pure, LLM_RowOp, AllTypesMatch<["x", "result"]>]> {
  let summary = "layer normalization of each row";
  let description = [{
    `result = (x - mean(x)) / sqrt(var(x) + epsilon) * weight + bias`, the
    variance being that of the population. (Ba, Kiros and Hinton, 2016.)

    ```mlir
    %n = llm.layer_norm %x, %w, %b {epsilon = 1.0e-05 : f32} : tensor<?x64xf32>, !llm.weight<64xbf16>, !llm.weight<64xbf16>
    ```

    Constraints:
    - (layer_norm_c1) weight and bias are vectors as long as a row
  }];
  let arguments = (ins LLM_Rows:$x, LLM_WeightType:$weight, Optional<LLM_WeightType>:$bias, F32Attr:$epsilon);
  let results = (outs LLM_Rows:$result);
  let assemblyFormat = "$x `,` $weight (`,` $bias^)? attr-dict `:` type($x) `,` qualified(type($weight)) (`,` qualified(type($bias))^)?";
  let hasVerifier = 1;
}

def LLM_QuantizeRowsOp : LLM_Op<"quantize_rows", [Pure, LLM_RowOp]> {
  let summary = "activations rounded to 8 bits";
  let description = [{
    For every group of columns of a row: `scale = max |x| / 127`, and
    `code = x * (127 / max |x|)`, to the nearest integer, ties to even; 0 in a group of
    zeros. A row's codes depend on nothing but the row.

    ```mlir
    %q = llm.quantize_rows %x : tensor<?x64xf32> -> tensor<?x64xi8, #llm.int8_rows<group = 32, sums = 32, factor = 8>>
    ```

    Constraints:
    - (quantize_rows_c1) the result has as many columns as x
  }];
  let arguments = (ins LLM_Rows:$x);
  let results = (outs LLM_QuantizedRows:$result);
  let assemblyFormat = "$x attr-dict `:` type($x) `->` type($result)";
  let hasVerifier = 1;
}

def LLM_LinearOp : LLM_Op<"linear", [Pure, AttrSizedOperandSegments]> {
  let summary = "one or more linear layers on the same input";
  let description = [{
    `results[i][t, n] = sum_k x[t, k] * weights[i][n, k] (+ biases[i][n])`.
    Importers make one weight per op; `fuse-attention` puts projections that
    share an input together, so that the input is read (and quantized) once.
    With x quantized to 8 bits, the sum over columns that share the scales of
    both is an exact integer; with x in f32, weights are decoded to f32.

    ```mlir
    %q, %k = llm.linear %x, [%wq, %wk] : tensor<?x64xf32>, [!llm.weight<64x64xbf16>, !llm.weight<32x64xbf16>] -> tensor<?x64xf32>, tensor<?x32xf32>
    ```

    Constraints:
    - (linear_c1) one result for each weight; weights are matrices with as many
      columns as the input has features and as many rows as their result
    - (linear_c2) biases: none, or one vector for each weight, as long as its result
    - (linear_c3) with quantized x, weights have encodings of integers whose groups
      are multiples of the sums' columns, and `factor` divides their offsets
      (and is 1 if a weight has zero points)
  }];
  let arguments = (ins AnyTypeOf<[LLM_Rows, LLM_QuantizedRows]>:$x, Variadic<LLM_WeightType>:$weights, Variadic<LLM_WeightType>:$biases);
  let results = (outs Variadic<LLM_Rows>:$results);
  let assemblyFormat = [{
    $x `,` `[` $weights `]` (`bias` `[` $biases^ `]`)? attr-dict `:`
    type($x) `,` `[` type($weights) `]` (`bias` `[` type($biases)^ `]`)? `->` type($results)
  }];
  let hasVerifier = 1;
}

def LLM_RopeTableOp : LLM_Op<"rope_table", [Pure, LLM_RowOp, AllTypesMatch<["positions", "totals"]>]> {
  let summary = "cosines and sines of rotary position embedding";
  let description = [{
    For frequencies f_0..f_{n-1} the result has 2n features:
    `result[t, i] = magnitude * cos(position[t] * f_i)` and
    `result[t, n + i] = magnitude * sin(position[t] * f_i)`. (Su et al., 2021.)
    All published scalings that do not depend on the length so far (linear,
    llama3, yarn) are resolved into frequencies and magnitude by the importer.

    With `long_frequencies` (longrope), a request whose `total` (prompt and
    maximum of new tokens, fixed when it starts) exceeds `original_context` uses
    those instead.

    ```mlir
    %table = llm.rope_table %positions, %totals {frequencies = array<f32: 1.0, 0.01>, magnitude = 1.0 : f32} : tensor<?xi32> -> tensor<?x4xf32>
    ```

    Constraints:
    - (rope_table_c1) the result has two features for each frequency
    - (rope_table_c2) `long_frequencies` are as many as `frequencies`, and come
      with `original_context`
  }];
  let arguments = (ins LLM_Ints:$positions, LLM_Ints:$totals, DenseF32ArrayAttr:$frequencies, F32Attr:$magnitude,
                       OptionalAttr<DenseF32ArrayAttr>:$long_frequencies, OptionalAttr<F32Attr>:$long_magnitude,
                       OptionalAttr<I64Attr>:$original_context);
  let results = (outs LLM_Rows:$result);
  let assemblyFormat = "$positions `,` $totals attr-dict `:` type($positions) `->` type($result)";
  let hasVerifier = 1;
}

def LLM_RopeOp : LLM_Op<"rope", [Pure, LLM_RowOp, AllTypesMatch<["x", "result"]>]> {
  let summary = "rotary position embedding of every head";
  let description = [{
    With a table of 2n features, the first 2n features of each head are rotated
    in pairs (i, i + n); the rest pass through.
    `result[i] = x[i] * cos[i] - x[i+n] * sin[i]`,
    `result[i+n] = x[i+n] * cos[i] + x[i] * sin[i]`.

    ```mlir
    %r = llm.rope %q, %table {head_size = 16 : i64} : tensor<?x64xf32>, tensor<?x16xf32>
    ```

    Constraints:
    - (rope_c1) `head_size` divides the number of features
    - (rope_c2) the table has at most `head_size` features, an even number
  }];
  let arguments = (ins LLM_Rows:$x, LLM_Rows:$table, I64Attr:$head_size);
  let results = (outs LLM_Rows:$result);
  let assemblyFormat = "$x `,` $table attr-dict `:` type($x) `,` type($table)";
  let hasVerifier = 1;
}

def LLM_ArgmaxOp : LLM_Op<"argmax", [Pure, LLM_RowOp]> {
  let summary = "the greedy choice: the index of each row's largest value";
  let description = [{
    `result[l]` is the lowest index below `count` whose value is the largest of
    the first `count` values of row l; -1 if one of them is NaN or the largest
    is infinite, when there is no choice to make. Made by `schedule` for targets that choose
    next to the logits.

    ```mlir
    %id = llm.argmax %logits {count = 250 : i64} : tensor<?x256xf32>, tensor<?xi32>
    ```

    Constraints:
    - (argmax_c1) a row has at least `count` features
  }];
  let arguments = (ins LLM_Rows:$x, ConfinedAttr<I64Attr, [IntPositive]>:$count);
  let results = (outs LLM_Ints:$result);
  let assemblyFormat = "$x attr-dict `:` type($x) `,` type($result)";
  let hasVerifier = 1;
}

def LLM_AttentionOp : LLM_Op<"attention", [Pure, AllTypesMatch<["q", "result"]>, AllTypesMatch<["k", "v"]>]> {
  let summary = "causal self-attention of each request over all its tokens so far";
  let description = [{
    Query head h uses key/value head `h / (heads / kv_heads)`. A token at position
    p sees positions `max(0, p - window + 1) .. p` of its own request (`window`
    absent: all up to p), those of earlier steps included:
    `softmax(scale * q . k) . v`. `fuse-attention` turns it into a cache
    (`kv.cache`), `kv.append` and `kv.attend`.

    ```mlir
    %a = llm.attention %q, %k, %v {heads = 4 : i64, kv_heads = 2 : i64, layer = 0 : i64, scale = 0.25 : f32} : tensor<?x64xf32>, tensor<?x32xf32>
    ```

    Constraints:
    - (attention_c1) `kv_heads` divides `heads`
    - (attention_c2) q has `heads` and k and v have `kv_heads` heads of one size
  }];
  let arguments = (ins LLM_Rows:$q, LLM_Rows:$k, LLM_Rows:$v, ConfinedAttr<I64Attr, [IntNonNegative]>:$layer,
                        I64Attr:$heads, I64Attr:$kv_heads,
                       F32Attr:$scale, OptionalAttr<ConfinedAttr<I64Attr, [IntPositive]>>:$window);
  let results = (outs LLM_Rows:$result);
  let assemblyFormat = "$q `,` $k `,` $v attr-dict `:` type($q) `,` type($k)";
  let extraClassDeclaration = [{
    int64_t getHeadSize();
  }];
  let hasVerifier = 1;
}

//===----------------------------------------------------------------------===//
// Elementwise ops
//===----------------------------------------------------------------------===//

def LLM_ActivationOp : LLM_Op<"activation", [Pure, LLM_ElementwiseOp, SameOperandsAndResultType]> {
  let summary = "an activation function on every element";
  let description = [{
    ```mlir
    %y = llm.activation <gelu_tanh> %x : tensor<?x256xf32>
    ```
  }];
  let arguments = (ins LLM_ActivationAttr:$kind, LLM_Rows:$x);
  let results = (outs LLM_Rows:$result);
  let assemblyFormat = "$kind $x attr-dict `:` type($x)";
}

def LLM_GatedActOp : LLM_Op<"gated_act", [Pure, LLM_ElementwiseOp, SameOperandsAndResultType]> {
  let summary = "activation of a gate, times another value";
  let description = [{
    `result = act(gate) * up`. (Shazeer, 2020.)

    ```mlir
    %y = llm.gated_act <silu> %gate, %up : tensor<?x128xf32>
    ```
  }];
  let arguments = (ins LLM_ActivationAttr:$kind, LLM_Rows:$gate, LLM_Rows:$up);
  let results = (outs LLM_Rows:$result);
  let assemblyFormat = "$kind $gate `,` $up attr-dict `:` type($gate)";
}

def LLM_AddOp : LLM_Op<"add", [Pure, LLM_ElementwiseOp, SameOperandsAndResultType]> {
  let summary = "sum, with a factor on the second operand";
  let description = [{
    `result = x + scale * y`, the product rounded before the sum.

    ```mlir
    %s = llm.add %x, %y {scale = 0.22 : f32} : tensor<?x64xf32>
    ```
  }];
  let arguments = (ins LLM_Rows:$x, LLM_Rows:$y, DefaultValuedAttr<F32Attr, "1.0f">:$scale);
  let results = (outs LLM_Rows:$result);
  let assemblyFormat = "$x `,` $y attr-dict `:` type($x)";
}

def LLM_ScaleOp : LLM_Op<"scale", [Pure, LLM_ElementwiseOp, SameOperandsAndResultType]> {
  let summary = "product with a constant";
  let description = [{
    ```mlir
    %y = llm.scale %x {factor = 12.0 : f32} : tensor<?x64xf32>
    ```
  }];
  let arguments = (ins LLM_Rows:$x, F32Attr:$factor);
  let results = (outs LLM_Rows:$result);
  let assemblyFormat = "$x attr-dict `:` type($x)";
}

#endif // KVASIR_LLM_OPS
