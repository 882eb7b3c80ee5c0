// RUN: kvasir-opt %s --split-input-file -verify-diagnostics --kvasir-lower=target=cuda:sm_90

// expected-error @below {{expected phases to lower; run `schedule` first}}
module {}

// -----

step.phase @p kind <panels> {
^bb0(%x: !step.buffer<tokens, 64>, %n: !llm.weight<64xbf16>, %w: !llm.weight<48x64xbf16>, %s: !step.buffer<tokens, 64>, %out: !step.buffer<tokens, 48>):
  %0 = step.read %x : !step.buffer<tokens, 64> -> tensor<?x64xf32>
  // expected-error @below {{expected no work on rows before a linear layer in its phase; run `schedule` with `blocks`}}
  %1 = llm.rms_norm %0, %n {epsilon = 1.0e-06 : f32, group = 64 : i64} : tensor<?x64xf32>, !llm.weight<64xbf16>
  %2 = llm.linear %1, [%w] : tensor<?x64xf32>, [!llm.weight<48x64xbf16>] -> tensor<?x48xf32>
  step.write %1, %s : tensor<?x64xf32>, !step.buffer<tokens, 64>
  step.write %2, %out : tensor<?x48xf32>, !step.buffer<tokens, 48>
}

// -----

// expected-error @below {{phase 'p' of kind serial has no kernel, those of kinds rows, panels and attend do; compile without --naive}}
step.phase @p kind <serial> {
^bb0(%x: !step.buffer<tokens, 64>, %out: !step.buffer<tokens, 64>):
  %0 = step.read %x : !step.buffer<tokens, 64> -> tensor<?x64xf32>
  %1 = llm.scale %0 {factor = 2.0 : f32} : tensor<?x64xf32>
  step.write %1, %out : tensor<?x64xf32>, !step.buffer<tokens, 64>
}

// -----

// expected-error @below {{phase 'p': expected a kernel with at most 49152 bytes of static shared memory on sm_90, but its rows or heads need 65536; compile for another architecture, or for a CPU}}
step.phase @p kind <rows> {
^bb0(%x: !step.buffer<tokens, 16384>, %s: !step.buffer<one, 16384>, %out: !step.buffer<tokens, 16384>):
  %0 = step.read %x : !step.buffer<tokens, 16384> -> tensor<?x16384xf32>
  %1 = llm.scale %0 {factor = 2.0 : f32} : tensor<?x16384xf32>
  %2 = llm.scale %1 {factor = 2.0 : f32} : tensor<?x16384xf32>
  step.write %1, %s : tensor<?x16384xf32>, !step.buffer<one, 16384>
  step.write %2, %out : tensor<?x16384xf32>, !step.buffer<tokens, 16384>
}

// -----

step.phase @p kind <rows> {
^bb0(%x: !step.buffer<tokens, 70>, %q: !step.buffer<tokens, 70, <group = 32, sums = 16, factor = 1>>):
  %0 = step.read %x : !step.buffer<tokens, 70> -> tensor<?x70xf32>
  // expected-error @below {{phase 'p': activations rounded to 8 bits have no kernel, those of f32 do; compile with --activations exact}}
  %1 = llm.quantize_rows %0 : tensor<?x70xf32> -> tensor<?x70xi8, #llm.int8_rows<group = 32, sums = 16, factor = 1>>
  step.write %1, %q : tensor<?x70xi8, #llm.int8_rows<group = 32, sums = 16, factor = 1>>, !step.buffer<tokens, 70, <group = 32, sums = 16, factor = 1>>
}

// -----

step.phase @p kind <attend> {
^bb0(%c: !kv.paged<2x64xbf16>, %q: !step.buffer<tokens, 512>, %parts: !step.buffer<tokens, 553648128>, %out: !step.buffer<tokens, 512>, %n: !step.counter):
  %t = step.input <positions> : tensor<?xi32>
  %0 = step.read %q : !step.buffer<tokens, 512> -> tensor<?x512xf32>
  // expected-error @below {{phase 'p': expected partitions of at most 536870912 values for a token, but got 553648128; compile with a smaller --context}}
  %1 = kv.attend_partitions %c, %0 {heads = 8 : i64, partitions = 1048576 : i64, scale = 0.125 : f32} : !kv.paged<2x64xbf16>, tensor<?x512xf32>, tensor<?x553648128xf32>
  %2 = kv.merge_partitions %1, %t {heads = 8 : i64, partitions = 1048576 : i64, window = 0 : i64} : tensor<?x553648128xf32>, tensor<?xi32>, tensor<?x512xf32>
  step.write %1, %parts : tensor<?x553648128xf32>, !step.buffer<tokens, 553648128>
  step.write %2, %out : tensor<?x512xf32>, !step.buffer<tokens, 512>
}

// -----

step.phase @p kind <attend> {
^bb0(%c: !kv.paged<2x16xbf16>, %q: !step.buffer<tokens, 64>, %parts: !step.buffer<tokens, 144>, %out: !step.buffer<tokens, 64>, %counts: !step.buffer<tokens, 2>, %n: !step.counter):
  %t = step.input <positions> : tensor<?xi32>
  %0 = step.read %q : !step.buffer<tokens, 64> -> tensor<?x64xf32>
  // expected-error @below {{phase 'p': expected one buffer of 4 columns that no op uses, for blocks to count themselves in; run `schedule` with `blocks`}}
  %1 = kv.attend_partitions %c, %0 {heads = 4 : i64, partitions = 2 : i64, scale = 0.25 : f32} : !kv.paged<2x16xbf16>, tensor<?x64xf32>, tensor<?x144xf32>
  %2 = kv.merge_partitions %1, %t {heads = 4 : i64, partitions = 2 : i64, window = 0 : i64} : tensor<?x144xf32>, tensor<?xi32>, tensor<?x64xf32>
  step.write %1, %parts : tensor<?x144xf32>, !step.buffer<tokens, 144>
  step.write %2, %out : tensor<?x64xf32>, !step.buffer<tokens, 64>
}

// -----

// expected-error @below {{phase 'p': expected a kernel with at most 49152 bytes of static shared memory on sm_90, but its rows or heads need 67680; compile for another architecture, or for a CPU}}
step.phase @p kind <attend> {
^bb0(%c: !kv.paged<2x2048xf32>, %q: !step.buffer<tokens, 4096>, %out: !step.buffer<tokens, 4096>, %n: !step.counter):
  %0 = step.read %q : !step.buffer<tokens, 4096> -> tensor<?x4096xf32>
  %1 = kv.attend %c, %0 {heads = 2 : i64, scale = 0.125 : f32} : !kv.paged<2x2048xf32>, tensor<?x4096xf32>
  step.write %1, %out : tensor<?x4096xf32>, !step.buffer<tokens, 4096>
}
