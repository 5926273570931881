// SHA-256, incremental, as lower-case hex.
//
// Threads  One object, one thread.
// Source   FIPS 180-4, by OpenSSL's EVP.
#ifndef PACELINE_COMMON_BASE_SHA256_H_
#define PACELINE_COMMON_BASE_SHA256_H_

#include <cstddef>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"

namespace paceline {

class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;

  void Update(const void* bytes, size_t count);

  // 64 hex digits of everything so far. Call once, last.
  std::string Hex();

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

std::string Sha256Hex(absl::string_view bytes);

}  // namespace paceline

#endif  // PACELINE_COMMON_BASE_SHA256_H_
