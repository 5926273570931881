#include "server/coordinator/events.h"

#include <fstream>
#include <iterator>
#include <string>

#include <catch2/catch.hpp>

namespace paceline {
namespace {

const absl::Time kStart = absl::FromUnixSeconds(1000);

TEST_CASE("events are read after a sequence number, of one job or of all") {
  EventLog log(5, 10);
  log.Append(kStart, "", EventKind::kWorkerJoined, "w1", "w1 joined");
  log.Append(kStart, "a-1", EventKind::kJobStarted, "a-1", "started");
  log.Append(kStart, "b-2", EventKind::kJobStarted, "b-2", "started");

  const auto all = log.After("", 5, 100);
  REQUIRE(all.size() == 2);
  CHECK(all[0].sequence() == 6);
  CHECK(all[0].kind() == "job-started");
  CHECK(all[0].unix_s() == 1000);
  CHECK(log.After("b-2", 0, 100).size() == 1);
  CHECK(log.After("", 0, 1).at(0).sequence() == 5);
  CHECK(log.After("", 7, 100).empty());
}

TEST_CASE("only the newest events are kept") {
  EventLog log(1, 2);
  for (int i = 0; i < 5; ++i) log.Append(kStart, "", EventKind::kWorkerLeft, "w", "left");

  const auto kept = log.After("", 0, 100);

  REQUIRE(kept.size() == 2);
  CHECK(kept[0].sequence() == 4);
}

TEST_CASE("docs/events.md lists every kind of event") {
  std::ifstream file("docs/events.md");
  REQUIRE(file.good());
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};

  for (const EventKind kind : AllEventKinds()) {
    const std::string name(EventKindName(kind));
    INFO(name);
    CHECK(text.find("`" + name + "`") != std::string::npos);
  }
}

}  // namespace
}  // namespace paceline
