#include "server/partition/late_round.h"

#include <catch2/catch.hpp>

namespace paceline {
namespace {

constexpr absl::Time kOpened = absl::UnixEpoch();

absl::Time At(int ms) { return kOpened + absl::Milliseconds(ms); }

TEST_CASE("a round is late when it lasts half as long again as half of its data shards took") {
  LateRound late;
  late.Open(kOpened);
  CHECK(late.next() == absl::InfiniteFuture());
  late.HalfArrived(At(100));
  late.HalfArrived(At(130));  // So have more.

  CHECK(late.next() == At(150));
  CHECK_FALSE(late.OnTick(At(149), 2));
  CHECK_FALSE(late.wants_help());
  CHECK(late.OnTick(At(150), 2));
  CHECK(late.wants_help());
}

TEST_CASE("as many offers are taken as data shards are missing, and more as time goes on") {
  LateRound late;
  late.Open(kOpened);
  late.HalfArrived(At(100));
  late.OnTick(At(150), 2);

  late.Helped();
  CHECK(late.wants_help());
  late.Helped();
  CHECK_FALSE(late.wants_help());

  CHECK(late.next() == At(200));
  CHECK(late.OnTick(At(200), 1));
  late.Helped();
  CHECK_FALSE(late.wants_help());
  CHECK(late.next() == At(300));
}

TEST_CASE("a quick round gets 20 ms, and so does the first one after a change of primary") {
  LateRound late;
  late.Open(kOpened);
  late.HalfArrived(At(2));
  CHECK(late.next() == At(22));

  LateRound fresh;
  fresh.HalfArrived(At(500));
  CHECK(fresh.next() == At(520));
}

TEST_CASE("a round that is over is not late, nor is the next one at once") {
  LateRound late;
  late.Open(kOpened);
  late.HalfArrived(At(100));
  late.OnTick(At(150), 3);

  late.Close();
  CHECK_FALSE(late.wants_help());
  CHECK(late.next() == absl::InfiniteFuture());
  late.Open(At(160));
  CHECK_FALSE(late.OnTick(At(400), 3));
}

}  // namespace
}  // namespace paceline
