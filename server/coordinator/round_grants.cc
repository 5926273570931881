#include "server/coordinator/round_grants.h"

#include <algorithm>

namespace paceline {

RoundGrants::RoundGrants(uint64_t granted, uint64_t size)
    : size_(size), granted_(std::min(granted, size)) {}

void RoundGrants::OnPace(uint64_t rounds) {
  if (heard_ && rounds >= last_) pace_ = std::max(rounds - last_, pace_ / 2);
  last_ = rounds;
  heard_ = true;
}

uint64_t RoundGrants::Slack() const { return std::max(kRoundSlackMin, 4 * pace_); }

uint64_t RoundGrants::Target(uint64_t rounds) const {
  const uint64_t target = std::min(size_, rounds + Slack());
  if (target <= granted_) return granted_;
  const bool far_enough = target == size_ || target - granted_ >= Slack() / 4;
  return far_enough ? target : granted_;
}

}  // namespace paceline
