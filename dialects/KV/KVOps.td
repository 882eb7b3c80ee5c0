// The kv dialect: caches of keys and values, and what reads and writes them.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_KV_OPS
#define KVASIR_KV_OPS

include "mlir/IR/OpBase.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def KV_Dialect : Dialect {
  let name = "kv";
  let cppNamespace = "::kvasir::kv";
  let summary = "caches of keys and values";
  let description = [{
    A cache is a symbol, one for each layer that has attention. Ops on it read
    and write memory that outlives the step, so their order in the program is
    the order of their effects.
  }];
  let useDefaultTypePrinterParser = 1;
}

def KV_Resource : Resource<"::kvasir::kv::CacheResource">;

def KV_CacheType : TypeDef<KV_Dialect, "Cache"> {
  let mnemonic = "cache";
  let summary = "a cache of which only the content is known";
  let description = [{
    `!kv.cache<2x16>`: keys and values of 2 heads of 16 values for each token;
    `!kv.cache<2x16, window = 12>`: a token sees itself and the 11 before it.
    Neither place nor number format are decided; `kv-layout` does that.
  }];
  let parameters = (ins "int64_t":$heads, "int64_t":$headSize, DefaultValuedParameter<"int64_t", "0">:$window);
  let assemblyFormat = "`<` custom<Shape>($heads, $headSize) (`,` `window` `=` $window^)? `>`";
  let genVerifyDecl = 1;
}

def KV_PagedType : TypeDef<KV_Dialect, "Paged"> {
  let mnemonic = "paged";
  let summary = "a cache in pages of 64 tokens, with its number format";
  let description = [{
    `!kv.paged<2x16xbf16>`. A page holds, for each head, keys as
    [head size][64 tokens] and values as [64 tokens][head size]. Keys and
    values are read only after rounding to this format, also those of the
    tokens being computed. Formats: f32, f16, bf16, i8.

    With `i8`, each token has one f32 scale for its keys and one for its
    values, per head: a head is keys, scales of keys [64], values, scales of
    values [64]. A value is code * scale.
  }];
  let parameters = (ins "int64_t":$heads, "int64_t":$headSize, "::mlir::Type":$elementType,
                        DefaultValuedParameter<"int64_t", "0">:$window);
  let assemblyFormat = "`<` custom<PagedShape>($heads, $headSize, $elementType) (`,` `window` `=` $window^)? `>`";
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// Bytes of one page: keys and values of 64 tokens.
    int64_t getPageBytes() const;
    /// Bytes that one token takes.
    int64_t getTokenBytes() const;
    /// Whether values are codes, with a scale for each token and head.
    bool isQuantized() const { return getElementType().isInteger(); }
    /// Bytes of one head in a page. It begins with its keys; what follows them is at these offsets
    /// (those of scales exist with `isQuantized` only).
    int64_t getHeadBytes() const;
    int64_t getKeyScalesOffset() const;
    int64_t getValuesOffset() const;
    int64_t getValueScalesOffset() const;
  }];
}

def KV_AnyCache : AnyTypeOf<[KV_CacheType, KV_PagedType]>;
// T x features of f32. T is known at run time only, the number of features when compiling.
def KV_Rows : Type<And<[2DTensorOf<[F32]>.predicate, CPred<[{
    ::llvm::cast<::mlir::RankedTensorType>($_self).isDynamicDim(0) &&
    ::llvm::cast<::mlir::RankedTensorType>($_self).getDimSize(1) >= 1 &&
    ::llvm::cast<::mlir::RankedTensorType>($_self).getDimSize(1) < (int64_t(1) << 31)}]>]>,
  "tensor<?xNxf32> with N from 1 to 2^31 - 1", "::mlir::TensorType">;
def KV_Ints : 1DTensorOf<[I32]>;

class KV_Op<string mnemonic, list<Trait> traits = []> : Op<KV_Dialect, mnemonic, traits>;

def KV_CacheOp : KV_Op<"cache", [Symbol]> {
  let summary = "declares the cache of a layer";
  let description = [{
    Made by `fuse-attention`; `kv-layout` gives it a place and a format.

    ```mlir
    kv.cache @l0 layer 0 : !kv.cache<2x16>
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, ConfinedAttr<I64Attr, [IntNonNegative]>:$layer, TypeAttrOf<KV_AnyCache>:$type);
  let assemblyFormat = "$sym_name `layer` $layer attr-dict `:` $type";
}

def KV_GetCacheOp : KV_Op<"get_cache", [Pure, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "a declared cache as a value";
  let description = [{
    ```mlir
    %c = kv.get_cache @l0 : !kv.cache<2x16>
    ```

    Constraints:
    - (get_cache_c1) the symbol is a `kv.cache` of the same type
  }];
  let arguments = (ins FlatSymbolRefAttr:$name);
  let results = (outs KV_AnyCache:$result);
  let assemblyFormat = "$name attr-dict `:` type($result)";
}

def KV_AppendOp : KV_Op<"append", [AllTypesMatch<["k", "v"]>, MemoryEffects<[MemWrite<KV_Resource>]>]> {
  let summary = "writes keys and values of the step's tokens at their positions";
  let description = [{
    Row t goes to position `positions[t]` of the token's request, rounded to the
    cache's format (round to nearest, ties to even). For i8, a head's scale is
    its largest magnitude / 127, and its codes are the values times
    (127 / largest magnitude), rounded, from -127 to 127; a head of zeros has
    scale and codes 0; NaN gets code 127 and does not count for the scale.

    ```mlir
    kv.append %c, %k, %v, %positions : !kv.paged<2x16xf32>, tensor<?x32xf32>, tensor<?xi32>
    ```

    Constraints:
    - (append_c1) keys and values have heads times head size features
  }];
  let arguments = (ins KV_AnyCache:$cache, KV_Rows:$k, KV_Rows:$v, KV_Ints:$positions);
  let assemblyFormat = "$cache `,` $k `,` $v `,` $positions attr-dict `:` type($cache) `,` type($k) `,` type($positions)";
  let hasVerifier = 1;
}

def KV_AttendOp : KV_Op<"attend", [AllTypesMatch<["q", "result"]>, MemoryEffects<[MemRead<KV_Resource>]>]> {
  let summary = "attention of queries over a cache";
  let description = [{
    For each token at position p and query head h, with keys and values of head
    `h / (heads / cache heads)` at positions `max(0, p - window + 1) .. p`:
    `softmax(scale * q . k) . v`. The order of additions is that of
    docs/Rationale/Bits.md: 64-key tiles, partitions of 512 keys folded left to right.

    ```mlir
    %a = kv.attend %c, %q {heads = 4 : i64, scale = 0.25 : f32} : !kv.paged<2x16xf32>, tensor<?x64xf32>
    ```

    Constraints:
    - (attend_c1) the cache's heads divide `heads`
    - (attend_c2) queries have heads times head size features
  }];
  let arguments = (ins KV_AnyCache:$cache, KV_Rows:$q, I64Attr:$heads, F32Attr:$scale);
  let results = (outs KV_Rows:$result);
  let assemblyFormat = "$cache `,` $q attr-dict `:` type($cache) `,` type($q)";
  let hasVerifier = 1;
}

def KV_AttendPartitionsOp : KV_Op<"attend_partitions", [MemoryEffects<[MemRead<KV_Resource>]>]> {
  let summary = "attention of queries over each partition of a cache by itself";
  let description = [{
    What `kv.attend` folds, before it is folded: for query head h and each
    partition of 512 keys at absolute positions of which the token sees any, the
    largest scaled score m, the sum of `exp(score - m)`, and the sums of
    `exp(score - m) * v`. A row of the result is
    `[heads][partitions][head size]` sums of values, then
    `[heads][partitions]` pairs (m, sum of weights). Partition p, of keys 512 p and
    up, is at index `p mod partitions`; what a token has at indices of
    partitions of which it sees nothing is unspecified.

    ```mlir
    %p = kv.attend_partitions %c, %q {heads = 4 : i64, partitions = 2 : i64, scale = 0.25 : f32} : !kv.paged<2x16xf32>, tensor<?x64xf32>, tensor<?x144xf32>
    ```

    Constraints:
    - (attend_partitions_c1) the cache's heads divide `heads`
    - (attend_partitions_c2) queries have heads times head size features
    - (attend_partitions_c3) the result has heads times partitions times (head size + 2) features
  }];
  let arguments = (ins KV_AnyCache:$cache, KV_Rows:$q, I64Attr:$heads, ConfinedAttr<I64Attr, [IntPositive]>:$partitions, F32Attr:$scale);
  let results = (outs KV_Rows:$result);
  let assemblyFormat = "$cache `,` $q attr-dict `:` type($cache) `,` type($q) `,` type($result)";
  let hasVerifier = 1;
}

def KV_MergePartitionsOp : KV_Op<"merge_partitions", [Pure]> {
  let summary = "folds the partitions of `kv.attend_partitions`, left to right";
  let description = [{
    For each token at position p and query head, over the partitions of the
    positions `max(0, p - window + 1) .. p` (`window` 0: all up to p), ascending:
    `m' = max(m, partition's m)`, then sums as
    `fma(partition's sum, exp(partition's m - m'), sum * exp(m - m'))`; at the end
    sums of values / sum of weights. With `kv.attend_partitions` it has the bits of
    `kv.attend` on the targets that have it.

    ```mlir
    %a = kv.merge_partitions %p, %positions {heads = 4 : i64, partitions = 2 : i64, window = 0 : i64} : tensor<?x144xf32>, tensor<?xi32>, tensor<?x64xf32>
    ```

    Constraints:
    - (merge_partitions_c1) the result has heads of one size
    - (merge_partitions_c2) rows have heads times partitions times (head size + 2) features
  }];
  let arguments = (ins KV_Rows:$parts, KV_Ints:$positions, ConfinedAttr<I64Attr, [IntPositive]>:$heads,
                       ConfinedAttr<I64Attr, [IntPositive]>:$partitions, ConfinedAttr<I64Attr, [IntNonNegative]>:$window);
  let results = (outs KV_Rows:$result);
  let assemblyFormat = "$parts `,` $positions attr-dict `:` type($parts) `,` type($positions) `,` type($result)";
  let hasVerifier = 1;
}
#endif // KVASIR_KV_OPS
