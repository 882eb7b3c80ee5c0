// Passes from the llm dialect to the step dialect, target-neutral. Their order is in lib/Pipeline.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_TRANSFORMS_PASSES
#define KVASIR_TRANSFORMS_PASSES

include "mlir/Pass/PassBase.td"

def QuantizePass : Pass<"kvasir-quantize", "::mlir::ModuleOp"> {
  let summary = "an encoding for every weight, and 8-bit activations where they can be used";
  let description = [{
    Matrices of linear layers and the token embedding that are stored as floats
    get the encoding that a rule names for them, or else `encoding`; the packer
    rounds them. What is stored encoded stays as it is. A rule is
    `PATTERN=ENCODING`; the first whose pattern (`*`, `?`, `[a-z]`) matches the
    weight's symbol (`layers.3.down`), the name of its tensor in the checkpoint,
    with or without `.weight`, or `lm_head` for what makes the logits, decides;
    `float` keeps a weight as it is.

    With `activations=int8`, linear layers whose weights are integers read rows
    rounded to 8 bits (`llm.quantize_rows`), one rounding for all layers that
    read the same rows; groups are as long as those of the weights, from 32 to
    128 columns. Other layers read f32, also the layer of the logits where its
    weights have 8 bits.

    Before:
    ```mlir
    llm.weight @w : !llm.weight<64x64xbf16> from <file = "model.safetensors", offset = 0, stored = tensor<64x64xbf16>>
    func.func @step(...) {
      ...
      %w = llm.get_weight @w : !llm.weight<64x64xbf16>
      %y = llm.linear %x, [%w] : tensor<?x64xf32>, [!llm.weight<64x64xbf16>] -> tensor<?x64xf32>
    ```

    After, with `encoding=int4-g32 activations=int8`:
    ```mlir
    llm.weight @w : !llm.weight<64x64x!llm.encoded<"int4-g32">> from <file = "model.safetensors", offset = 0, stored = tensor<64x64xbf16>>
    func.func @step(...) {
      ...
      %w = llm.get_weight @w : !llm.weight<64x64x!llm.encoded<"int4-g32">>
      %q = llm.quantize_rows %x : tensor<?x64xf32> -> tensor<?x64xi8, #llm.int8_rows<group = 32, sums = 32, factor = 8>>
      %y = llm.linear %q, [%w] : tensor<?x64xi8, #llm.int8_rows<group = 32, sums = 32, factor = 8>>, [!llm.weight<64x64x!llm.encoded<"int4-g32">>] -> tensor<?x64xf32>
    ```
  }];
  let options = [
    Option<"encoding", "encoding", "std::string", "\"\"",
           "of weights stored as floats; empty: they stay floats">,
    ListOption<"rules", "rules", "std::string", "PATTERN=ENCODING, exceptions">,
    Option<"activations", "activations", "std::string", "\"exact\"",
           "of layers whose weights are encoded: exact (f32) or int8">];
  let dependentDialects = ["::kvasir::llm::LLMDialect"];
}

def FuseAttentionPass : Pass<"kvasir-fuse-attention", "::mlir::ModuleOp"> {
  let summary = "attention over a cache as one op, linears that share an input together";
  let description = [{
    Every `llm.attention` of layer N gets a cache `@layerN`, and becomes a
    `kv.append` of its keys and values followed by a `kv.attend`. The positions
    to append at are the second argument of the function (the arguments of
    `@step` are ids, positions, totals, rows).

    `llm.linear` ops with the same input become one op, when all have biases or
    none has, and none needs the result of another. It stands where the first of
    them stood; what the later ones need of weights moves up with them.

    Before:
    ```mlir
    func.func @step(%ids: tensor<?xi32>, %positions: tensor<?xi32>, %totals: tensor<?xi32>, %rows: tensor<?xi32>) -> tensor<?x64xf32> {
      ...
      %wq = llm.get_weight @q : !llm.weight<64x64xbf16>
      %q = llm.linear %n, [%wq] : tensor<?x64xf32>, [!llm.weight<64x64xbf16>] -> tensor<?x64xf32>
      %wk = llm.get_weight @k : !llm.weight<32x64xbf16>
      %k = llm.linear %n, [%wk] : tensor<?x64xf32>, [!llm.weight<32x64xbf16>] -> tensor<?x32xf32>
      %wv = llm.get_weight @v : !llm.weight<32x64xbf16>
      %v = llm.linear %n, [%wv] : tensor<?x64xf32>, [!llm.weight<32x64xbf16>] -> tensor<?x32xf32>
      %a = llm.attention %q, %k, %v {heads = 4 : i64, kv_heads = 2 : i64, layer = 0 : i64, scale = 0.25 : f32} : tensor<?x64xf32>, tensor<?x32xf32>
    ```

    After:
    ```mlir
    kv.cache @layer0 layer 0 : !kv.cache<2x16>
    func.func @step(%ids: tensor<?xi32>, %positions: tensor<?xi32>, %totals: tensor<?xi32>, %rows: tensor<?xi32>) -> tensor<?x64xf32> {
      ...
      %wq = llm.get_weight @q : !llm.weight<64x64xbf16>
      %wk = llm.get_weight @k : !llm.weight<32x64xbf16>
      %wv = llm.get_weight @v : !llm.weight<32x64xbf16>
      %q, %k, %v = llm.linear %n, [%wq, %wk, %wv] : tensor<?x64xf32>, [!llm.weight<64x64xbf16>, !llm.weight<32x64xbf16>, !llm.weight<32x64xbf16>] -> tensor<?x64xf32>, tensor<?x32xf32>, tensor<?x32xf32>
      %c = kv.get_cache @layer0 : !kv.cache<2x16>
      kv.append %c, %k, %v, %positions : !kv.cache<2x16>, tensor<?x32xf32>, tensor<?xi32>
      %a = kv.attend %c, %q {heads = 4 : i64, scale = 0.25 : f32} : !kv.cache<2x16>, tensor<?x64xf32>
    ```
  }];
  let dependentDialects = ["::kvasir::kv::KVDialect"];
}

def KVLayoutPass : Pass<"kvasir-kv-layout", "::mlir::ModuleOp"> {
  let summary = "gives every cache its pages and number format";
  let description = [{
    Every `!kv.cache` becomes a `!kv.paged` of the element type asked for, in
    declarations and values, and the module says how many bytes of cache one
    token takes (`kv.bytes_per_token`).

    Before:
    ```mlir
    module {
      kv.cache @layer0 layer 0 : !kv.cache<2x16>
    ```

    After, with `element-type=bf16`:
    ```mlir
    module attributes {kv.bytes_per_token = 128 : i64} {
      kv.cache @layer0 layer 0 : !kv.paged<2x16xbf16>
    ```
  }];
  let options = [Option<"elementType", "element-type", "std::string", "\"f32\"",
                        "number format of the caches: f32, f16, bf16 or i8">];
  let dependentDialects = ["::kvasir::kv::KVDialect"];
}

def SchedulePass : Pass<"kvasir-schedule", "::mlir::ModuleOp"> {
  let summary = "the step as phases: functions, a table, buffers and costs";
  let description = [{
    The body of `@step` is cut into phases: a linear layer or an attention with
    the cheap work before and after it, and a barrier after each. Phases that
    differ only in their operands share a `step.phase`. There are two programs,
    `@decode` for steps of up to `decode-tokens` tokens, and `@prefill` for any
    number. Weights get the layout in which their phase streams them. With
    `blocks`, for GPUs, no work is repeated, the greedy choice is made next to the
    logits, and where the model's contexts have more than one partition there is a
    program `@decode` too, in which blocks divide a context. With
    `naive`, every op is a phase of kind `serial`, and weights lie in rows: slow
    and obvious, to compare with.

    Before:
    ```mlir
    func.func @step(%ids: tensor<?xi32>, %positions: tensor<?xi32>, %totals: tensor<?xi32>, %rows: tensor<?xi32>) -> tensor<?x256xf32> {
      ...
      %w = llm.get_weight @layers.0.down : !llm.weight<64x128xbf16>
      %0 = llm.linear %h, [%w] : tensor<?x128xf32>, [!llm.weight<64x128xbf16>] -> tensor<?x64xf32>
      %1 = llm.add %x, %0 : tensor<?x64xf32>
    ```

    After:
    ```mlir
    step.phase @ffn_out kind <panels> {
    ^bb0(%in: !step.buffer<tokens, 128>, %w: !llm.weight<64x128xbf16>, %x: !step.buffer<tokens, 64>, %out: !step.buffer<tokens, 64>):
      %0 = step.read %in : !step.buffer<tokens, 128> -> tensor<?x128xf32>
      %1 = step.read %x : !step.buffer<tokens, 64> -> tensor<?x64xf32>
      %2 = llm.linear %0, [%w] : tensor<?x128xf32>, [!llm.weight<64x128xbf16>] -> tensor<?x64xf32>
      %3 = llm.add %1, %2 : tensor<?x64xf32>
      step.write %3, %out : tensor<?x64xf32>, !step.buffer<tokens, 64>
    }
    step.program @decode max_tokens 16 {
      ...
      step.run @ffn_out(%h, %w, %x, %y) layer 0 cost <weight_bytes = 16384> : !step.buffer<tokens, 128>, !llm.weight<64x128xbf16>, !step.buffer<tokens, 64>, !step.buffer<tokens, 64>
    ```
  }];
  let options = [
    Option<"naive", "naive", "bool", "false", "one serial phase for each op">,
    Option<"decodeTokens", "decode-tokens", "int64_t", "16",
           "most tokens of a step that the decode program takes">,
    Option<"blocks", "blocks", "bool", "false",
           "for the thread blocks of a GPU: one program, work on rows is never repeated, plain "
           "weights lie in tiles of matrix instructions">];
  let dependentDialects = ["::kvasir::step::StepDialect"];
}

#endif // KVASIR_TRANSFORMS_PASSES
