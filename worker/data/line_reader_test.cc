#include "worker/data/line_reader.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"

namespace paceline {
namespace {

using Catch::Matchers::Contains;
using Lines = std::vector<std::pair<uint64_t, std::string>>;

Lines ReadAll(const std::string& text) {
  MemorySource source(text);
  LineReader reader(&source, "a.txt");
  Lines lines;
  for (;;) {
    const absl::StatusOr<bool> more = reader.Next();
    REQUIRE(more.ok());
    if (!*more) return lines;
    lines.emplace_back(reader.number(), std::string(reader.line()));
  }
}

TEST_CASE("lines end with LF, CRLF or the file") {
  CHECK(ReadAll("a\nb\r\nc") == Lines{{1, "a"}, {2, "b"}, {3, "c"}});
  CHECK(ReadAll("a\n") == Lines{{1, "a"}});
  CHECK(ReadAll("").empty());
}

TEST_CASE("blank lines are counted but not shown, and a byte order mark is dropped") {
  CHECK(ReadAll("\xef\xbb\xbf\n \t\r\n\nx\n\n") == Lines{{4, "x"}});
  CHECK(ReadAll("\xef\xbb\xbfx\n\xef\xbb\xbfy") == Lines{{1, "x"}, {2, "\xef\xbb\xbfy"}});
}

TEST_CASE("lines longer than the buffer come out whole") {
  const std::string longer(1000000, 'x');

  CHECK(ReadAll("a\n" + longer + "\nb") == Lines{{1, "a"}, {2, longer}, {3, "b"}});
}

// As many bytes of 'x' as anybody reads.
class Endless : public ByteSource {
 public:
  absl::StatusOr<size_t> Read(absl::Span<uint8_t> out) override {
    std::fill(out.begin(), out.end(), 'x');
    return out.size();
  }
};

TEST_CASE("a line without end is refused at the longest accepted") {
  Endless source;
  LineReader reader(&source, "a.txt");

  const absl::StatusOr<bool> more = reader.Next();

  CHECK(absl::IsInvalidArgument(more.status()));
  CHECK_THAT(std::string(more.status().message()),
             Contains("a.txt:1: the line is longer than 67108864 bytes"));
}

TEST_CASE("errors show what is short whole, what is long cut, and nothing raw") {
  CHECK(Shown("a\x01") == "'a\\x01'");
  CHECK(Shown(std::string(100, 'a')) == "'" + std::string(40, 'a') + "...'");
}

}  // namespace
}  // namespace paceline
