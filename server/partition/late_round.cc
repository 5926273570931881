#include "server/partition/late_round.h"

#include <algorithm>

namespace paceline {
namespace {

// Below it a helper's round trip and computation would not come earlier than what is awaited.
constexpr absl::Duration kPatienceMin = absl::Milliseconds(20);

}  // namespace

void LateRound::Open(absl::Time now) {
  Close();
  opened_ = now;
}

void LateRound::HalfArrived(absl::Time now) {
  if (half_arrived_) return;
  half_arrived_ = true;
  // A partition that has just got this primary has opened no round.
  patience_ = opened_ < now ? (now - opened_) / 2 : absl::ZeroDuration();
  patience_ = std::max(patience_, kPatienceMin);
  next_ = now + patience_;
}

void LateRound::Close() {
  opened_ = next_ = absl::InfiniteFuture();
  half_arrived_ = false;
  wanted_ = 0;
}

bool LateRound::OnTick(absl::Time now, uint64_t missing) {
  if (now < next_) return false;
  wanted_ = missing;
  next_ = now + patience_;
  patience_ *= 2;
  return true;
}

}  // namespace paceline
