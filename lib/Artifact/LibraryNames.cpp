// Renames the exports of a shared library in its ELF tables.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "kvasir/Artifact/Library.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/BinaryFormat/ELF.h"
#include "llvm/Object/ELF.h"

namespace kvasir {

using namespace llvm::ELF;

static constexpr llvm::StringRef oldPrefix = "kvasir_";

static llvm::Error broken(const char *what) {
  return llvm::createStringError("internal error: the image of libraries %s", what);
}

namespace {
/// The tables of an image that names are in.
class NameTables {
public:
  explicit NameTables(std::vector<uint8_t> &image) : image(image) {}

  llvm::Error open();
  llvm::Error rename(llvm::StringRef prefix, llvm::StringRef soname);

private:
  template <class T> llvm::MutableArrayRef<T> table(const Elf64_Shdr *section) {
    return {reinterpret_cast<T *>(image.data() + section->sh_offset),
            size_t(section->sh_size / sizeof(T))};
  }
  Elf64_Shdr *find(llvm::StringRef name);
  uint32_t add(std::string text);
  llvm::Error moveStrings();
  void hashNames();

  std::vector<uint8_t> &image;
  llvm::MutableArrayRef<Elf64_Shdr> sections;
  Elf64_Shdr *symbols = nullptr, *strings = nullptr, *hashes = nullptr, *dynamic = nullptr;
  Elf64_Shdr *room = nullptr; ///< .kvasir.names, where the strings move to
  std::string text;           ///< all strings, the old ones first
};
} // namespace

Elf64_Shdr *NameTables::find(llvm::StringRef name) {
  const auto *header = reinterpret_cast<const Elf64_Ehdr *>(image.data());
  const Elf64_Shdr &names = sections[header->e_shstrndx];
  for (Elf64_Shdr &section : sections)
    if (name == reinterpret_cast<const char *>(image.data() + names.sh_offset + section.sh_name))
      return &section;
  return nullptr;
}

llvm::Error NameTables::open() {
  llvm::StringRef bytes(reinterpret_cast<const char *>(image.data()), image.size());
  auto file = llvm::object::ELF64LEFile::create(bytes);
  if (!file)
    return file.takeError();
  auto checked = file->sections(); // all lie in the file
  if (!checked)
    return checked.takeError();
  const auto *header = reinterpret_cast<const Elf64_Ehdr *>(image.data());
  sections = {reinterpret_cast<Elf64_Shdr *>(image.data() + header->e_shoff), checked->size()};
  symbols = find(".dynsym");
  strings = find(".dynstr");
  hashes = find(".hash");
  dynamic = find(".dynamic");
  room = find(".kvasir.names");
  if (!symbols || !strings || !hashes || !dynamic || !room || find(".gnu.hash"))
    return broken("lacks a table of names or has one too many");
  text = {reinterpret_cast<const char *>(image.data() + strings->sh_offset), strings->sh_size};
  return llvm::Error::success();
}

uint32_t NameTables::add(std::string name) {
  uint32_t offset = uint32_t(text.size());
  text += name + '\0';
  return offset;
}

llvm::Error NameTables::rename(llvm::StringRef prefix, llvm::StringRef soname) {
  for (Elf64_Sym &symbol : table<Elf64_Sym>(symbols)) {
    llvm::StringRef name = text.data() + symbol.st_name;
    if (symbol.st_shndx != SHN_UNDEF && name.consume_front(oldPrefix))
      symbol.st_name = add((prefix + "_" + name).str());
  }
  for (Elf64_Dyn &entry : table<Elf64_Dyn>(dynamic)) {
    if (entry.d_tag == DT_SONAME)
      entry.d_un.d_val = add(soname.str());
    else if (entry.d_tag == DT_STRTAB)
      entry.d_un.d_ptr = room->sh_addr;
  }
  if (llvm::Error error = moveStrings())
    return error;
  hashNames();
  return llvm::Error::success();
}

/// Versions refer to strings, too: the old ones keep their offsets.
llvm::Error NameTables::moveStrings() {
  if (text.size() > room->sh_size)
    return broken("has too little room for names");
  std::copy(text.begin(), text.end(), image.begin() + room->sh_offset);
  for (Elf64_Dyn &entry : table<Elf64_Dyn>(dynamic))
    if (entry.d_tag == DT_STRSZ)
      entry.d_un.d_val = text.size();
  std::swap(strings->sh_addr, room->sh_addr);
  std::swap(strings->sh_offset, room->sh_offset);
  room->sh_size = strings->sh_size;
  strings->sh_size = text.size();
  return llvm::Error::success();
}

/// The hash function of the System V ABI, "Hash Table".
static uint32_t hashOf(const char *name) {
  uint32_t hash = 0;
  for (; *name; ++name) {
    hash = (hash << 4) + uint8_t(*name);
    uint32_t high = hash & 0xf0000000;
    hash = (hash ^ (high >> 24)) & ~high;
  }
  return hash;
}

/// bucket count, symbol count, first symbol of each bucket, next symbol of each symbol.
void NameTables::hashNames() {
  auto words = table<uint32_t>(hashes);
  uint32_t bucketCount = words[0];
  auto buckets = words.slice(2, bucketCount), next = words.drop_front(2 + bucketCount);
  std::fill(buckets.begin(), buckets.end(), 0);
  auto all = table<Elf64_Sym>(symbols);
  for (uint32_t i = 1; i < all.size(); ++i) {
    uint32_t &bucket = buckets[hashOf(text.data() + all[i].st_name) % bucketCount];
    next[i] = bucket;
    bucket = i;
  }
}

llvm::Error renameLibrary(std::vector<uint8_t> &image, llvm::StringRef prefix,
                          llvm::StringRef soname) {
  NameTables names(image);
  if (llvm::Error error = names.open())
    return error;
  return names.rename(prefix, soname);
}

} // namespace kvasir
