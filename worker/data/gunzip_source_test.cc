#include "worker/data/gunzip_source.h"

#include <catch2/catch.hpp>
#include <string>

#include "absl/status/status.h"
#include "worker/data/test_files.h"

namespace paceline {
namespace {

using Catch::Matchers::Contains;

// Hands out one byte at a time, as a slow file might.
class Drip : public ByteSource {
 public:
  explicit Drip(absl::string_view bytes) : rest_(bytes) {}

  absl::StatusOr<size_t> Read(absl::Span<uint8_t> out) override {
    if (rest_.empty()) return 0;
    out[0] = static_cast<uint8_t>(rest_[0]);
    rest_.remove_prefix(1);
    return 1;
  }

 private:
  absl::string_view rest_;
};

absl::StatusOr<std::string> ReadAll(ByteSource* source) {
  GunzipSource plain(source, "a.gz");
  std::string all;
  uint8_t part[7];
  for (;;) {
    const absl::StatusOr<size_t> count = plain.Read(absl::MakeSpan(part));
    if (!count.ok()) return count.status();
    if (*count == 0) return all;
    all.append(reinterpret_cast<const char*>(part), *count);
  }
}

absl::StatusOr<std::string> Decoded(const std::string& bytes) {
  MemorySource source(bytes);
  return ReadAll(&source);
}

std::string Error(const std::string& bytes) {
  const absl::StatusOr<std::string> decoded = Decoded(bytes);
  REQUIRE(absl::IsInvalidArgument(decoded.status()));
  return std::string(decoded.status().message());
}

std::string Text() {
  std::string text;
  for (int i = 0; i < 20000; ++i) text += std::to_string(i * i);
  return text;
}

TEST_CASE("what is not gzip passes through, however short") {
  for (const std::string& bytes : {std::string(), std::string("x"), std::string("\x1f"), Text()}) {
    CHECK(*Decoded(bytes) == bytes);
    Drip drip(bytes);
    CHECK(*ReadAll(&drip) == bytes);
  }
}

TEST_CASE("gzip is decompressed, in one member or several") {
  const std::string members = Gzip(Text()) + Gzip("") + Gzip("end");
  Drip drip(members);

  CHECK(*Decoded(Gzip(Text())) == Text());
  CHECK(Decoded(Gzip(""))->empty());
  CHECK(*Decoded(members) == Text() + "end");
  CHECK(*ReadAll(&drip) == Text() + "end");
}

TEST_CASE("every cut of a gzip file is refused") {
  const std::string whole = Gzip("some text to compress");

  // One byte alone is not recognised as gzip.
  for (size_t size = 2; size < whole.size(); ++size) {
    CHECK_THAT(Error(whole.substr(0, size)), Contains("a.gz: the file ends inside"));
  }
}

TEST_CASE("corrupt compressed bytes and checksums are refused") {
  const std::string whole = Gzip(Text());
  // A member ends with the checksum and then the size, four bytes each.
  std::string bad_checksum = whole;
  bad_checksum[whole.size() - 8] ^= 1;
  std::string bad_size = whole;
  bad_size[whole.size() - 1] ^= 1;
  std::string bad_method = whole;
  bad_method[2] = 7;

  CHECK_THAT(Error(bad_checksum), Contains("a.gz: the gzip bytes are corrupt: incorrect data"));
  CHECK_THAT(Error(bad_size), Contains("corrupt: incorrect length"));
  CHECK_THAT(Error(bad_method), Contains("corrupt: unknown compression method"));
}

TEST_CASE("bytes behind the last member are refused") {
  CHECK_THAT(Error(Gzip("text") + "more"), Contains("followed by 0x6d"));
  CHECK_THAT(Error(Gzip("text") + "\x1f"), Contains("followed by 0x1f"));
}

}  // namespace
}  // namespace paceline
