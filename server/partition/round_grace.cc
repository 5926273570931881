#include "server/partition/round_grace.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "common/base/median.h"

namespace paceline {
namespace {

constexpr size_t kRoundsKept = 64;

// With less to go by nobody is called late who is a second behind at most.
constexpr size_t kArrivalsMin = 8;
constexpr absl::Duration kGraceUnknown = absl::Seconds(1);

// Threads and networks keep no better time.
constexpr absl::Duration kSpreadMin = absl::Milliseconds(1);

}  // namespace

void RoundGrace::Arrived(absl::Time now, uint64_t round, uint64_t leaves) {
  if (rounds_.empty() || round > rounds_.back().version) {
    end_ = next_ = now + Length();
    rounds_.push_back({round, now, {}});
    if (rounds_.size() > kRoundsKept) rounds_.pop_front();
  }
  const auto known = std::lower_bound(
      rounds_.begin(), rounds_.end(), round,
      [](const Round& before, uint64_t version) { return before.version < version; });
  if (known == rounds_.end() || known->version != round || known->after.size() >= leaves) return;
  known->after.push_back(now - known->first);
}

absl::Duration RoundGrace::Length() const {
  std::vector<absl::Duration> all;
  for (const Round& round : rounds_) all.insert(all.end(), round.after.begin(), round.after.end());
  if (all.size() < kArrivalsMin) return kGraceUnknown;
  const absl::Duration median = Median(all);
  for (absl::Duration& one : all) one = absl::AbsDuration(one - median);
  return median + factor_ * std::max(Median(std::move(all)), kSpreadMin);
}

void RoundGrace::Close() { end_ = next_ = absl::InfiniteFuture(); }

bool RoundGrace::OnTick(absl::Time now) {
  if (now < next_) return false;
  next_ = absl::InfiniteFuture();
  return true;
}

}  // namespace paceline
