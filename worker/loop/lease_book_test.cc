#include "worker/loop/lease_book.h"

#include <catch2/catch.hpp>
#include <initializer_list>

namespace paceline {
namespace {

const absl::Time kStart = absl::UnixEpoch();

LeaseBook MakeBook() {
  LeaseBook book({absl::Milliseconds(50), absl::Milliseconds(500)},
                 Backoff(RandomStream(1, "test"), {absl::Milliseconds(10), absl::Seconds(1)}));
  book.Begin(kStart, 3, 100);
  return book;
}

v1::LeaseReply Runs(std::initializer_list<uint64_t> runs, bool none_left = false) {
  v1::LeaseReply reply;
  for (const uint64_t run : runs) reply.add_runs(run);
  reply.set_none_left(none_left);
  return reply;
}

TEST_CASE("two runs are asked for, and one more when one is done") {
  LeaseBook book = MakeBook();
  const std::optional<LeaseCall> first = book.Ask(kStart);
  REQUIRE(first.has_value());
  CHECK(first->segment == 3);
  CHECK(first->want == 2);
  CHECK_FALSE(book.Ask(kStart).has_value());
  CHECK(book.NextAsk() == absl::InfiniteFuture());

  book.OnReply(kStart, first->id, Runs({4, 5}));
  CHECK_FALSE(book.Ask(kStart).has_value());
  CHECK(book.front() == 4);
  book.CompleteFront();

  CHECK(book.front() == 5);
  const std::optional<LeaseCall> second = book.Ask(kStart);
  REQUIRE(second.has_value());
  CHECK(second->want == 1);
}

TEST_CASE("runs that are held, completed or beyond the plan are passed over") {
  LeaseBook book = MakeBook();
  book.OnReply(kStart, book.Ask(kStart)->id, Runs({1, 2}));
  book.CompleteFront();

  book.OnReply(kStart, book.Ask(kStart)->id, Runs({1, 2, 100}));

  CHECK_FALSE(book.Ask(kStart).has_value());
  CHECK(book.NextAsk() == kStart + absl::Milliseconds(50));
  book.CompleteFront();
  CHECK(book.empty());
}

TEST_CASE("the last answer says how many runs a clock holds, until the segment is another") {
  LeaseBook book = MakeBook();
  CHECK(book.runs_per_clock() == 1);
  v1::LeaseReply reply = Runs({1, 2});
  reply.set_runs_per_clock(5);
  book.OnReply(kStart, book.Ask(kStart)->id, reply);
  CHECK(book.runs_per_clock() == 5);
  CHECK(book.has_next());
  book.CompleteFront();
  CHECK_FALSE(book.has_next());

  book.Begin(kStart, 4, 100);

  CHECK(book.runs_per_clock() == 1);
}

TEST_CASE("an empty answer is followed by a pause, a longer one when none are left") {
  LeaseBook book = MakeBook();
  book.OnReply(kStart, book.Ask(kStart)->id, Runs({}));
  CHECK(book.NextAsk() == kStart + absl::Milliseconds(50));
  const absl::Time later = kStart + absl::Milliseconds(50);

  book.OnReply(later, book.Ask(later)->id, Runs({}, true));

  CHECK(book.NextAsk() == later + absl::Milliseconds(500));
}

TEST_CASE("a failed question is asked again later, or at the next news") {
  LeaseBook book = MakeBook();
  book.OnFailure(kStart, book.Ask(kStart)->id);
  CHECK_FALSE(book.Ask(kStart).has_value());
  CHECK(book.NextAsk() > kStart);
  CHECK(book.NextAsk() <= kStart + absl::Milliseconds(10));

  book.OnNews(kStart);

  CHECK(book.Ask(kStart).has_value());
}

TEST_CASE("an answer of an earlier segment brings nothing and frees the way") {
  LeaseBook book = MakeBook();
  const uint64_t old = book.Ask(kStart)->id;
  book.Begin(kStart, 4, 10);
  CHECK_FALSE(book.Ask(kStart).has_value());

  v1::LeaseReply reply = Runs({0, 1});
  reply.set_start_clock(9);
  book.OnReply(kStart, old, reply);

  CHECK(book.empty());
  CHECK(book.start_clock() == 0);
  const std::optional<LeaseCall> next = book.Ask(kStart);
  REQUIRE(next.has_value());
  CHECK(next->segment == 4);
  book.OnReply(kStart, old, reply);
  CHECK(book.empty());
}

TEST_CASE("where acknowledged work may be lost, a completed run is taken again") {
  LeaseBook book = MakeBook();
  book.Begin(kStart, 4, 100, /*may_lose=*/true);
  book.OnReply(kStart, book.Ask(kStart)->id, Runs({1, 2}));
  book.CompleteFront();

  book.OnReply(kStart, book.Ask(kStart)->id, Runs({1}));

  CHECK(book.front() == 2);
  book.CompleteFront();
  CHECK(book.front() == 1);
}

}  // namespace
}  // namespace paceline
