// RUN: kvasir-opt %s -verify-diagnostics -split-input-file

// expected-error @below {{expected heads x head size}}
func.func private @f(!kv.cache<2>)

// -----

// expected-error @below {{expected heads and head size from 1 to 65536, but got 0x16}}
func.func private @f(!kv.cache<0x16>)

// -----

// expected-error @below {{expected heads and head size from 1 to 65536, but got 65536x65537}}
func.func private @f(!kv.paged<65536x65537xf32>)

// -----

// expected-error @below {{expected a window from 0 to 2^31 - 1, but got -1}}
func.func private @f(!kv.cache<2x16, window = -1>)

// -----

// expected-error @below {{expected a cache of f32, f16, bf16 or i8, but got 'i4'}}
func.func private @f(!kv.paged<2x16xi4>)

// -----

// expected-error @below {{expected a cache of f32, f16, bf16 or i8, but got 'ui8'}}
func.func private @f(!kv.paged<2x16xui8>)

// -----

// expected-error @below {{attribute 'layer' failed to satisfy constraint: 64-bit signless integer attribute whose value is non-negative}}
kv.cache @l0 layer -1 : !kv.cache<2x16>

// -----

// expected-error @below {{attribute 'type' failed to satisfy constraint}}
kv.cache @l0 layer 0 : tensor<2x16xf32>
