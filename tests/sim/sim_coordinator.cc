#include "tests/sim/sim_coordinator.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/version.h"

namespace paceline::sim {
namespace {

constexpr absl::Duration kRestart = absl::Milliseconds(300);

}  // namespace

void SimCoordinator::Start() {
  if (node_.up()) return;
  node_.Start();
  CoordinatorOptions options;
  options.release = kRelease;
  options.on_event = [this](const v1::Event& event) {
    queue_->Trace("c: ", event.kind(), " ", event.subject(), ": ", event.message());
    if (event.kind() == "checkpoint-written") oracle_->OnCheckpointWritten();
  };
  auto core = Coordinator::Create(options, &store_, node_.clock());
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
  core_ = *std::move(core);
  Settle();
}

void SimCoordinator::Kill() {
  if (!node_.up()) return;
  node_.Kill();
  network_->OnKilled(&node_);
  core_.reset();
  calls_.clear();
  armed_ = absl::InfiniteFuture();
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

void SimCoordinator::Handle(std::shared_ptr<Network::Incoming> incoming, const Event& event) {
  const uint64_t number = incoming->number;
  incoming->on_cancel = [this, number, life = node_.life()] {
    if (node_.life() != life || calls_.erase(number) == 0) return;
    core_->OnCancel(number);
    Settle();
  };
  calls_[number] = std::move(incoming);
  event(core_.get(), node_.clock(), number);
  Settle();
}

// Sends what is ready and arms the timer.
void SimCoordinator::Settle() {
  for (Reply& reply : core_->TakeReplies()) {
    const auto call = calls_.find(reply.call);
    if (call == calls_.end()) continue;
    const std::shared_ptr<Network::Incoming> incoming = std::move(call->second);
    calls_.erase(call);
    const absl::Status status = reply.status;
    Show(reply);
    incoming->answer(status, std::make_shared<const Reply>(std::move(reply)));
  }
  const absl::Time next = core_->NextTick();
  if (next >= armed_) return;
  armed_ = std::max(next, node_.clock() + absl::Milliseconds(1));
  node_.AtClock(armed_, [this, when = armed_] {
    if (when == armed_) Tick();
  });
}

// The oracle hears what everybody does about placements.
void SimCoordinator::Show(const Reply& reply) {
  const auto show = [this](const auto& directives) {
    for (const v1::JobDirective& directive : directives.jobs()) oracle_->OnTold(directive);
  };
  if (const auto* server = std::get_if<v1::ServerSyncReply>(&reply.message)) show(*server);
  if (const auto* worker = std::get_if<v1::WorkerSyncReply>(&reply.message)) show(*worker);
}

void SimCoordinator::Tick() {
  armed_ = absl::InfiniteFuture();
  core_->OnTick(node_.clock());
  Settle();
}

}  // namespace paceline::sim
