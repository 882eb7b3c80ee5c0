// RUN: kvasir-opt %s -verify-diagnostics -split-input-file

func.func @f() {
  // expected-error @below {{get_cache_c1: expected a kv.cache named @l0}}
  %0 = kv.get_cache @l0 : !kv.cache<2x16>
  return
}

// -----

// expected-note @below {{the cache is declared here}}
kv.cache @l0 layer 0 : !kv.paged<2x16xf32>
func.func @f() {
  // expected-error @below {{get_cache_c1: expected type '!kv.paged<2x16xf32>', but got '!kv.cache<2x16>'}}
  %0 = kv.get_cache @l0 : !kv.cache<2x16>
  return
}

// -----

func.func @f(%c: !kv.cache<2x16>, %k: tensor<?x16xf32>, %p: tensor<?xi32>) {
  // expected-error @below {{append_c1: expected 32 features, but got 16}}
  kv.append %c, %k, %k, %p : !kv.cache<2x16>, tensor<?x16xf32>, tensor<?xi32>
  return
}

// -----

func.func @f(%c: !kv.cache<2x16>, %q: tensor<?x48xf32>) {
  // expected-error @below {{attend_c1: expected a multiple of 2 heads, but got 3}}
  %0 = kv.attend %c, %q {heads = 3 : i64, scale = 1.0 : f32} : !kv.cache<2x16>, tensor<?x48xf32>
  return
}

// -----

func.func @f(%c: !kv.cache<2x16>, %q: tensor<?x48xf32>) {
  // expected-error @below {{attend_c2: expected 4 heads of 16, but got 48 features}}
  %0 = kv.attend %c, %q {heads = 4 : i64, scale = 1.0 : f32} : !kv.cache<2x16>, tensor<?x48xf32>
  return
}

// -----

// A product of these heads and the head size would not fit into 64 bits.
func.func @f(%c: !kv.cache<2x16>, %q: tensor<?x48xf32>) {
  // expected-error @below {{attend_c2: expected 4611686018427387904 heads of 16, but got 48 features}}
  %0 = kv.attend %c, %q {heads = 4611686018427387904 : i64, scale = 1.0 : f32} : !kv.cache<2x16>, tensor<?x48xf32>
  return
}

// -----

func.func @f(%c: i32, %q: tensor<?x48xf32>) {
  // expected-error @below {{must be a cache of which only the content is known or a cache in pages of 64 tokens, with its number format, but got 'i32'}}
  %0 = kv.attend %c, %q {heads = 4 : i64, scale = 1.0 : f32} : i32, tensor<?x48xf32>
  return
}

// -----

func.func @f(%c: !kv.cache<2x16>, %q: tensor<?x48xf32>) {
  // expected-error @below {{attend_partitions_c1: expected a multiple of 2 heads, but got 3}}
  %0 = kv.attend_partitions %c, %q {heads = 3 : i64, partitions = 2 : i64, scale = 1.0 : f32} : !kv.cache<2x16>, tensor<?x48xf32>, tensor<?x108xf32>
  return
}

// -----

func.func @f(%c: !kv.cache<2x16>, %q: tensor<?x48xf32>) {
  // expected-error @below {{attend_partitions_c2: expected 4 heads of 16, but got 48 features}}
  %0 = kv.attend_partitions %c, %q {heads = 4 : i64, partitions = 2 : i64, scale = 1.0 : f32} : !kv.cache<2x16>, tensor<?x48xf32>, tensor<?x144xf32>
  return
}

// -----

func.func @f(%c: !kv.cache<2x16>, %q: tensor<?x64xf32>) {
  // expected-error @below {{attend_partitions_c3: expected 2 partitions of 72 features, but got 128 features}}
  %0 = kv.attend_partitions %c, %q {heads = 4 : i64, partitions = 2 : i64, scale = 1.0 : f32} : !kv.cache<2x16>, tensor<?x64xf32>, tensor<?x128xf32>
  return
}

// -----

func.func @f(%p: tensor<?x144xf32>, %positions: tensor<?xi32>) {
  // expected-error @below {{merge_partitions_c1: expected a multiple of 4 heads, but got 62 features}}
  %0 = kv.merge_partitions %p, %positions {heads = 4 : i64, partitions = 2 : i64, window = 0 : i64} : tensor<?x144xf32>, tensor<?xi32>, tensor<?x62xf32>
  return
}

// -----

func.func @f(%p: tensor<?x144xf32>, %positions: tensor<?xi32>) {
  // expected-error @below {{merge_partitions_c2: expected 3 partitions of 72 features, but got 144 features}}
  %0 = kv.merge_partitions %p, %positions {heads = 4 : i64, partitions = 3 : i64, window = 0 : i64} : tensor<?x144xf32>, tensor<?xi32>, tensor<?x64xf32>
  return
}
