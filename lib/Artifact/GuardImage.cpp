// What is read first is put last.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "kvasir/Artifact/Image.h"

#include "llvm/BinaryFormat/ELF.h"
#include "llvm/Object/ELF.h"

namespace kvasir {

using namespace llvm::ELF;

/// A copy of `bytes` bytes at `offset` of the image, at its end; returns where.
static uint64_t copyToEnd(std::vector<uint8_t> &image, uint64_t offset, uint64_t bytes) {
  image.resize(llvm::alignTo(image.size(), 8));
  uint64_t end = image.size();
  image.resize(end + bytes);
  std::copy_n(image.begin() + offset, bytes, image.begin() + end);
  return end;
}

llvm::Error guardImage(std::vector<uint8_t> &image) {
  llvm::StringRef bytes(reinterpret_cast<const char *>(image.data()), image.size());
  auto file = llvm::object::ELF64LEFile::create(bytes);
  if (!file)
    return file.takeError();
  auto headers = file->program_headers(); // all lie in the file
  if (!headers)
    return headers.takeError();
  for (size_t i = 0; i < headers->size(); ++i) {
    const auto &header = (*headers)[i];
    if (header.p_type != PT_INTERP)
      continue;
    if (header.p_offset > image.size() || header.p_filesz > image.size() - header.p_offset)
      return llvm::createStringError("internal error: the image of programs names no loader");
    // Linux reads it by its offset; the loader, later, by its address, which stays.
    uint64_t place = file->getHeader().e_phoff + i * sizeof(Elf64_Phdr);
    uint64_t end = copyToEnd(image, header.p_offset, header.p_filesz);
    reinterpret_cast<Elf64_Phdr *>(image.data() + place)->p_offset = end;
    return llvm::Error::success();
  }
  // The loader reads them from the file when they are not in its first bytes.
  uint64_t end = copyToEnd(image, file->getHeader().e_phoff, headers->size() * sizeof(Elf64_Phdr));
  reinterpret_cast<Elf64_Ehdr *>(image.data())->e_phoff = end;
  return llvm::Error::success();
}

} // namespace kvasir
