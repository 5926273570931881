#include "worker/loop/lease_book.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "common/base/check.h"

namespace paceline {
namespace {

constexpr size_t kRunsInHand = 2;
constexpr size_t kCompletedKept = 4096;

}  // namespace

LeaseBook::LeaseBook(LeaseBookOptions options, Backoff backoff)
    : options_(options), backoff_(std::move(backoff)) {}

void LeaseBook::Begin(absl::Time now, uint32_t segment, uint64_t runs, bool may_lose) {
  if (segment != segment_ || runs != runs_) {
    held_.clear();
    completed_.clear();
    start_clock_ = 0;
    runs_per_clock_ = 1;
  }
  segment_ = segment;
  runs_ = runs;
  may_lose_ = may_lose;
  ask_at_ = now;
  failed_ = false;
}

bool LeaseBook::Wants() const { return !open_.has_value() && held_.size() < kRunsInHand; }

std::optional<LeaseCall> LeaseBook::Ask(absl::Time now) {
  if (!Wants() || now < ask_at_) return std::nullopt;
  LeaseCall call;
  call.id = next_id_++;
  call.segment = segment_;
  call.want = static_cast<uint32_t>(kRunsInHand - held_.size());
  open_ = call;
  return call;
}

void LeaseBook::OnReply(absl::Time now, uint64_t id, const v1::LeaseReply& reply) {
  if (!open_.has_value() || open_->id != id) return;
  const LeaseCall asked = *std::exchange(open_, std::nullopt);
  failed_ = false;
  backoff_.Reset();
  ask_at_ = now;
  if (asked.segment != segment_) return;

  start_clock_ = std::max(start_clock_, reply.start_clock());
  runs_per_clock_ = std::max<uint32_t>(1, reply.runs_per_clock());
  bool brought = false;
  for (const uint64_t run : reply.runs()) {
    const bool known = run >= runs_ || completed_.count(run) > 0 ||
                       std::find(held_.begin(), held_.end(), run) != held_.end();
    if (known) continue;
    held_.push_back(run);
    brought = true;
  }
  if (!brought) ask_at_ = now + (reply.none_left() ? options_.poll : options_.retry);
}

void LeaseBook::OnFailure(absl::Time now, uint64_t id) {
  if (!open_.has_value() || open_->id != id) return;
  const LeaseCall asked = *std::exchange(open_, std::nullopt);
  failed_ = asked.segment == segment_;
  ask_at_ = failed_ ? now + backoff_.Next() : now;
}

void LeaseBook::OnNews(absl::Time now) {
  if (!failed_) return;
  failed_ = false;
  ask_at_ = std::min(ask_at_, now);
}

absl::Time LeaseBook::NextAsk() const { return Wants() ? ask_at_ : absl::InfiniteFuture(); }

void LeaseBook::CompleteFront() {
  PACELINE_CHECK(!held_.empty());
  if (!may_lose_) completed_.insert(held_.front());
  held_.pop_front();
  if (completed_.size() > kCompletedKept) completed_.erase(completed_.begin());
}

}  // namespace paceline
