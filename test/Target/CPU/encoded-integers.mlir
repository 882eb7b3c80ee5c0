// RUN: sed 's/ENCODING/int8/g; s/ROWS/<group = 128, sums = 128, factor = 128>/g' %s | kvasir-opt --kvasir-lower | FileCheck %s -DNAME=int8 --check-prefixes=CHECK,ALL,WIDE,ALLWIDE
// RUN: sed 's/ENCODING/int4-g32/g; s/ROWS/<group = 32, sums = 32, factor = 8>/g' %s | kvasir-opt --kvasir-lower | FileCheck %s -DNAME=int4-g32 --check-prefixes=CHECK,ALL,LINEAR,ALLLINEAR
// RUN: sed 's/ENCODING/int4-g128-asym/g; s/ROWS/<group = 128, sums = 128, factor = 1>/g' %s | kvasir-opt --kvasir-lower=variants=x86-64-v4-vnni,x86-64-v3 | FileCheck %s -DNAME=int4-g128-asym --check-prefixes=CHECK,LINEAR
// RUN: sed 's/ENCODING/q5_1/g; s/ROWS/<group = 32, sums = 32, factor = 1>/g' %s | kvasir-opt --kvasir-lower=variants=x86-64-v4-vnni,x86-64-v3 | FileCheck %s -DNAME=q5_1 --check-prefixes=CHECK,LINEAR,MINIMUM
// RUN: sed 's/ENCODING/q2_k/g; s/ROWS/<group = 32, sums = 16, factor = 1>/g' %s | kvasir-opt --kvasir-lower=variants=x86-64-v4-vnni,x86-64-v3 | FileCheck %s -DNAME=q2_k --check-prefixes=CHECK,LINEAR,MINIMUM
// RUN: sed 's/ENCODING/q3_k/g; s/ROWS/<group = 32, sums = 16, factor = 4>/g' %s | kvasir-opt --kvasir-lower=variants=x86-64-v4-vnni,x86-64-v3 | FileCheck %s -DNAME=q3_k --check-prefixes=CHECK,LINEAR
// RUN: sed 's/ENCODING/q6_k/g; s/ROWS/<group = 32, sums = 16, factor = 32>/g' %s | kvasir-opt --kvasir-lower=variants=x86-64-v4-vnni,x86-64-v3 | FileCheck %s -DNAME=q6_k --check-prefixes=CHECK,LINEAR
// RUN: sed 's/ENCODING/iq4_xs/g; s/ROWS/<group = 32, sums = 32, factor = 128>/g' %s | kvasir-opt --kvasir-lower | FileCheck %s -DNAME=iq4_xs --check-prefixes=CHECK,ALL,WIDE,ALLWIDE,CODEBOOK,ALLCODEBOOK
// RUN: sed 's/ENCODING/mxfp4/g; s/ROWS/<group = 32, sums = 32, factor = 128>/g' %s | kvasir-opt --kvasir-lower=variants=x86-64-v4-vnni,x86-64-v3 | FileCheck %s -DNAME=mxfp4 --check-prefixes=CHECK,WIDE,CODEBOOK

// A linear layer with integers, for one token on each variant: codes of 16 or 8 rows become bytes, and
// every four columns of them are multiplied with four bytes of the input. Without an instruction for
// that, products are added in pairs of 16 bits, wherever two of them fit there. The variants between the best
// and the least are looked at for one encoding of each kind.
step.phase @p kind <panels> {
^bb0(%x: !step.buffer<tokens, 256>, %w: !llm.weight<48x256x!llm.encoded<"ENCODING">>, %q: !step.buffer<tokens, 256, ROWS>, %out: !step.buffer<tokens, 48>):
  %0 = step.read %x : !step.buffer<tokens, 256> -> tensor<?x256xf32>
  %1 = llm.quantize_rows %0 : tensor<?x256xf32> -> tensor<?x256xi8, #llm.int8_rowsROWS>
  %2 = llm.linear %1, [%w] : tensor<?x256xi8, #llm.int8_rowsROWS>, [!llm.weight<48x256x!llm.encoded<"ENCODING">>] -> tensor<?x48xf32>
  step.write %1, %q : tensor<?x256xi8, #llm.int8_rowsROWS>, !step.buffer<tokens, 256, ROWS>
  step.write %2, %out : tensor<?x48xf32>, !step.buffer<tokens, 48>
}

// CHECK: module @"x86-64-v4-vnni" {
// CHECK: func.func private @{{"?}}encoded_[[NAME]]_x{{[0-9_]+}}_tail0_m1{{"?}}(
// CODEBOOK: llvm.call_intrinsic "llvm.x86.avx512.pshuf.b.512"
// CHECK: llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"({{.*}}) : (vector<16xi32>, vector<64xi8>, vector<64xi8>) -> vector<16xi32>
// The scale of a stretch and that of its inputs; then the sum of its inputs, where there is a minimum.
// CHECK: %[[FLOAT:.*]] = arith.sitofp %{{.*}} : vector<16xi32> to vector<16xf32>
// CHECK: %[[SCALE:.*]] = arith.mulf %{{.*}} : vector<16xf32>
// CHECK: %[[SUM:.*]] = llvm.intr.fma(%[[FLOAT]], %[[SCALE]], %{{.*}})
// MINIMUM: llvm.intr.fma(%{{.*}}, %{{.*}}, %[[SUM]])
// CHECK: func.func @p(
// Inputs are rounded once for the phase.
// CHECK: llvm.intr.roundeven
// CHECK: func.call @{{"?}}encoded_[[NAME]]_x

// ALL: module @"x86-64-v4" {
// ALL-NOT: vpdpbusd
// ALLWIDE-NOT: pmaddubs
// ALLLINEAR: llvm.call_intrinsic "llvm.x86.avx512.pmaddubs.w.512"({{.*}}) : (vector<64xi8>, vector<64xi8>) -> vector<32xi16>
// ALL: llvm.call_intrinsic "llvm.x86.avx512.pmaddw.d.512"({{.*}}) : (vector<32xi16>, vector<32xi16>) -> vector<16xi32>

// ALL: module @"x86-64-v3-vnni" {
// ALLCODEBOOK: llvm.call_intrinsic "llvm.x86.avx2.pshuf.b"
// ALL: llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.256"({{.*}}) : (vector<8xi32>, vector<32xi8>, vector<32xi8>) -> vector<8xi32>

// CHECK: module @"x86-64-v3" {
// CHECK-NOT: vpdpbusd
// WIDE-NOT: pmadd.ub.sw
// LINEAR: llvm.call_intrinsic "llvm.x86.avx2.pmadd.ub.sw"({{.*}}) : (vector<32xi8>, vector<32xi8>) -> vector<16xi16>
// CHECK: llvm.call_intrinsic "llvm.x86.avx2.pmadd.wd"({{.*}}) : (vector<16xi16>, vector<16xi16>) -> vector<8xi32>
