// RUN: kvasir-opt %s -verify-diagnostics -split-input-file

func.func @f(%p: tensor<?xi32>) {
  // expected-error @below {{rope_table_c1: expected 4 features for 2 frequencies, but got 2}}
  %0 = llm.rope_table %p, %p {frequencies = array<f32: 1.0, 2.0>, magnitude = 1.0 : f32} : tensor<?xi32> -> tensor<?x2xf32>
  return
}

// -----

func.func @f(%p: tensor<?xi32>) {
  // expected-error @below {{rope_table_c1: expected 0 features for 0 frequencies, but got 2}}
  %0 = llm.rope_table %p, %p {frequencies = array<f32>, magnitude = 1.0 : f32} : tensor<?xi32> -> tensor<?x2xf32>
  return
}

// -----

func.func @f(%p: tensor<?xi32>) {
  // expected-error @below {{rope_table_c2}}
  %0 = llm.rope_table %p, %p {frequencies = array<f32: 1.0>, long_frequencies = array<f32: 1.0>, magnitude = 1.0 : f32} : tensor<?xi32> -> tensor<?x2xf32>
  return
}

// -----

func.func @f(%p: tensor<?xi32>) {
  // expected-error @below {{rope_table_c2}}
  %0 = llm.rope_table %p, %p {frequencies = array<f32: 1.0>, long_frequencies = array<f32: 1.0, 2.0>, long_magnitude = 1.0 : f32, magnitude = 1.0 : f32, original_context = 4 : i64} : tensor<?xi32> -> tensor<?x2xf32>
  return
}

// -----

func.func @f(%x: tensor<?x64xf32>, %t: tensor<?x4xf32>) {
  // expected-error @below {{rope_c1: expected a head size that divides 64, but got 48}}
  %0 = llm.rope %x, %t {head_size = 48 : i64} : tensor<?x64xf32>, tensor<?x4xf32>
  return
}

// -----

func.func @f(%x: tensor<?x64xf32>, %t: tensor<?x32xf32>) {
  // expected-error @below {{rope_c2: expected a table of an even number of features, at most 16, but got 32}}
  %0 = llm.rope %x, %t {head_size = 16 : i64} : tensor<?x64xf32>, tensor<?x32xf32>
  return
}

// -----

func.func @f(%x: tensor<?x64xf32>, %t: tensor<?x3xf32>) {
  // expected-error @below {{rope_c2: expected a table of an even number of features, at most 16, but got 3}}
  %0 = llm.rope %x, %t {head_size = 16 : i64} : tensor<?x64xf32>, tensor<?x3xf32>
  return
}

// -----

func.func @f(%q: tensor<?x64xf32>, %k: tensor<?x32xf32>) {
  // expected-error @below {{attention_c1: expected kv_heads to divide heads, but got 3 and 4}}
  %0 = llm.attention %q, %k, %k {heads = 4 : i64, kv_heads = 3 : i64, layer = 0 : i64, scale = 1.0 : f32} : tensor<?x64xf32>, tensor<?x32xf32>
  return
}

// -----

func.func @f(%q: tensor<?x64xf32>, %k: tensor<?x32xf32>) {
  // expected-error @below {{attention_c1: expected kv_heads to divide heads, but got 2 and 0}}
  %0 = llm.attention %q, %k, %k {heads = 0 : i64, kv_heads = 2 : i64, layer = 0 : i64, scale = 1.0 : f32} : tensor<?x64xf32>, tensor<?x32xf32>
  return
}

// -----

func.func @f(%q: tensor<?x64xf32>, %k: tensor<?x48xf32>) {
  // expected-error @below {{attention_c2: expected 4 and 2 heads of 16, but got 64, 48 and 48 features}}
  %0 = llm.attention %q, %k, %k {heads = 4 : i64, kv_heads = 2 : i64, layer = 0 : i64, scale = 1.0 : f32} : tensor<?x64xf32>, tensor<?x48xf32>
  return
}

// -----

func.func @f(%q: tensor<?x64xf32>, %k: tensor<?x32xf32>) {
  // expected-error @below {{attribute 'window' failed to satisfy constraint: 64-bit signless integer attribute whose value is positive}}
  %0 = llm.attention %q, %k, %k {heads = 4 : i64, kv_heads = 2 : i64, layer = 0 : i64, scale = 1.0 : f32, window = 0 : i64} : tensor<?x64xf32>, tensor<?x32xf32>
  return
}

// -----

func.func @f(%q: tensor<?x64xf32>, %k: tensor<?x32xf32>) {
  // expected-error @below {{attribute 'layer' failed to satisfy constraint: 64-bit signless integer attribute whose value is non-negative}}
  %0 = llm.attention %q, %k, %k {heads = 4 : i64, kv_heads = 2 : i64, layer = -1 : i64, scale = 1.0 : f32} : tensor<?x64xf32>, tensor<?x32xf32>
  return
}
