#include "client/retry.h"

#include <catch2/catch.hpp>

namespace paceline {
namespace {

TEST_CASE("delays double up to the longest and keep to the upper half") {
  Backoff backoff(RandomStream(7, "test"), {absl::Milliseconds(10), absl::Milliseconds(60)});

  for (const int full_ms : {10, 20, 40, 60, 60, 60}) {
    const absl::Duration delay = backoff.Next();
    CHECK(delay >= absl::Milliseconds(full_ms) / 2);
    CHECK(delay < absl::Milliseconds(full_ms));
  }
}

TEST_CASE("after a reset delays are short again, and differ from the first ones") {
  Backoff backoff(RandomStream(7, "test"), {absl::Milliseconds(10), absl::Seconds(1)});
  const absl::Duration first = backoff.Next();
  backoff.Next();

  backoff.Reset();

  const absl::Duration again = backoff.Next();
  CHECK(again < absl::Milliseconds(10));
  CHECK(again != first);
}

TEST_CASE("every code has the remedy that the protocol names") {
  CHECK(RemedyFor(absl::StatusCode::kOk) == Remedy::kNone);
  CHECK(RemedyFor(absl::StatusCode::kUnavailable) == Remedy::kRetry);
  CHECK(RemedyFor(absl::StatusCode::kDeadlineExceeded) == Remedy::kRetry);
  CHECK(RemedyFor(absl::StatusCode::kResourceExhausted) == Remedy::kRetry);
  CHECK(RemedyFor(absl::StatusCode::kFailedPrecondition) == Remedy::kRefresh);
  CHECK(RemedyFor(absl::StatusCode::kAborted) == Remedy::kRecompute);
  CHECK(RemedyFor(absl::StatusCode::kCancelled) == Remedy::kStop);
  CHECK(RemedyFor(absl::StatusCode::kInvalidArgument) == Remedy::kGiveUp);
  CHECK(RemedyFor(absl::StatusCode::kDataLoss) == Remedy::kGiveUp);
}

}  // namespace
}  // namespace paceline
