#include "tests/sim/network.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

namespace paceline::sim {
namespace {

// A caller, a server that answers 7 to everything, and what becomes of calls.
struct Pair {
  explicit Pair(LinkFaults faults = {})
      : queue(1, false), network(&queue, 1), caller("a", &queue), server("b", &queue) {
    network.SetFaults({faults, faults, faults});
    caller.Start();
    server.Start();
  }

  uint64_t Call(absl::Duration timeout = absl::Seconds(1)) {
    return network.Call(
        &caller, &server, timeout,
        [this](std::shared_ptr<Network::Incoming> call) {
          ++arrived;
          call->on_cancel = [this] { ++cancelled; };
          if (answers) return call->answer(absl::OkStatus(), std::make_shared<const int>(7));
          kept.push_back(call);
        },
        [this](const absl::Status& status, const void* answer) {
          ends.push_back(status.code());
          if (answer != nullptr) seen = *static_cast<const int*>(answer);
        });
  }
  void RunAll() {
    while (queue.RunNext()) {
    }
  }

  EventQueue queue;
  Network network;
  Node caller;
  Node server;
  bool answers = true;
  int arrived = 0;
  int cancelled = 0;
  int seen = 0;
  std::vector<absl::StatusCode> ends;
  std::vector<std::shared_ptr<Network::Incoming>> kept;
};

using Codes = std::vector<absl::StatusCode>;

TEST_CASE("a call on a good link arrives once and ends once") {
  Pair pair;
  pair.Call();
  pair.RunAll();

  CHECK(pair.arrived == 1);
  CHECK(pair.seen == 7);
  CHECK(pair.ends == Codes{absl::StatusCode::kOk});
}

TEST_CASE("a duplicated request arrives twice and is answered once") {
  LinkFaults faults;
  faults.duplicate = 1;
  Pair pair(faults);
  pair.Call();
  pair.RunAll();

  CHECK(pair.arrived == 2);
  CHECK(pair.ends == Codes{absl::StatusCode::kOk});
}

TEST_CASE("a lost message ends at the deadline, a broken connection before it") {
  LinkFaults faults;
  faults.lose = 1;
  Pair lost(faults);
  lost.Call();
  lost.RunAll();
  CHECK(lost.ends == Codes{absl::StatusCode::kDeadlineExceeded});
  CHECK(lost.queue.elapsed() == absl::Seconds(1));

  faults.lose = 0;
  faults.reset = 1;
  Pair broken(faults);
  broken.Call();
  broken.RunAll();
  CHECK(broken.ends == Codes{absl::StatusCode::kUnavailable});
}

TEST_CASE("a server that dies ends its calls, and a caller that dies has its calls cancelled") {
  Pair pair;
  pair.answers = false;
  pair.Call();
  while (pair.arrived == 0) pair.queue.RunNext();

  SECTION("the server") {
    pair.server.Kill();
    pair.network.OnKilled(&pair.server);
    pair.RunAll();
    CHECK(pair.ends == Codes{absl::StatusCode::kUnavailable});
    CHECK(pair.cancelled == 0);
  }
  SECTION("the caller") {
    pair.caller.Kill();
    pair.network.OnKilled(&pair.caller);
    pair.RunAll();
    CHECK(pair.ends.empty());
    CHECK(pair.cancelled == 1);
  }
}

TEST_CASE("a link is cut in one direction") {
  Pair pair;
  const absl::Time until = pair.queue.start() + absl::Milliseconds(100);
  SECTION("requests are lost") {
    pair.network.Cut(&pair.caller, &pair.server, until);
    pair.Call();
    pair.RunAll();
    CHECK(pair.arrived == 0);
  }
  SECTION("answers are lost") {
    pair.network.Cut(&pair.server, &pair.caller, until);
    pair.Call();
    pair.RunAll();
    CHECK(pair.arrived == 1);
  }
  CHECK(pair.ends == Codes{absl::StatusCode::kDeadlineExceeded});
  pair.Call();
  pair.RunAll();
  CHECK(pair.seen == 7);
}

TEST_CASE("a machine's clock goes forward at a pace of its own") {
  EventQueue queue(7, false, {absl::Minutes(3), 0.02});
  Node node("n", &queue);
  node.Start();
  const absl::Time begin = node.clock();
  absl::Time seen;
  node.AtClock(begin + absl::Seconds(10), [&] { seen = node.clock(); });
  REQUIRE(queue.RunNext());

  CHECK(seen >= begin + absl::Seconds(10));
  CHECK(seen < begin + absl::Seconds(10) + absl::Microseconds(1));
  CHECK(queue.elapsed() != absl::Seconds(10));
  CHECK(absl::AbsDuration(queue.elapsed() - absl::Seconds(10)) <= absl::Milliseconds(210));
}

TEST_CASE("a paused process does everything late and in order") {
  Pair pair;
  std::vector<int> done;
  for (int i = 0; i < 3; ++i) {
    pair.server.After(absl::Milliseconds(10 * (i + 1)), [&done, i] { done.push_back(i); });
  }
  pair.server.Pause(pair.queue.now() + absl::Milliseconds(25));
  while (pair.queue.elapsed() < absl::Milliseconds(25)) {
    CHECK(done.empty());
    REQUIRE(pair.queue.RunNext());
  }
  pair.RunAll();

  CHECK(done == std::vector<int>{0, 1, 2});
}

}  // namespace
}  // namespace paceline::sim
