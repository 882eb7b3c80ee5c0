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

// expected-error @below {{phases of kind serial have no kernel; compile without --naive}}
step.phase @p kind <serial> {
^bb0(%x: !step.buffer<tokens, 64>, %out: !step.buffer<tokens, 64>):
  %0 = step.read %x : !step.buffer<tokens, 64> -> tensor<?x64xf32>
  %1 = llm.scale %0 {factor = 2.0 : f32} : tensor<?x64xf32>
  step.write %1, %out : tensor<?x64xf32>, !step.buffer<tokens, 64>
}

// -----

// expected-error @below {{expected a kernel with at most 49152 bytes of shared memory, but it needs 65536}}
step.phase @p kind <rows> {
^bb0(%x: !step.buffer<tokens, 16384>, %s: !step.buffer<one, 16384>, %out: !step.buffer<tokens, 16384>):
  %0 = step.read %x : !step.buffer<tokens, 16384> -> tensor<?x16384xf32>
  %1 = llm.scale %0 {factor = 2.0 : f32} : tensor<?x16384xf32>
  %2 = llm.scale %1 {factor = 2.0 : f32} : tensor<?x16384xf32>
  step.write %1, %s : tensor<?x16384xf32>, !step.buffer<one, 16384>
  step.write %2, %out : tensor<?x16384xf32>, !step.buffer<tokens, 16384>
}
