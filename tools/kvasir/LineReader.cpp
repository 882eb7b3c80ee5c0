// Standard input in lines, without waiting for it longer than asked.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "LineReader.h"

#include "Common.h"

#include <cerrno>
#include <cstring>
#include <poll.h>
#include <unistd.h>

namespace kvasir::cli {

/// True when there is more in the buffer, or the end.
bool LineReader::read(int milliseconds) {
  pollfd input = {STDIN_FILENO, POLLIN, 0};
  int ready = poll(&input, 1, milliseconds);
  if (ready == 0 || (ready < 0 && errno == EINTR))
    return false;
  buffer.erase(0, begin);
  scanned -= begin;
  begin = 0;
  char piece[65536];
  ssize_t got = ::read(STDIN_FILENO, piece, sizeof(piece));
  if (got < 0 && (errno == EINTR || errno == EAGAIN))
    return false;
  if (got < 0)
    fail(exitBadInput, format("cannot read standard input: %s", std::strerror(errno)));
  buffer.append(piece, size_t(got));
  ended = got == 0;
  return true;
}

LineReader::Found LineReader::take(std::string &line, size_t end) {
  bool isLong = skipping || end - begin > limit;
  line.assign(buffer, begin, isLong ? 0 : end - begin);
  begin = scanned = std::min(end + 1, buffer.size());
  skipping = false;
  ++count;
  return isLong ? Found::tooLong : Found::line;
}

LineReader::Found LineReader::next(std::string &line, int milliseconds) {
  while (true) {
    size_t end = buffer.find('\n', scanned);
    if (end != std::string::npos)
      return take(line, end);
    scanned = buffer.size();
    if (scanned - begin > limit) { // no more of it is kept
      skipping = true;
      begin = scanned;
    }
    if (ended) // the last line may lack its end
      return begin < buffer.size() || skipping ? take(line, buffer.size()) : Found::end;
    if (!read(milliseconds))
      return Found::nothing;
  }
}

} // namespace kvasir::cli
