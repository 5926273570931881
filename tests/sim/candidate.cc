#include "tests/sim/candidate.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "server/coordinator/coordinator.h"

namespace paceline::sim {
namespace {

// Of opening the store and reading all of it.
constexpr absl::Duration kOpenMax = absl::Milliseconds(300);
// As server/store/etcd_store.cc.
constexpr absl::Duration kWatchInterval = absl::Milliseconds(250);

}  // namespace

Candidate::Candidate(std::string server, ControlHost* host, EventQueue* queue, Etcd* etcd,
                     Oracle* oracle, uint64_t seed, std::function<void()> moved)
    : server_(std::move(server)),
      host_(host),
      node_(host->node()),
      queue_(queue),
      etcd_(etcd),
      oracle_(oracle),
      random_(seed, absl::StrCat("candidate/", server_)),
      moved_(std::move(moved)) {
  host->SetLocator([this] { return coordinator(); });
}

void Candidate::Start() {
  ElectionOptions options;
  options.address = host_->address();
  core_ = std::make_unique<ElectionCore>(options);
  Go();
}

void Candidate::Die() {
  host_->Die();
  store_.reset();
  core_.reset();
  news_.clear();
  is_opening_ = false;
  is_asking_ = false;
  armed_ = absl::InfiniteFuture();
}

void Candidate::Leave() {
  if (core_->lease() != 0) etcd_->Revoke(node_, core_->lease());
}

// Makes the next call, or waits until one is due.
void Candidate::Go() {
  for (ElectionNews& news : core_->TakeNews()) news_.push_back(std::move(news));
  TellNews();
  if (is_asking_) return;
  const ElectionCall call = core_->Next(node_->clock());
  if (call.kind != ElectionCall::Kind::kNone) {
    is_asking_ = true;
    return etcd_->Ask(node_, host_->address(), call, ElectionOptions().ttl,
                      [this, call](const Etcd::Outcome& outcome) { OnOutcome(call, outcome); });
  }
  const absl::Time due = core_->due();
  if (due >= armed_) return;
  armed_ = due;
  node_->AtClock(due, [this, due] {
    if (armed_ != due) return;
    armed_ = absl::InfiniteFuture();
    Go();
  });
}

void Candidate::OnOutcome(const ElectionCall& call, const Etcd::Outcome& outcome) {
  const absl::Time now = node_->clock();
  is_asking_ = false;
  switch (call.kind) {
    case ElectionCall::Kind::kGrant:
      if (outcome.status.ok()) {
        core_->OnGranted(now, outcome.lease);
      } else {
        core_->OnGranted(now, outcome.status);
      }
      break;
    case ElectionCall::Kind::kRenew:
      core_->OnRenewed(now, outcome.status);
      break;
    case ElectionCall::Kind::kRevoke:
      core_->OnRevoked(now);
      break;
    default:
      if (outcome.status.ok()) {
        core_->OnHolder(now, outcome.holder);
      } else {
        core_->OnHolder(now, outcome.status);
      }
  }
  Go();
}

void Candidate::TellNews() {
  while (!is_opening_ && !news_.empty()) {
    const ElectionNews news = std::move(news_.front());
    news_.pop_front();
    switch (news.kind) {
      case ElectionNews::Kind::kElected:
        is_opening_ = true;
        node_->After(random_.Between(absl::ZeroDuration(), kOpenMax),
                     [this, fence = news.fence] { Elected(fence); });
        break;
      case ElectionNews::Kind::kLost:
        queue_->Trace(server_, " is no longer the coordinator: ", news.text);
        host_->Remove();
        store_.reset();
        break;
      case ElectionNews::Kind::kMoved:
        moved_();
        break;
    }
  }
}

void Candidate::Elected(uint64_t fence) {
  const absl::Status status = BeginToCoordinate(fence);
  queue_->Trace(server_, " is elected: ", status.ToString());
  is_opening_ = false;
  if (absl::IsDataLoss(status)) oracle_->Fail(status.ToString());
  if (!status.ok()) core_->Resign(node_->clock(), status.message());
  Go();
}

absl::Status Candidate::BeginToCoordinate(uint64_t fence) {
  // Told in the middle of a write: the role is given up after it.
  const auto deposed = [this](absl::string_view why, bool by_another) {
    node_->After(absl::ZeroDuration(), [this, why = std::string(why), by_another] {
      if (by_another) {
        core_->Resign(node_->clock(), why);
      } else {
        core_->BeginAnew(node_->clock(), why);
      }
      Go();
    });
  };
  ASSIGN_OR_RETURN(store_, etcd_->Open(node_, fence, deposed));
  CoordinatorOptions options = host_->Options();
  options.own_server = server_;
  ASSIGN_OR_RETURN(auto coordinator,
                   Coordinator::Create(std::move(options), store_.get(), node_->clock()));
  host_->Install(std::move(coordinator));
  oracle_->OnTookOver();
  Watch(store_.get());
  return absl::OkStatus();
}

void Candidate::Watch(const Etcd::Link* link) {
  node_->After(kWatchInterval, [this, link] {
    if (store_.get() != link) return;
    store_->Watch();
    Watch(link);
  });
}

}  // namespace paceline::sim
