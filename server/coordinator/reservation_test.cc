#include "server/coordinator/reservation.h"

#include <catch2/catch.hpp>

namespace paceline {
namespace {

constexpr uint64_t kSize = 1'000'000;

absl::Time At(double seconds) { return absl::UnixEpoch() + absl::Seconds(seconds); }

TEST_CASE("before there is a pace sixty-four are reserved ahead, and a quarter more") {
  Reservation reservation;
  reservation.OnGrant(At(0), 16);

  CHECK(reservation.Next(16, 0, kSize) == 16 + 64 + 16);
  CHECK_FALSE(reservation.Next(16, 96, kSize).has_value());
  // With less than 64 ahead it is time.
  CHECK(reservation.Next(33, 96, kSize) == 33 + 64 + 16);
}

TEST_CASE("at least a minute at the present pace is always reserved") {
  Reservation reservation;
  uint64_t reserved = 0;
  int writes = 0;
  // 100 a second, for two minutes.
  for (int i = 0; i <= 1200; ++i) {
    const uint64_t granted = 10 * static_cast<uint64_t>(i);
    reservation.OnGrant(At(i * 0.1), granted);
    if (const auto next = reservation.Next(granted, reserved, kSize)) {
      reserved = *next;
      ++writes;
    }
    if (i > 10) CHECK(reserved >= granted + 6000);
    CHECK(reserved <= granted + 7500);
  }
  // The first few while the pace becomes known, then each 15 s.
  CHECK(writes <= 20);
}

TEST_CASE("a burst at the beginning is no pace") {
  Reservation reservation;
  reservation.OnGrant(At(0), 16);
  reservation.OnGrant(At(0.01), 20);

  // 4 within the second: 240 ahead.
  CHECK(reservation.Next(20, 0, kSize) == 20 + 240 + 60);
}

TEST_CASE("a pace that falls is believed by halves") {
  Reservation reservation;
  reservation.OnGrant(At(0), 0);
  reservation.OnGrant(At(1), 100);
  reservation.OnGrant(At(2), 100);

  CHECK(reservation.Next(100, 0, kSize) == 100 + 3000 + 750);
}

TEST_CASE("no more is reserved than there is") {
  Reservation reservation;
  reservation.OnGrant(At(0), 16);

  CHECK(reservation.Next(16, 0, 50) == 50);
  CHECK_FALSE(reservation.Next(16, 50, 50).has_value());
}

}  // namespace
}  // namespace paceline
