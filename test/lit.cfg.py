# How lit runs the tests of this directory.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
import ctypes
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
tool("llvm-nm", directory=config.llvm_directory)
tool("llvm-readelf", directory=config.llvm_directory)
config.substitutions.append(("%python", sys.executable))
config.substitutions.append(("%shared", config.shared_data))
config.substitutions.append(("%cc", config.c_compiler))
config.substitutions.append(("%examples", os.path.join(config.test_source_root, "..", "examples")))
config.substitutions.append(("%demo", os.path.join(config.test_source_root, "..", "demo")))
config.substitutions.append(("%docs", os.path.join(config.test_source_root, "..", "docs")))

if os.path.isdir(config.shared_data):
    config.available_features.add("shared-data")
if shutil.which("ptxas") or os.access("/usr/local/cuda/bin/ptxas", os.X_OK):
    config.available_features.add("ptxas")
# A driver for tests, whose kernels run on the host (test/Runtime/cuda), and a real device.
fake = os.path.join(config.binary_directory, "..", "runtime", "test", "cuda", "fake")
if os.path.exists(os.path.join(fake, "libcuda.so.1")):
    config.available_features.add("fake-cuda")
    config.substitutions.append(("%fake-cuda", fake))


def has_device():
    """Whether the NVIDIA driver is there and sees a device."""
    try:
        cuda = ctypes.CDLL("libcuda.so.1")
        count = ctypes.c_int(0)
        return cuda.cuInit(0) == 0 and cuda.cuDeviceGetCount(ctypes.byref(count)) == 0 and count.value > 0
    except (OSError, AttributeError):
        return False


if has_device():
    config.available_features.add("cuda")
if os.path.exists(os.path.join(config.binary_directory, "kvasir")):
    config.available_features.add("kvasir")
