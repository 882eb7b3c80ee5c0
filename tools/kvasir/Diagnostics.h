// What MLIR reports, as one message.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_TOOLS_KVASIR_DIAGNOSTICS_H
#define KVASIR_TOOLS_KVASIR_DIAGNOSTICS_H

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/raw_ostream.h"

namespace kvasir::cli {

/// Diagnostics of a context as the lines of one message.
class DiagnosticText {
public:
  explicit DiagnosticText(mlir::MLIRContext *context)
      : handler(context, [this](mlir::Diagnostic &diagnostic) {
          add(diagnostic);
          for (mlir::Diagnostic &note : diagnostic.getNotes())
            add(note);
        }) {}

  llvm::Error takeError(llvm::StringRef otherwise) {
    return llvm::createStringError(text.empty() ? otherwise : llvm::StringRef(text).rtrim());
  }

private:
  void add(mlir::Diagnostic &diagnostic) {
    llvm::raw_string_ostream out(text);
    bool isNote = diagnostic.getSeverity() == mlir::DiagnosticSeverity::Note;
    if (!text.empty())
      out << "  ";
    mlir::Location location = diagnostic.getLocation();
    if (auto inFile = llvm::dyn_cast<mlir::FileLineColLoc>(location)) {
      out << inFile.getFilename().getValue() << ":" << inFile.getLine() << ":" << inFile.getColumn()
          << ": ";
    } else if (!llvm::isa<mlir::UnknownLoc>(location)) {
      std::string place;
      llvm::raw_string_ostream placeOut(place);
      location.print(placeOut);
      llvm::StringRef name(place);
      name.consume_front("loc(");
      name.consume_back(")");
      out << name << ": ";
    }
    out << (isNote ? "note: " : "") << diagnostic << "\n";
  }

  std::string text;
  mlir::ScopedDiagnosticHandler handler;
};

} // namespace kvasir::cli

#endif // KVASIR_TOOLS_KVASIR_DIAGNOSTICS_H
