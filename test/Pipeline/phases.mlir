// Each phase leaves behind what its name says.
// RUN: kvasir-opt %S/Inputs/tiny.mlir --kvasir-pipeline="until=import" | FileCheck %s --check-prefix=IMPORT
// RUN: kvasir-opt %S/Inputs/tiny.mlir --kvasir-pipeline="until=fuse-attention" | FileCheck %s --check-prefix=FUSE
// RUN: kvasir-opt %S/Inputs/tiny.mlir --kvasir-pipeline="until=kv-layout kv=f16" | FileCheck %s --check-prefix=LAYOUT
// RUN: kvasir-opt %S/Inputs/tiny.mlir --kvasir-pipeline="until=schedule decode-tokens=8" | FileCheck %s --check-prefix=SCHEDULE
// RUN: kvasir-opt %S/Inputs/tiny.mlir --kvasir-pipeline="until=schedule naive=true" | FileCheck %s --check-prefix=NAIVE

// IMPORT-NOT: kv.
// IMPORT: llm.attention

// Queries, keys and values are one op; gate and up too, though their norm was computed twice.
// FUSE: kv.cache @layer0 layer 0 : !kv.cache<2x16>
// FUSE: llm.linear %{{.*}}, [%{{.*}}, %{{.*}}, %{{.*}}] :
// FUSE-NOT: llm.attention
// FUSE: kv.append
// FUSE: kv.attend
// FUSE: llm.linear %{{.*}}, [%{{.*}}] :
// FUSE: llm.linear %{{.*}}, [%{{.*}}, %{{.*}}] :
// FUSE: llm.linear %{{.*}}, [%{{.*}}] :
// FUSE: llm.linear %{{.*}}, [%{{.*}}] :
// FUSE-NOT: llm.linear

// LAYOUT: kv.bytes_per_token = 128 : i64
// LAYOUT: kv.cache @layer0 layer 0 : !kv.paged<2x16xf16>

// SCHEDULE-NOT: func.func
// SCHEDULE: llm.weight @q {{.*}} layout <panel16>
// SCHEDULE: step.phase @{{.*}} kind <panels>
// SCHEDULE: step.phase @{{.*}} kind <attend>
// SCHEDULE: step.program @decode max_tokens 8
// SCHEDULE: step.program @prefill max_tokens 0

// NAIVE: llm.weight @q {{.*}} layout <row_major>
// NAIVE-NOT: kind <panels>
// NAIVE: step.phase @{{.*}} kind <serial>
// NAIVE-NOT: kind <panels>
