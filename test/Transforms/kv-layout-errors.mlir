// RUN: kvasir-opt %s --kvasir-kv-layout=element-type=i4 -verify-diagnostics

// expected-error @below {{expected a cache of f32, f16, bf16 or i8, but got 'i4'}}
module {
  kv.cache @layer0 layer 0 : !kv.cache<2x16>
}
