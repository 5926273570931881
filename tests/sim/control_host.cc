#include "tests/sim/control_host.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "common/base/version.h"
#include "common/net/coordinator_choice.h"

namespace paceline::sim {

CoordinatorOptions ControlHost::Options() const {
  CoordinatorOptions options;
  options.release = kRelease;
  if (scenario_.is_cancelled()) options.ended_jobs_kept = 0;
  options.on_event = [this](const v1::Event& event) {
    queue_->Trace(node_->name(), ": ", event.kind(), " ", event.subject(), ": ", event.message());
    if (event.kind() == "checkpoint-written") oracle_->OnCheckpointWritten();
    if (event.kind() == "job-submitted") oracle_->OnSubmitted(event.subject());
    if (event.kind() == "job-failed" && !scenario_.may_lose_all()) oracle_->Fail(event.message());
  };
  return options;
}

void ControlHost::Install(std::unique_ptr<Coordinator> core) {
  core_ = std::move(core);
  Settle();
}

void ControlHost::Remove() {
  const auto calls = std::exchange(calls_, {});
  Die();
  for (const auto& [number, incoming] : calls) RefuseWithout(*incoming);
}

void ControlHost::Die() {
  core_.reset();
  calls_.clear();
  armed_ = absl::InfiniteFuture();
}

void ControlHost::RefuseWithout(const Network::Incoming& incoming) const {
  auto answer = std::make_shared<ControlAnswer>();
  if (locator_ != nullptr) answer->coordinator = locator_();
  if (answer->coordinator == address_) answer->coordinator.clear();  // It is about to be.
  incoming.answer(absl::UnavailableError("this server is not the coordinator"), answer);
}

void ControlHost::Handle(std::shared_ptr<Network::Incoming> incoming, const Event& event) {
  if (core_ == nullptr) return RefuseWithout(*incoming);
  const uint64_t number = incoming->number;
  incoming->on_cancel = [this, number, life = node_->life()] {
    if (node_->life() != life || calls_.erase(number) == 0) return;
    core_->OnCancel(number);
    Settle();
  };
  calls_[number] = std::move(incoming);
  event(core_.get(), node_->clock(), number);
  Settle();
}

// Sends what is ready and arms the timer.
void ControlHost::Settle() {
  for (Reply& reply : core_->TakeReplies()) {
    const auto call = calls_.find(reply.call);
    if (call == calls_.end()) continue;
    const std::shared_ptr<Network::Incoming> incoming = std::move(call->second);
    calls_.erase(call);
    const absl::Status status = reply.status;
    Show(reply);
    auto answer = std::make_shared<ControlAnswer>();
    if (absl::IsUnavailable(status)) answer->coordinator = kCoordinatorHere;
    answer->reply = std::move(reply);
    incoming->answer(status, std::move(answer));
  }
  const absl::Time next = core_->NextTick();
  if (next >= armed_) return;
  armed_ = std::max(next, node_->clock() + absl::Milliseconds(1));
  node_->AtClock(armed_, [this, when = armed_] {
    if (when == armed_) Tick();
  });
}

// The oracle hears what everybody does about placements, and in which life it was said.
void ControlHost::Show(const Reply& reply) {
  const auto show = [this](const auto& directives) {
    const uint64_t life = directives.version() >> 32;
    for (const v1::JobDirective& directive : directives.jobs()) oracle_->OnTold(life, directive);
  };
  if (const auto* server = std::get_if<v1::ServerSyncReply>(&reply.message)) show(*server);
  if (const auto* worker = std::get_if<v1::WorkerSyncReply>(&reply.message)) show(*worker);
}

void ControlHost::Tick() {
  armed_ = absl::InfiniteFuture();
  core_->OnTick(node_->clock());
  Settle();
}

}  // namespace paceline::sim
