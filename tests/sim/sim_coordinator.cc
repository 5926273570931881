#include "tests/sim/sim_coordinator.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace paceline::sim {
namespace {

constexpr absl::Duration kRestart = absl::Milliseconds(300);

}  // namespace

void SimCoordinator::Start() {
  if (node_.up()) return;
  node_.Start();
  auto core = Coordinator::Create(host_.Options(), &store_, node_.clock());
  if (absl::IsUnavailable(core.status())) {
    // It ends, and somebody starts it again.
    Kill();
    queue_->At(queue_->now() + kRestart, [this] { Start(); });
    return;
  }
  if (!core.ok()) {
    oracle_->Fail(absl::StrCat("the coordinator does not start: ", core.status().ToString()));
    return;
  }
  host_.Install(*std::move(core));
}

void SimCoordinator::Kill() {
  if (!node_.up()) return;
  node_.Kill();
  network_->OnKilled(&node_);
  host_.Die();
}

void SimCoordinator::LoseStore(absl::Time until, bool is_known) {
  queue_->Trace("the store takes nothing for ", absl::FormatDuration(until - queue_->now()));
  store_back_ = std::max(store_back_, until);
  const absl::Status status = absl::UnavailableError("the disk is full");
  if (is_known) {
    store_.SetHealth(status);
  } else {
    store_.FailCommits(status);
  }
  queue_->At(until, [this] {
    if (queue_->now() >= store_back_) store_.SetHealth(absl::OkStatus());
  });
}

}  // namespace paceline::sim
