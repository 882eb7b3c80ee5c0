// RUN: kvasir-opt %s --kvasir-fuse-attention -verify-diagnostics -split-input-file

// expected-note @below {{the function is declared here}}
func.func @step(%q: tensor<?x64xf32>, %k: tensor<?x32xf32>) {
  // expected-error @below {{expected the positions of the tokens as the second argument of the function, a tensor<?xi32>}}
  %0 = llm.attention %q, %k, %k {heads = 4 : i64, kv_heads = 2 : i64, layer = 0 : i64, scale = 0.25 : f32} : tensor<?x64xf32>, tensor<?x32xf32>
  return
}

// -----

// Every one of them is reported.
// expected-note @below {{the function is declared here}}
func.func @step(%q: tensor<?x64xf32>) {
  // expected-error @below {{expected the positions of the tokens}}
  %0 = llm.attention %q, %q, %q {heads = 4 : i64, kv_heads = 4 : i64, layer = 0 : i64, scale = 0.25 : f32} : tensor<?x64xf32>, tensor<?x64xf32>
  // expected-error @below {{expected the positions of the tokens}}
  %1 = llm.attention %q, %q, %q {heads = 4 : i64, kv_heads = 4 : i64, layer = 1 : i64, scale = 0.25 : f32} : tensor<?x64xf32>, tensor<?x64xf32>
  return
}

// -----

func.func @step(%ids: tensor<?xi32>, %positions: tensor<?xi32>, %q: tensor<?x64xf32>) {
  // expected-note @below {{it was declared here}}
  %0 = llm.attention %q, %q, %q {heads = 4 : i64, kv_heads = 4 : i64, layer = 0 : i64, scale = 0.25 : f32} : tensor<?x64xf32>, tensor<?x64xf32>
  // expected-error @below {{expected one attention for each layer, but @layer0 exists already}}
  %1 = llm.attention %q, %q, %q {heads = 4 : i64, kv_heads = 4 : i64, layer = 0 : i64, scale = 0.25 : f32} : tensor<?x64xf32>, tensor<?x64xf32>
  return
}

// -----

// expected-note @below {{it was declared here}}
func.func private @layer3()
func.func @step(%ids: tensor<?xi32>, %positions: tensor<?xi32>, %q: tensor<?x64xf32>) {
  // expected-error @below {{expected one attention for each layer, but @layer3 exists already}}
  %0 = llm.attention %q, %q, %q {heads = 4 : i64, kv_heads = 4 : i64, layer = 3 : i64, scale = 0.25 : f32} : tensor<?x64xf32>, tensor<?x64xf32>
  return
}
