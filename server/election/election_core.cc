#include "server/election/election_core.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace paceline {

using Kind = ElectionCall::Kind;

ElectionCall ElectionCore::Begin(Kind kind, int64_t lease) {
  in_flight_ = true;
  return {kind, lease};
}

bool ElectionCore::MayClaim(absl::Time now) const {
  if (has_role_) return !has_key_;
  return options_.is_candidate && is_absent_ && now >= abstains_until_;
}

ElectionCall ElectionCore::Next(absl::Time now) {
  if (in_flight_ || now < due_) return {};
  if (discarded_ != 0) return Begin(Kind::kRevoke, std::exchange(discarded_, 0));
  if (has_key_) return Begin(Kind::kRenew, lease_);
  if (!MayClaim(now)) return Begin(Kind::kRead, 0);
  if (lease_ == 0) return Begin(Kind::kGrant, 0);
  return Begin(Kind::kClaim, lease_);
}

void ElectionCore::OnGranted(absl::Time now, const absl::StatusOr<int64_t>& lease) {
  in_flight_ = false;
  due_ = lease.ok() ? now : now + options_.poll;
  if (lease.ok()) lease_ = *lease;
}

void ElectionCore::OnRenewed(absl::Time now, const absl::Status& status) {
  in_flight_ = false;
  due_ = now + (status.ok() ? options_.ttl / 3 : options_.poll);
  // Resigned meanwhile.
  if (!has_key_) {
    due_ = now;
    return;
  }
  if (status.code() != absl::StatusCode::kNotFound) return;
  // The key has gone with the lease, and another may have created it since.
  lease_ = 0;
  has_key_ = false;
  due_ = now;
}

void ElectionCore::OnHolder(absl::Time now,
                            const absl::StatusOr<absl::optional<ElectionHolder>>& holder) {
  in_flight_ = false;
  due_ = now + options_.poll;
  if (!holder.ok()) {
    is_absent_ = false;  // Not known any more.
    if (holder.status().code() != absl::StatusCode::kNotFound) return;
    // The lease to claim with had ended.
    lease_ = 0;
    due_ = now;
    return;
  }
  is_absent_ = !holder->has_value();
  if (is_absent_) {
    if (MayClaim(now)) due_ = now;
    return;
  }
  if (lease_ != 0 && (*holder)->lease == lease_) return Win(now, **holder);
  Follow(now, **holder);
}

void ElectionCore::OnRevoked(absl::Time now) {
  in_flight_ = false;
  due_ = now;
}

void ElectionCore::Win(absl::Time now, const ElectionHolder& holder) {
  has_key_ = true;
  is_absent_ = false;
  due_ = now + options_.ttl / 3;
  Move(options_.address);
  if (std::exchange(has_role_, true)) return;
  news_.push_back({ElectionNews::Kind::kElected, holder.fence, ""});
}

void ElectionCore::Follow(absl::Time now, const ElectionHolder& holder) {
  if (has_role_) Lose(absl::StrCat(holder.address, " is the coordinator"));
  Move(holder.address);
  if (lease_ == 0) return;
  discarded_ = std::exchange(lease_, 0);
  due_ = now;
}

void ElectionCore::Lose(std::string why) {
  has_role_ = false;
  has_key_ = false;
  news_.push_back({ElectionNews::Kind::kLost, 0, std::move(why)});
}

void ElectionCore::Move(const std::string& address) {
  if (coordinator_ == address) return;
  coordinator_ = address;
  news_.push_back({ElectionNews::Kind::kMoved, 0, address});
}

void ElectionCore::Resign(absl::Time now, absl::string_view why) {
  if (!has_role_) return;
  BeginAnew(now, why);
  abstains_until_ = now + options_.abstain;
}

void ElectionCore::BeginAnew(absl::Time now, absl::string_view why) {
  if (!has_role_) return;
  Lose(std::string(why));
  discarded_ = std::exchange(lease_, 0);
  due_ = now;
}

std::vector<ElectionNews> ElectionCore::TakeNews() { return std::exchange(news_, {}); }

}  // namespace paceline
