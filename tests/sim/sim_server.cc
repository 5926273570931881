#include "tests/sim/sim_server.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/version.h"

namespace paceline::sim {
namespace {

// As server/sync_loop.cc.
constexpr absl::Duration kPatience = absl::Seconds(5);
constexpr int kPatiencesInLease = 4;
constexpr absl::Duration kRetryMin = absl::Milliseconds(50);
constexpr absl::Duration kRetryMax = absl::Milliseconds(250);

// No call of the network has this number.
constexpr uint64_t kPeek = UINT64_MAX;

// The gradients of a push as its frame brings them.
std::shared_ptr<Block> Payload(const ParameterCall& call) {
  auto block = std::make_shared<Block>(call.piece_gradients.size() * call.elements);
  float* out = block->floats().data();
  for (const BlockRef& gradient : call.piece_gradients) {
    const auto part = gradient->floats().subspan(call.offset, call.elements);
    out = std::copy(part.begin(), part.end(), out);
  }
  return block;
}

}  // namespace

SimServer::SimServer(const std::string& id, EventQueue* queue, Network* network, Oracle* oracle,
                     SimCoordinator* coordinator)
    : id_(id),
      queue_(queue),
      network_(network),
      oracle_(oracle),
      coordinator_(coordinator),
      node_(id, queue) {}

void SimServer::Start() {
  node_.Start();
  PartitionHost::Options options;
  options.complain = [this](absl::string_view what) {
    queue_->Trace(id_, " complains: ", what);
    oracle_->Fail(absl::StrCat(id_, " cannot follow a directive: ", what));
  };
  host_ = std::make_unique<PartitionHost>(options,
                                          [this](Answer answer) { Deliver(std::move(answer)); });
  identity_.set_id(id_);
  retry_ = kRetryMin;
  patience_ = kPatience;
  Sync();
}

// ---- The data plane ----

void SimServer::Handle(std::shared_ptr<Network::Incoming> incoming, const ParameterCall& call) {
  const uint64_t number = incoming->number;
  incoming->on_cancel = [this, number, life = node_.life()] {
    if (node_.life() != life || calls_.erase(number) == 0) return;
    oracle_->OnCancel(number);
    host_->OnCancel(number);
    AfterEvent();
  };
  calls_[number] = std::move(incoming);
  const absl::Time now = queue_->now();
  switch (call.method) {
    case Method::kPush:
    case Method::kExchange:
      queue_->Trace(id_, " gets push ", number, " ", call.push.ShortDebugString());
      oracle_->OnPush(number, call.push);
      host_->OnPush(now, number, call.push, Payload(call), call.method == Method::kExchange);
      break;
    case Method::kPull:
      queue_->Trace(id_, " gets pull ", number, " ", call.pull.ShortDebugString());
      oracle_->OnPull(number, call.pull);
      host_->OnPull(now, number, call.pull);
      break;
    case Method::kSettle:
      queue_->Trace(id_, " gets settle ", number, " ", call.settle.ShortDebugString());
      oracle_->OnSettle(number, call.settle);
      host_->OnSettle(now, number, call.settle);
      break;
  }
  AfterEvent();
}

void SimServer::Deliver(Answer answer) {
  if (answer.call == kPeek) {
    peeked_ = answer.parameters;
    return;
  }
  queue_->Trace(id_, " answers ", answer.call, " ", answer.status.ToString(), " version ",
                answer.header.version(), answer.header.duplicate() ? " duplicate" : "");
  oracle_->OnAnswer(answer);
  const auto found = calls_.find(answer.call);
  if (found == calls_.end()) return;
  const std::shared_ptr<Network::Incoming> incoming = std::move(found->second);
  calls_.erase(found);
  CallResult result{answer.status, answer.header, answer.parameters};
  incoming->answer(answer.status, std::make_shared<const CallResult>(std::move(result)));
}

void SimServer::AfterEvent() {
  oracle_->AfterEvent(id_, host_->Report(queue_->now()));
  if (host_->TakeNews()) Hurry();
}

BlockRef SimServer::Peek(const std::string& job, uint32_t segment, uint32_t partition) {
  v1::PullRequest request;
  request.mutable_key()->set_job(job);
  request.mutable_key()->set_segment(segment);
  request.mutable_key()->set_partition(partition);
  request.mutable_key()->set_term(1);
  peeked_ = nullptr;
  host_->OnPull(queue_->now(), kPeek, request);
  return peeked_;
}

// ---- The conversation with the coordinator ----

void SimServer::Sync() {
  v1::ServerSyncRequest request;
  *request.mutable_server() = identity_;
  request.set_release(kRelease);
  request.set_address(absl::StrCat(id_, ":1"));
  request.set_known_version(known_version_);
  for (v1::PartitionReport& report : host_->Report(queue_->now())) {
    *request.add_partitions() = std::move(report);
  }
  sync_call_ = coordinator_->Call<v1::ServerSyncRequest, v1::ServerSyncReply>(
      &node_, interval_ + patience_, &Coordinator::OnServerSync, request,
      [this](const absl::Status& status, const v1::ServerSyncReply* reply) {
        sync_call_ = 0;
        OnSynced(status, reply);
      },
      // A registration that comes late and again is a new process to the coordinator; gRPC never
      // sends one twice.
      /*once=*/identity_.incarnation() == 0);
}

void SimServer::OnSynced(const absl::Status& status, const v1::ServerSyncReply* reply) {
  if (!status.ok()) {
    queue_->Trace(id_, " sync: ", status.ToString());
    if (absl::IsFailedPrecondition(status) && identity_.incarnation() != 0) {
      identity_.set_incarnation(0);
      known_version_ = 0;
    }
    node_.After(retry_, [this] { Sync(); });
    retry_ = std::min(2 * retry_, kRetryMax);
    return;
  }
  retry_ = kRetryMin;
  identity_ = reply->server();
  known_version_ = reply->version();
  interval_ = absl::Milliseconds(reply->sync_interval_ms());
  patience_ = absl::Milliseconds(reply->lease_ms()) / kPatiencesInLease;
  if (reply->changed()) {
    queue_->Trace(id_, " follows directives ", reply->version());
    oracle_->OnDirectives(*reply);
    host_->OnDirectives(queue_->now(), *reply);
    oracle_->AfterEvent(id_, host_->Report(queue_->now()));
    host_->TakeNews();  // The report that follows has it.
  }
  Sync();
}

void SimServer::Hurry() {
  if (sync_call_ == 0) return;  // Retrying soon anyway.
  network_->Cancel(sync_call_);
  Sync();
}

}  // namespace paceline::sim
