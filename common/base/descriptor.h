// An open file of the system's, and writing all of something to it.
//
// Threads  As the file itself.
#ifndef PACELINE_COMMON_BASE_DESCRIPTOR_H_
#define PACELINE_COMMON_BASE_DESCRIPTOR_H_

#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <utility>

#include "absl/strings/string_view.h"

namespace paceline {

// Closes the file when it goes.
class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}  // Negative: none.
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }

  int number() const { return number_; }

 private:
  int number_;
};

// Writes all of it, however often it is interrupted or cut short. False: errno says why not.
inline bool WriteAll(int file, absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(file, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

}  // namespace paceline

#endif  // PACELINE_COMMON_BASE_DESCRIPTOR_H_
