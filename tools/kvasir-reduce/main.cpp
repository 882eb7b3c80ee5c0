// kvasir-reduce: makes a file that shows a fault smaller.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "kvasir/Pipeline/RegisterAll.h"
#include "mlir/IR/DialectRegistry.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Tools/mlir-reduce/MlirReduceMain.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  kvasir::registerAllDialects(registry);
  kvasir::registerAllPasses();
  mlir::MLIRContext context(registry);
  return mlir::failed(mlir::mlirReduceMain(argc, argv, context));
}
