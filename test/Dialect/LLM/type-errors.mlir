// RUN: kvasir-opt %s -verify-diagnostics -split-input-file

// expected-error @below {{expected 1 or 2 dimensions, but got 3}}
func.func private @f(!llm.weight<2x3x4xf32>)

// -----

// expected-error @below {{expected dimensions from 1 to 2^40, but got 0}}
func.func private @f(!llm.weight<0x3xf32>)

// -----

// expected-error @below {{expected at most 2^48 values, but got 1099511627776x1099511627776}}
func.func private @f(!llm.weight<1099511627776x1099511627776xf32>)

// -----

// expected-error @below {{expected values of f32, f16 or bf16, or encoded ones of a matrix, but got 'i8'}}
func.func private @f(!llm.weight<3xi8>)

// -----

// expected-error @below {{expected the name of a file}}
func.func private @f() attributes {a = #llm.source<file = "", offset = 0, stored = tensor<4xf32>>}

// -----

// expected-error @below {{expected an offset of at most 2^62, but got 18446744073709551615}}
func.func private @f() attributes {a = #llm.source<file = "a", offset = 18446744073709551615, stored = tensor<4xf32>>}

// -----

// expected-error @below {{expected values of f32, f16 or bf16, or encoded ones of a matrix, but got 'index'}}
func.func private @f() attributes {a = #llm.source<file = "a", offset = 0, stored = tensor<4xindex>>}

// -----

// expected-error @below {{expected dimensions from 1 to 2^40, but got -9223372036854775808}}
func.func private @f() attributes {a = #llm.source<file = "a", offset = 0, stored = tensor<?x4xf32>>}

// -----

// expected-error @below {{expected a matrix to transpose, but got 'tensor<4xf32>'}}
func.func private @f() attributes {a = #llm.source<file = "a", offset = 0, stored = tensor<4xf32>, transpose = true>}

// -----

// expected-error @below {{expected a row from 0 to 2^40, but got -1}}
func.func private @f() attributes {a = #llm.source<file = "a", offset = 0, stored = tensor<4xf32>, row = -1>}

// -----

// expected-error @below {{expected attribute llm.model to be a dictionary}}
module attributes {llm.model = "Llama"} {}

// -----

// expected-error @below {{expected attribute llm.directory to be a string}}
module attributes {llm.directory = 3} {}
