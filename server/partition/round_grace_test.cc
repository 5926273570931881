#include "server/partition/round_grace.h"

#include <catch2/catch.hpp>

namespace paceline {
namespace {

constexpr uint64_t kLeaves = 8;

absl::Time At(int ms) { return absl::UnixEpoch() + absl::Milliseconds(ms); }

// Rounds 0, 1, ... a second apart, of which pushes arrive 0, 10, 20 and `last` ms after the first.
void Rounds(int count, int last, RoundGrace* grace) {
  for (int round = 0; round < count; ++round) {
    for (const int after : {0, 10, 20, last}) {
      grace->Arrived(At(1000 * round + after), static_cast<uint64_t>(round), kLeaves);
    }
    grace->Close();
  }
}

absl::Duration LengthAfter(int rounds, RoundGrace* grace) {
  grace->Arrived(At(1000 * rounds), static_cast<uint64_t>(rounds), kLeaves);
  return grace->end() - At(1000 * rounds);
}

TEST_CASE("the grace is the median plus so many MADs of what arrived behind the first") {
  // 0, 10, 20, 30: the median is 15, and half of them are within 10 of it.
  RoundGrace three(3);
  Rounds(4, 30, &three);
  CHECK(LengthAfter(4, &three) == absl::Milliseconds(45));

  RoundGrace none(0);
  Rounds(4, 30, &none);
  CHECK(LengthAfter(4, &none) == absl::Milliseconds(15));
}

TEST_CASE("one that is far behind moves the grace little, also if it came after its round") {
  RoundGrace grace(3);
  Rounds(4, 900, &grace);
  CHECK(LengthAfter(4, &grace) == absl::Milliseconds(45));

  RoundGrace late(3);
  for (int round = 0; round < 4; ++round) {
    for (const int after : {0, 10, 20}) {
      late.Arrived(At(1000 * round + after), static_cast<uint64_t>(round), kLeaves);
    }
    late.Close();
    if (round > 0) late.Arrived(At(1000 * round + 30), static_cast<uint64_t>(round) - 1, kLeaves);
  }
  // 0, 10, 20 four times and 1030 three times.
  CHECK(LengthAfter(4, &late) == absl::Milliseconds(40));
}

TEST_CASE("with fewer than eight arrivals to go by the grace is a second") {
  RoundGrace grace(3);
  CHECK(LengthAfter(0, &grace) == absl::Seconds(1));
  grace.Close();
  for (int i = 1; i < 7; ++i) grace.Arrived(At(i), 0, kLeaves);
  CHECK(LengthAfter(1, &grace) == absl::Seconds(1));
}

TEST_CASE("where all arrive at once a spread of 1 ms is assumed") {
  RoundGrace grace(3);
  Rounds(1, 0, &grace);
  for (int i = 0; i < 8; ++i) grace.Arrived(At(1000), 1, kLeaves);
  for (int i = 0; i < 8; ++i) grace.Arrived(At(2000), 2, kLeaves);
  CHECK(LengthAfter(3, &grace) == absl::Milliseconds(3));
}

TEST_CASE("it begins with a round's first push, is told once, and ends with the round") {
  RoundGrace grace(3);
  CHECK(grace.next() == absl::InfiniteFuture());
  CHECK_FALSE(grace.IsOver(At(5)));
  grace.Arrived(At(5), 0, kLeaves);
  CHECK(grace.next() == At(1005));
  grace.Arrived(At(7), 0, kLeaves);
  CHECK(grace.end() == At(1005));

  CHECK_FALSE(grace.OnTick(At(1004)));
  CHECK_FALSE(grace.IsOver(At(1004)));
  CHECK(grace.OnTick(At(1005)));
  CHECK(grace.IsOver(At(1005)));
  CHECK_FALSE(grace.OnTick(At(1006)));
  CHECK(grace.next() == absl::InfiniteFuture());

  grace.Close();
  CHECK_FALSE(grace.IsOver(At(2000)));
}

TEST_CASE("what is forgotten or repeated without end changes nothing") {
  RoundGrace grace(3);
  Rounds(70, 30, &grace);
  for (int i = 0; i < 1000; ++i) {
    grace.Arrived(At(90000), 0, kLeaves);   // Of a round that is forgotten.
    grace.Arrived(At(90000), 69, kLeaves);  // As many as it has data shards.
  }
  // 63 rounds of 0, 10, 20, 30, and one with four more.
  CHECK(grace.end() == absl::InfiniteFuture());
  CHECK(LengthAfter(100, &grace) < absl::Milliseconds(60));
}

}  // namespace
}  // namespace paceline
