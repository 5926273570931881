#include "server/service/pending_calls.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <thread>
#include <vector>

namespace paceline {
namespace {

TEST_CASE("each call is taken once, by its number") {
  PendingCalls<int> calls;
  int first = 0;
  int second = 0;

  CHECK(calls.Add(&first) == 1);
  CHECK(calls.Add(&second) == 2);

  CHECK(calls.Take(2) == &second);
  CHECK(calls.Take(2) == nullptr);
  CHECK(calls.Take(3) == nullptr);
  CHECK(calls.Take(1) == &first);
}

TEST_CASE("after a stop nothing is added and what is left can be taken") {
  PendingCalls<int> calls;
  int call = 0;
  calls.Add(&call);

  CHECK(calls.Stop() == std::vector<uint64_t>{1});

  CHECK(calls.Add(&call) == 0);
  CHECK(calls.Take(1) == &call);
  CHECK(calls.Stop().empty());
}

TEST_CASE("of many threads that want a call, one gets it") {
  PendingCalls<int> calls;
  int call = 0;
  for (int i = 0; i < 1000; ++i) calls.Add(&call);
  std::atomic<int> taken{0};

  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (uint64_t number = 1; number <= 1000; ++number) taken += calls.Take(number) != nullptr;
    });
  }
  for (std::thread& thread : threads) thread.join();

  CHECK(taken == 1000);
}

}  // namespace
}  // namespace paceline
