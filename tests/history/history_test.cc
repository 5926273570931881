#include "tests/history/history.h"

#include <catch2/catch.hpp>

namespace paceline::history {
namespace {

absl::Time At(int ms) { return absl::UnixEpoch() + absl::Milliseconds(ms); }

Operation Begin(uint32_t client, uint64_t push, int at) {
  Operation begin;
  begin.client = client;
  begin.push = push;
  begin.begin = begin.end = At(at);
  return begin;
}

Operation Acknowledge(uint32_t client, uint64_t push, Answerer answerer, int from, int to) {
  Operation acknowledge = Begin(client, push, from);
  acknowledge.kind = Operation::kAcknowledge;
  acknowledge.end = At(to);
  acknowledge.answerer = answerer;
  return acknowledge;
}

Operation Read(std::map<uint32_t, uint64_t> seen, Answerer answerer, int from, int to) {
  Operation read;
  read.kind = Operation::kRead;
  read.begin = At(from);
  read.end = At(to);
  read.seen = Pushes(std::move(seen));
  read.answerer = answerer;
  return read;
}

// Two clients, a change of primary between version 2 and 3.
Answerer First(uint64_t version) { return {"a", 0, 1, version}; }
Answerer Second(uint64_t version) { return {"b", 0, 2, version}; }

std::vector<Operation> Sound() {
  return {
      Read({}, First(0), 0, 1),
      Begin(1, 0, 2),
      Acknowledge(1, 0, First(1), 2, 5),
      Begin(2, 0, 3),
      Acknowledge(2, 0, First(2), 3, 6),
      Read({{1, 1}, {2, 1}}, First(2), 7, 8),
      Begin(1, 1, 9),
      Acknowledge(1, 1, Second(3), 9, 20),
      Read({{1, 2}, {2, 1}}, Second(3), 21, 22),
  };
}

// The one thing that is wrong with Sound() and `more`.
std::string Broken(const Operation& more) {
  std::vector<Operation> history = Sound();
  history.push_back(more);
  const std::vector<std::string> broken = Check(history);
  REQUIRE(broken.size() == 1);
  return broken[0];
}

TEST_CASE("a sound history is found sound, and so is a read beside a push") {
  CHECK(Check(Sound()).empty());
  std::vector<Operation> history = Sound();
  // It may hold the push that is acknowledged meanwhile, or not.
  history.push_back(Read({{1, 1}, {2, 1}}, First(2), 10, 19));
  history.push_back(Read({{1, 2}, {2, 1}}, Second(3), 10, 19));
  CHECK(Check(history).empty());
}

TEST_CASE("a push acknowledged and then missing is found") {
  std::vector<Operation> history = Sound();
  history.push_back(Begin(2, 1, 23));
  history.push_back(Acknowledge(2, 1, Second(4), 23, 24));
  history.push_back(Read({{1, 2}, {2, 1}}, Second(3), 25, 26));
  const std::vector<std::string> broken = Check(history);
  REQUIRE(broken.size() == 1);
  CHECK(broken[0].find("acknowledged are {1: 2, 2: 2}") != std::string::npos);
}

TEST_CASE("a push that counts twice is found") {
  const std::string twice = Broken(Acknowledge(1, 1, Second(4), 21, 23));
  CHECK(twice.find("applied before") != std::string::npos);
  // In the parameters: four pushes' worth at version 4, of which the clients made three.
  std::vector<Operation> history = Sound();
  history.push_back(Begin(2, 1, 23));
  history.push_back(Read({{1, 2}, {2, 2}}, Second(5), 30, 31));
  const std::vector<std::string> broken = Check(history);
  REQUIRE(broken.size() == 1);
  CHECK(broken[0].find("holds 4 pushes") != std::string::npos);
}

TEST_CASE("a push that nobody has made is found") {
  CHECK(Broken(Read({{1, 3}, {2, 1}}, Second(4), 30, 31)).find("nobody had made") !=
        std::string::npos);
}

TEST_CASE("a read from a deposed primary is found") {
  std::vector<Operation> history = Sound();
  history.push_back(Read({{1, 1}, {2, 1}}, First(2), 23, 24));
  const std::vector<std::string> broken = Check(history);
  REQUIRE(broken.size() == 1);
  CHECK(broken[0].find("after the primary of term 2") != std::string::npos);
}

TEST_CASE("two primaries of one term are found") {
  CHECK(Broken(Read({{1, 2}, {2, 1}}, {"c", 0, 2, 3}, 30, 31)).find("two primaries of term 2") !=
        std::string::npos);
}

TEST_CASE("two contents of one version are found") {
  std::vector<Operation> history = Sound();
  history.push_back(Begin(2, 1, 9));
  history.push_back(Read({{1, 1}, {2, 2}}, Second(3), 10, 19));
  const std::vector<std::string> broken = Check(history);
  REQUIRE_FALSE(broken.empty());
  CHECK(broken[0].find("at version 3 there were") != std::string::npos);
}

TEST_CASE("a version older than one that was seen is found") {
  std::vector<Operation> history = Sound();
  history.push_back(Read({{1, 1}, {2, 1}}, Second(2), 23, 24));
  const std::vector<std::string> broken = Check(history);
  REQUIRE(broken.size() == 1);
  CHECK(broken[0].find("after version 3 had been seen") != std::string::npos);
}

TEST_CASE("partitions are judged apart") {
  std::vector<Operation> history = Sound();
  history.push_back(Read({{1, 1}, {2, 1}}, {"a", 1, 1, 2}, 30, 31));
  CHECK(Check(history).empty());
}

}  // namespace
}  // namespace paceline::history
