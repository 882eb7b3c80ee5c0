// Lines of standard input, taken as they come: what reads them has other work between two of them.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_TOOLS_KVASIR_LINEREADER_H
#define KVASIR_TOOLS_KVASIR_LINEREADER_H

#include <cstddef>
#include <string>

namespace kvasir::cli {

class LineReader {
public:
  enum class Found { line, tooLong, nothing, end };

  /// Lines of more than `limit` bytes are skipped.
  explicit LineReader(size_t limit) : limit(limit) {}

  /// The next line without its end. Without a whole one it waits for input, but at most that long
  /// and not after a signal.
  Found next(std::string &line, int milliseconds);
  /// Of the line that next() gave last; the first has number 1.
  size_t number() const { return count; }

private:
  bool read(int milliseconds);
  Found take(std::string &line, size_t end);

  size_t limit;
  std::string buffer;
  size_t begin = 0;   ///< of what was not given yet, in the buffer
  size_t scanned = 0; ///< up to here there is no end of a line
  size_t count = 0;
  bool skipping = false; ///< in a line that is too long
  bool ended = false;
};

} // namespace kvasir::cli

#endif // KVASIR_TOOLS_KVASIR_LINEREADER_H
