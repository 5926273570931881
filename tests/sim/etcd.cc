#include "tests/sim/etcd.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace paceline::sim {
namespace {

using Kind = ElectionCall::Kind;

// As server/election/etcd_election.cc.
constexpr absl::Duration kTimeout = absl::Seconds(1);
// What a newly elected etcd leader gives every lease; no candidate's is longer.
constexpr absl::Duration kProlonged = absl::Seconds(3);

}  // namespace

// ---- The store ----

bool Etcd::Link::IsReached() {
  if (!etcd_.Reaches(from_)) silence_ = absl::UnavailableError("store: etcd does not answer");
  return silence_.ok();
}

absl::Status Etcd::Link::Depose(absl::string_view why, bool by_another) {
  if (!deposed_.ok()) return deposed_;
  deposed_ = absl::AbortedError(absl::StrCat("store: ", why));
  on_deposed_(why, by_another);
  return deposed_;
}

absl::StatusOr<CommitResult> Etcd::Link::Commit(const Transaction& transaction) {
  if (!deposed_.ok()) return deposed_;
  const bool was_silent = !silence_.ok();
  const bool is_newest = etcd_.opened_ == number_;
  if (!IsReached()) {
    // Only the answer may have been lost.
    const bool arrives = !was_silent && is_newest && !etcd_.network_->IsCut(from_, &etcd_.node_);
    if (arrives && etcd_.random_.Chance(0.5)) {
      const auto result = etcd_.store_.Commit(transaction);
      was_written_ = result.ok() && result->committed;
    }
    return silence_;
  }
  if (!is_newest) return Depose("another has taken it over", true);
  return etcd_.store_.Commit(transaction);
}

absl::StatusOr<std::vector<Entry>> Etcd::Link::Range(absl::string_view prefix) {
  if (!deposed_.ok()) return deposed_;
  if (!IsReached()) return silence_;
  return etcd_.store_.Range(prefix);
}

void Etcd::Link::Watch() {
  if (!deposed_.ok()) return;
  silence_ = absl::OkStatus();
  if (!IsReached()) return;
  if (etcd_.opened_ != number_) {
    Depose("another has taken it over", true).IgnoreError();
  } else if (was_written_) {
    Depose("a transaction was written that was said to have failed", false).IgnoreError();
  }
}

// ---- The role ----

Etcd::Etcd(EventQueue* queue, Network* network, uint64_t seed)
    : queue_(queue), network_(network), random_(seed, "etcd"), node_("etcd", queue) {
  node_.Start();
}

bool Etcd::Reaches(const Node* from) const {
  return queue_->now() >= back_ && !network_->IsCut(from, &node_) &&
         !network_->IsCut(&node_, from);
}

void Etcd::Lose(absl::Time until) {
  queue_->Trace("etcd is away for ", absl::FormatDuration(until - queue_->now()));
  EndLeases();
  back_ = std::max(back_, until);
  for (auto& [lease, end] : leases_) end = std::max(end, back_ + kProlonged);
}

void Etcd::EndLeases() {
  for (auto it = leases_.begin(); it != leases_.end();) {
    it = it->second <= queue_->now() ? leases_.erase(it) : std::next(it);
  }
  if (holder_.has_value() && leases_.count(holder_->lease) == 0) holder_.reset();
}

Etcd::Outcome Etcd::Serve(const std::string& address, const ElectionCall& call,
                          absl::Duration ttl) {
  EndLeases();
  const bool is_known = leases_.count(call.lease) > 0;
  Outcome outcome;
  switch (call.kind) {
    case Kind::kGrant:
      outcome.lease = ++last_lease_;
      leases_[outcome.lease] = queue_->now() + ttl;
      break;
    case Kind::kRenew:
      if (!is_known) return {absl::NotFoundError("no such lease"), 0, {}};
      leases_[call.lease] = queue_->now() + ttl;
      break;
    case Kind::kClaim:
      if (!is_known) return {absl::NotFoundError("no such lease"), 0, {}};
      if (!holder_.has_value()) holder_ = ElectionHolder{address, call.lease, ++last_fence_};
      outcome.holder = holder_;
      break;
    case Kind::kRead:
      outcome.holder = holder_;
      break;
    default:
      leases_.erase(call.lease);
      EndLeases();
  }
  return outcome;
}

void Etcd::Ask(Node* from, const std::string& address, const ElectionCall& call,
               absl::Duration ttl, std::function<void(const Outcome&)> done) {
  auto serve = [this, address, call, ttl](std::shared_ptr<Network::Incoming> incoming) {
    if (queue_->now() < back_) return;
    auto outcome = std::make_shared<const Outcome>(Serve(address, call, ttl));
    incoming->answer(outcome->status, outcome);
  };
  auto finish = [done = std::move(done)](const absl::Status& status, const void* answer) {
    if (answer == nullptr) return done({status, 0, {}});
    done(*static_cast<const Outcome*>(answer));
  };
  network_->Call(from, &node_, kTimeout, std::move(serve), std::move(finish),
                 {/*is_control=*/true, /*once=*/true});
}

void Etcd::Revoke(const Node* from, int64_t lease) {
  if (!Reaches(from)) return;
  leases_.erase(lease);
  EndLeases();
}

absl::StatusOr<std::unique_ptr<Etcd::Link>> Etcd::Open(const Node* from, uint64_t fence,
                                                       Link::Deposed deposed) {
  if (!Reaches(from)) return absl::UnavailableError("store: no endpoint answers");
  EndLeases();
  if (!holder_.has_value() || holder_->fence != fence) {
    return absl::AbortedError("store: the role has gone to another");
  }
  return std::make_unique<Link>(this, from, ++opened_, std::move(deposed));
}

}  // namespace paceline::sim
