#include "server/coordinator/parked.h"

#include <catch2/catch.hpp>

namespace paceline {
namespace {

const absl::Time kStart = absl::FromUnixSeconds(1000);

ParkedCall Call(ParkedCall::Kind kind, absl::Time deadline) {
  ParkedCall call;
  call.kind = kind;
  call.deadline = deadline;
  return call;
}

TEST_CASE("parked calls come due by deadline and are found by kind until they are taken") {
  ParkedCalls parked;
  parked.Park(1, Call(ParkedCall::Kind::kEvents, kStart + absl::Seconds(3)));
  parked.Park(2, Call(ParkedCall::Kind::kLease, kStart + absl::Seconds(1)));
  parked.Park(3, Call(ParkedCall::Kind::kEvents, kStart + absl::Seconds(2)));

  CHECK(parked.Next() == kStart + absl::Seconds(1));
  CHECK(parked.Due(kStart).empty());
  CHECK(parked.Due(kStart + absl::Seconds(2)) == std::vector<uint64_t>{2, 3});
  CHECK(parked.Of(ParkedCall::Kind::kEvents) == std::vector<uint64_t>{1, 3});

  CHECK(parked.Take(2).has_value());
  CHECK_FALSE(parked.Take(2).has_value());
  CHECK(parked.Find(2) == nullptr);
  CHECK(parked.Find(3) != nullptr);
  CHECK(parked.Next() == kStart + absl::Seconds(2));
  CHECK(parked.size() == 2);
}

}  // namespace
}  // namespace paceline
