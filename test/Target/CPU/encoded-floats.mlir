// RUN: sed 's/ENCODING/int8/g' %s | kvasir-opt --kvasir-lower | FileCheck %s -DNAME=int8 --check-prefixes=CHECK,INTEGER
// RUN: sed 's/ENCODING/int4-g128-asym/g' %s | kvasir-opt --kvasir-lower | FileCheck %s -DNAME=int4-g128-asym --check-prefixes=CHECK,INTEGER
// RUN: sed 's/ENCODING/q5_1/g' %s | kvasir-opt --kvasir-lower | FileCheck %s -DNAME=q5_1 --check-prefixes=CHECK,INTEGER
// RUN: sed 's/ENCODING/q6_k/g' %s | kvasir-opt --kvasir-lower | FileCheck %s -DNAME=q6_k --check-prefixes=CHECK,INTEGER
// RUN: sed 's/ENCODING/iq4_xs/g' %s | kvasir-opt --kvasir-lower | FileCheck %s -DNAME=iq4_xs --check-prefixes=CHECK,INTEGER,CODEBOOK
// RUN: sed 's/ENCODING/fp8-e4m3/g' %s | kvasir-opt --kvasir-lower | FileCheck %s -DNAME=fp8-e4m3 --check-prefixes=CHECK,FLOAT8
// RUN: sed 's/ENCODING/fp8-e4m3-g128/g' %s | kvasir-opt --kvasir-lower | FileCheck %s -DNAME=fp8-e4m3-g128 --check-prefixes=CHECK,FLOAT8

// With inputs in f32, weights are decoded: a chain of fma for each output. No variant has dot products.
step.phase @p kind <panels> {
^bb0(%x: !step.buffer<tokens, 256>, %w: !llm.weight<48x256x!llm.encoded<"ENCODING">>, %out: !step.buffer<tokens, 48>):
  %0 = step.read %x : !step.buffer<tokens, 256> -> tensor<?x256xf32>
  %1 = llm.linear %0, [%w] : tensor<?x256xf32>, [!llm.weight<48x256x!llm.encoded<"ENCODING">>] -> tensor<?x48xf32>
  step.write %1, %out : tensor<?x48xf32>, !step.buffer<tokens, 48>
}

// CHECK-NOT: vnni
// CHECK: module @"x86-64-v4" {
// CHECK: func.func private @{{"?}}encoded_[[NAME]]_k256_x1088_m1{{"?}}(
// CHECK: call @{{"?}}decode_[[NAME]]_32
// CHECK: llvm.intr.fma
// CHECK: func.func private @{{"?}}decode_[[NAME]]_32{{"?}}(
// CODEBOOK: llvm.call_intrinsic "llvm.x86.avx512.pshuf.b.512"
// INTEGER: arith.sitofp %{{.*}} : vector<16xi32> to vector<16xf32>
// FLOAT8: arith.select %{{.*}} : vector<16xi1>, vector<16xf32>
// CHECK: %[[WEIGHT:.*]] = llvm.intr.fma(%{{.*}}, %{{.*}}, %{{.*}})
// CHECK: llvm.store %[[WEIGHT]]
// CHECK: module @"x86-64-v3" {
// CODEBOOK: llvm.call_intrinsic "llvm.x86.avx2.pshuf.b"
// INTEGER: arith.sitofp %{{.*}} : vector<8xi32> to vector<8xf32>
// FLOAT8: arith.select %{{.*}} : vector<8xi1>, vector<8xf32>
// CHECK: llvm.intr.fma
