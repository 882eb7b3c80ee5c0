// RUN: kvasir-opt %s --kvasir-kv-layout=element-type=i8 -verify-diagnostics

// expected-error @below {{expected a cache of f32, f16 or bf16, but got 'i8'}}
module {
  kv.cache @layer0 layer 0 : !kv.cache<2x16>
}
