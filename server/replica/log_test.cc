#include "server/replica/log.h"

#include <catch2/catch.hpp>
#include <memory>

namespace paceline {
namespace {

LogEntry EntryOf(uint64_t index, size_t elements) {
  LogEntry entry;
  entry.index = index;
  entry.gradient = std::make_shared<Block>(elements);
  return entry;
}

TEST_CASE("with one replica an entry is committed as soon as it is appended") {
  LocalLog log(LocalLog::Limits{});

  CHECK(log.Append(EntryOf(1, 4)) == 1);
  CHECK(log.Append(EntryOf(2, 4)) == 2);

  CHECK(log.entries().size() == 2);
}

TEST_CASE("the oldest entries go when there are too many") {
  LocalLog log(LocalLog::Limits{2, 1 << 20});

  for (uint64_t index = 1; index <= 5; ++index) log.Append(EntryOf(index, 4));

  REQUIRE(log.entries().size() == 2);
  CHECK(log.entries().front().index == 4);
  CHECK(log.bytes() == 2 * 4 * sizeof(float));
}

TEST_CASE("the oldest entries go when their gradients are too large, the newest too") {
  LocalLog log(LocalLog::Limits{100, 64});  // Sixteen floats.

  log.Append(EntryOf(1, 8));
  log.Append(EntryOf(2, 8));
  CHECK(log.bytes() == 64);
  log.Append(EntryOf(3, 8));
  CHECK(log.entries().front().index == 2);

  log.Append(EntryOf(4, 17));
  CHECK(log.entries().empty());
  CHECK(log.bytes() == 0);
  CHECK(log.Append(EntryOf(5, 1)) == 5);
}

}  // namespace
}  // namespace paceline
