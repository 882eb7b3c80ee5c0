// RUN: kvasir-opt %s --kvasir-kv-layout | FileCheck %s

// A model without attention keeps nothing.
// CHECK: module attributes {kv.bytes_per_token = 0 : i64}
func.func @step(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  return %x : tensor<?x64xf32>
}
