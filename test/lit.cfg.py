# How lit runs the tests of this directory.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
import os
import shutil
import sys

import lit.formats

config.name = "kvasir"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".test"]
config.excludes = ["Inputs"]
config.test_source_root = os.path.dirname(__file__)


def tool(name, *arguments, directory=config.binary_directory):
    """Replaces the name of a tool, where it stands as a word, by its path and fixed arguments."""
    path = " ".join([os.path.join(directory, name), *arguments])
    config.substitutions.append((rf"(?<![\w./%-]){name}(?![\w.-])", path))


# Whatever a test prints must read back as the same module.
tool("kvasir-opt", "--verify-roundtrip")
tool("kvasir-translate")
tool("kvasir-lsp-server")
tool("kvasir-reduce")
tool("kvasir")
tool("kvasir-compile")
tool("FileCheck", "--enable-var-scope", directory=config.llvm_directory)
tool("not", directory=config.llvm_directory)
tool("split-file", directory=config.llvm_directory)
config.substitutions.append(("%python", sys.executable))
config.substitutions.append(("%shared", config.shared_data))
config.substitutions.append(("%docs", os.path.join(config.test_source_root, "..", "docs")))

if os.path.isdir(config.shared_data):
    config.available_features.add("shared-data")
if shutil.which("ptxas") or os.access("/usr/local/cuda/bin/ptxas", os.X_OK):
    config.available_features.add("ptxas")
if os.path.exists(os.path.join(config.binary_directory, "kvasir")):
    config.available_features.add("kvasir")
