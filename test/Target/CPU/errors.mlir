// RUN: kvasir-opt %s --kvasir-lower --split-input-file -verify-diagnostics

// expected-error @below {{expected phases to lower; run `schedule` first}}
module {}

// -----

step.phase @p kind <rows> {
^bb0(%x: !step.buffer<rows, 64>, %out: !step.buffer<rows, i32>):
  %0 = step.read %x : !step.buffer<rows, 64> -> tensor<?x64xf32>
  // expected-error @below {{llm.argmax has no code for CPUs in a phase of kind rows; run `schedule` without `blocks`}}
  %1 = llm.argmax %0 {count = 64 : i64} : tensor<?x64xf32>, tensor<?xi32>
  step.write %1, %out : tensor<?xi32>, !step.buffer<rows, i32>
}

// -----

step.phase @p kind <attend> {
^bb0(%c: !kv.paged<2x16xbf16>, %q: !step.buffer<tokens, 64>, %parts: !step.buffer<tokens, 144>, %out: !step.buffer<tokens, 64>, %n: !step.counter):
  %t = step.input <positions> : tensor<?xi32>
  %0 = step.read %q : !step.buffer<tokens, 64> -> tensor<?x64xf32>
  // expected-error @below {{kv.attend_partitions has no code for CPUs in a phase of kind attend; run `schedule` without `blocks`}}
  %1 = kv.attend_partitions %c, %0 {heads = 4 : i64, partitions = 2 : i64, scale = 0.25 : f32} : !kv.paged<2x16xbf16>, tensor<?x64xf32>, tensor<?x144xf32>
  // expected-error @below {{kv.merge_partitions has no code for CPUs in a phase of kind attend; run `schedule` without `blocks`}}
  %2 = kv.merge_partitions %1, %t {heads = 4 : i64, partitions = 2 : i64, window = 0 : i64} : tensor<?x144xf32>, tensor<?xi32>, tensor<?x64xf32>
  step.write %1, %parts : tensor<?x144xf32>, !step.buffer<tokens, 144>
  step.write %2, %out : tensor<?x64xf32>, !step.buffer<tokens, 64>
}
