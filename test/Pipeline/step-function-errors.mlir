// RUN: kvasir-opt %s --split-input-file -verify-diagnostics --kvasir-verify-phase=phase=kv-layout

// expected-error @below {{expected a function @step with a body}}
module {}

// -----

// expected-error @below {{expected @step to have the arguments ids, positions, totals and rows, each tensor<?xi32>, and one result, but got '(tensor<?xi32>) -> tensor<?xi32>'}}
func.func @step(%ids: tensor<?xi32>) -> tensor<?xi32> {
  return %ids : tensor<?xi32>
}

// -----

// expected-error @below {{expected a result of rows of f32 that the step computes, but got 'tensor<?xi32>'}}
func.func @step(%ids: tensor<?xi32>, %positions: tensor<?xi32>, %totals: tensor<?xi32>, %rows: tensor<?xi32>) -> tensor<?xi32> {
  return %ids : tensor<?xi32>
}

// -----

llm.weight @t : !llm.weight<256x64xbf16> from <file = "m", offset = 0, stored = tensor<256x64xbf16>>
// expected-error @below {{expected a result of rows of f32 that the step computes, but got '!llm.weight<256x64xbf16>'}}
func.func @step(%ids: tensor<?xi32>, %positions: tensor<?xi32>, %totals: tensor<?xi32>, %rows: tensor<?xi32>) -> !llm.weight<256x64xbf16> {
  %t = llm.get_weight @t : !llm.weight<256x64xbf16>
  return %t : !llm.weight<256x64xbf16>
}

// -----

llm.weight @t : !llm.weight<256x64xbf16> from <file = "m", offset = 0, stored = tensor<256x64xbf16>>
kv.cache @layer0 layer 0 : !kv.paged<4x16xf32>
func.func @step(%ids: tensor<?xi32>, %positions: tensor<?xi32>, %totals: tensor<?xi32>, %rows: tensor<?xi32>) -> tensor<?x64xf32> {
  %t = llm.get_weight @t : !llm.weight<256x64xbf16>
  // expected-error @below {{expected the ids of @step, its argument 0}}
  %x = llm.embedding %rows, %t : (tensor<?xi32>, !llm.weight<256x64xbf16>) -> tensor<?x64xf32>
  %p = llm.embedding %positions, %t : (tensor<?xi32>, !llm.weight<256x64xbf16>) -> tensor<?x64xf32>
  // expected-error @below {{expected the positions of @step, its argument 1}}
  // expected-error @below {{expected the totals of @step, its argument 2}}
  %r = llm.rope_table %totals, %positions {frequencies = array<f32: 1.0>, magnitude = 1.0 : f32} : tensor<?xi32> -> tensor<?x2xf32>
  %c = kv.get_cache @layer0 : !kv.paged<4x16xf32>
  // expected-error @below {{expected the positions of @step, its argument 1}}
  kv.append %c, %x, %x, %ids : !kv.paged<4x16xf32>, tensor<?x64xf32>, tensor<?xi32>
  // expected-error @below {{expected the rows of @step, its argument 3}}
  %s = llm.select_rows %x, %ids : tensor<?x64xf32>, tensor<?xi32>
  return %s : tensor<?x64xf32>
}

// -----

// Both are tensor<?x64xf32>, but the one has T rows and the other L.
llm.weight @t : !llm.weight<256x64xbf16> from <file = "m", offset = 0, stored = tensor<256x64xbf16>>
kv.cache @layer0 layer 0 : !kv.paged<4x16xf32>
func.func @step(%ids: tensor<?xi32>, %positions: tensor<?xi32>, %totals: tensor<?xi32>, %rows: tensor<?xi32>) -> tensor<?x64xf32> {
  %t = llm.get_weight @t : !llm.weight<256x64xbf16>
  %x = llm.embedding %ids, %t : (tensor<?xi32>, !llm.weight<256x64xbf16>) -> tensor<?x64xf32>
  %s = llm.select_rows %x, %rows : tensor<?x64xf32>, tensor<?xi32>
  // expected-error @below {{expected operands with rows of one kind, but got rows for tokens and for logits}}
  %y = llm.add %s, %x : tensor<?x64xf32>
  %c = kv.get_cache @layer0 : !kv.paged<4x16xf32>
  // expected-error @below {{expected operands with rows for tokens, but got rows for tokens and for logits}}
  %a = kv.attend %c, %s {heads = 4 : i64, scale = 0.25 : f32} : !kv.paged<4x16xf32>, tensor<?x64xf32>
  return %s : tensor<?x64xf32>
}

// -----

llm.weight @t : !llm.weight<256x64xbf16> from <file = "m", offset = 0, stored = tensor<256x64xbf16>>
func.func @step(%ids: tensor<?xi32>, %positions: tensor<?xi32>, %totals: tensor<?xi32>, %rows: tensor<?xi32>) -> tensor<?x64xf32> {
  %t = llm.get_weight @t : !llm.weight<256x64xbf16>
  // expected-error @below {{expected the result of @step to have the rows that are chosen by llm.select_rows}}
  %x = llm.embedding %ids, %t : (tensor<?xi32>, !llm.weight<256x64xbf16>) -> tensor<?x64xf32>
  return %x : tensor<?x64xf32>
}
