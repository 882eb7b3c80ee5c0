// RUN: kvasir-opt %s --kvasir-schedule -verify-diagnostics -split-input-file
// RUN: kvasir-opt %s --kvasir-schedule=naive -verify-diagnostics -split-input-file

// expected-error @below {{expected a function @step with a body}}
module {}

// -----

// expected-error @below {{expected a function @step with a body}}
module {
  func.func private @step(%ids: tensor<?xi32>, %positions: tensor<?xi32>, %totals: tensor<?xi32>, %rows: tensor<?xi32>) -> tensor<?x32xf32>
}

// -----

// expected-error @below {{expected @step to have one block, the arguments ids, positions, totals and rows, each tensor<?xi32>, and one result, but got '(tensor<?xi32>) -> tensor<?x32xf32>'}}
func.func @step(%ids: tensor<?xi32>) -> tensor<?x32xf32> {
  %t = llm.get_weight @table : !llm.weight<96x32xf32>
  %x = llm.embedding %ids, %t : (tensor<?xi32>, !llm.weight<96x32xf32>) -> tensor<?x32xf32>
  return %x : tensor<?x32xf32>
}
llm.weight @table : !llm.weight<96x32xf32> from <file = "m", offset = 0, stored = tensor<96x32xf32>>

// -----

// A weight comes from llm.get_weight.
// expected-error @below {{each tensor<?xi32>}}
func.func @step(%ids: tensor<?xi32>, %t: !llm.weight<96x32xf32>, %totals: tensor<?xi32>, %rows: tensor<?xi32>) -> tensor<?x32xf32> {
  %x = llm.embedding %ids, %t : (tensor<?xi32>, !llm.weight<96x32xf32>) -> tensor<?x32xf32>
  %s = llm.select_rows %x, %rows : tensor<?x32xf32>, tensor<?xi32>
  return %s : tensor<?x32xf32>
}

// -----

// expected-error @below {{expected @step to have one block}}
func.func @step(%ids: tensor<?xi32>, %positions: tensor<?xi32>, %totals: tensor<?xi32>, %rows: tensor<?xi32>) -> tensor<?x32xf32> {
  cf.br ^bb1
^bb1:
  %t = llm.get_weight @table : !llm.weight<96x32xf32>
  %x = llm.embedding %ids, %t : (tensor<?xi32>, !llm.weight<96x32xf32>) -> tensor<?x32xf32>
  %s = llm.select_rows %x, %rows : tensor<?x32xf32>, tensor<?xi32>
  return %s : tensor<?x32xf32>
}
llm.weight @table : !llm.weight<96x32xf32> from <file = "m", offset = 0, stored = tensor<96x32xf32>>

// -----

func.func @step(%ids: tensor<?xi32>, %positions: tensor<?xi32>, %totals: tensor<?xi32>, %rows: tensor<?xi32>) -> tensor<?x32xf32> {
  %t = llm.get_weight @table : !llm.weight<96x32xf32>
  %x = llm.embedding %ids, %t : (tensor<?xi32>, !llm.weight<96x32xf32>) -> tensor<?x32xf32>
  // expected-error @below {{expected an op that can be scheduled, but got llm.attention; run the phases before `schedule` first}}
  %a = llm.attention %x, %x, %x {heads = 2 : i64, kv_heads = 2 : i64, layer = 0 : i64, scale = 0.25 : f32} : tensor<?x32xf32>, tensor<?x32xf32>
  // Every one of them is reported.
  // expected-error @below {{expected an op that can be scheduled, but got arith.negf}}
  %b = arith.negf %a : tensor<?x32xf32>
  %s = llm.select_rows %b, %rows : tensor<?x32xf32>, tensor<?xi32>
  return %s : tensor<?x32xf32>
}
llm.weight @table : !llm.weight<96x32xf32> from <file = "m", offset = 0, stored = tensor<96x32xf32>>

// -----

kv.cache @layer0 layer 0 : !kv.cache<2x16>
func.func @step(%ids: tensor<?xi32>, %positions: tensor<?xi32>, %totals: tensor<?xi32>, %rows: tensor<?xi32>) -> tensor<?x32xf32> {
  %t = llm.get_weight @table : !llm.weight<96x32xf32>
  %x = llm.embedding %ids, %t : (tensor<?xi32>, !llm.weight<96x32xf32>) -> tensor<?x32xf32>
  %c = kv.get_cache @layer0 : !kv.cache<2x16>
  // expected-error @below {{expected a cache that has pages, but got '!kv.cache<2x16>'; run `kv-layout` first}}
  kv.append %c, %x, %x, %positions : !kv.cache<2x16>, tensor<?x32xf32>, tensor<?xi32>
  // expected-error @below {{expected a cache that has pages}}
  %a = kv.attend %c, %x {heads = 2 : i64, scale = 0.25 : f32} : !kv.cache<2x16>, tensor<?x32xf32>
  %s = llm.select_rows %a, %rows : tensor<?x32xf32>, tensor<?xi32>
  return %s : tensor<?x32xf32>
}
llm.weight @table : !llm.weight<96x32xf32> from <file = "m", offset = 0, stored = tensor<96x32xf32>>

// -----

// expected-error @below {{expected a result that the step computes on the rows chosen by llm.select_rows}}
func.func @step(%ids: tensor<?xi32>, %positions: tensor<?xi32>, %totals: tensor<?xi32>, %rows: tensor<?xi32>) -> tensor<?xi32> {
  return %ids : tensor<?xi32>
}

// -----

llm.weight @table : !llm.weight<96x32xf32> from <file = "m", offset = 0, stored = tensor<96x32xf32>>
// expected-error @below {{expected a result that the step computes}}
func.func @step(%ids: tensor<?xi32>, %positions: tensor<?xi32>, %totals: tensor<?xi32>, %rows: tensor<?xi32>) -> !llm.weight<96x32xf32> {
  %t = llm.get_weight @table : !llm.weight<96x32xf32>
  return %t : !llm.weight<96x32xf32>
}

// -----

llm.weight @table : !llm.weight<96x32xf32> from <file = "m", offset = 0, stored = tensor<96x32xf32>>
// It has a row for each token.
// expected-error @below {{expected a result that the step computes on the rows chosen by llm.select_rows}}
func.func @step(%ids: tensor<?xi32>, %positions: tensor<?xi32>, %totals: tensor<?xi32>, %rows: tensor<?xi32>) -> tensor<?x32xf32> {
  %t = llm.get_weight @table : !llm.weight<96x32xf32>
  %x = llm.embedding %ids, %t : (tensor<?xi32>, !llm.weight<96x32xf32>) -> tensor<?x32xf32>
  return %x : tensor<?x32xf32>
}
