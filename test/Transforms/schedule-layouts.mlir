// RUN: kvasir-opt %s --kvasir-schedule | FileCheck %s
// RUN: kvasir-opt %s --kvasir-schedule=naive | FileCheck %s --check-prefix=NAIVE

// Linear layers read panels of 16 rows. A head tied to the embedding is one weight in memory: the
// embedding picks its rows out of the panels.

// CHECK: llm.weight @table {{.*}} layout <panel16>
// CHECK: llm.weight @positions {{.*}} layout <row_major>
// CHECK: llm.weight @norm {{.*}} layout <row_major>
// CHECK: llm.embedding %{{.*}}, %{{.*}} layout <panel16> : (tensor<?xi32>, !llm.weight<96x32xf32>)
// CHECK: llm.embedding %{{.*}}, %{{.*}} layout <row_major> : (tensor<?xi32>, !llm.weight<64x32xf32>)

// NAIVE-NOT: panel16
// NAIVE: llm.weight @table {{.*}} layout <row_major>
// NAIVE: llm.embedding %{{.*}}, %{{.*}} layout <row_major> : (tensor<?xi32>, !llm.weight<96x32xf32>)
// NAIVE-NOT: panel16

llm.weight @table : !llm.weight<96x32xf32> from <file = "m", offset = 0, stored = tensor<96x32xf32>>
llm.weight @positions : !llm.weight<64x32xf32> from <file = "m", offset = 0, stored = tensor<64x32xf32>>
llm.weight @norm : !llm.weight<32xf32> from <file = "m", offset = 0, stored = tensor<32xf32>>

func.func @step(%ids: tensor<?xi32>, %positions: tensor<?xi32>, %totals: tensor<?xi32>, %rows: tensor<?xi32>) -> tensor<?x96xf32> {
  %t = llm.get_weight @table : !llm.weight<96x32xf32>
  %x = llm.embedding %ids, %t : (tensor<?xi32>, !llm.weight<96x32xf32>) -> tensor<?x32xf32>
  %p = llm.get_weight @positions : !llm.weight<64x32xf32>
  %e = llm.embedding %positions, %p : (tensor<?xi32>, !llm.weight<64x32xf32>) -> tensor<?x32xf32>
  %y = llm.add %x, %e : tensor<?x32xf32>
  %s = llm.select_rows %y, %rows : tensor<?x32xf32>, tensor<?xi32>
  %wn = llm.get_weight @norm : !llm.weight<32xf32>
  %n = llm.rms_norm %s, %wn {epsilon = 1.0e-05 : f32, group = 32 : i64} : tensor<?x32xf32>, !llm.weight<32xf32>
  %l = llm.linear %n, [%t] : tensor<?x32xf32>, [!llm.weight<96x32xf32>] -> tensor<?x96xf32>
  return %l : tensor<?x96xf32>
}
