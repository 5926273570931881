#include "tests/sim/sim_server.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/version.h"
#include "server/partition/partition_spec.h"

namespace paceline::sim {
namespace {

// As server/sync_loop.cc.
constexpr absl::Duration kPatience = absl::Seconds(5);
constexpr int kPatiencesInLease = 4;
constexpr absl::Duration kRetryMin = absl::Milliseconds(50);
constexpr absl::Duration kRetryMax = absl::Milliseconds(250);
constexpr absl::Duration kFollowMax = absl::Milliseconds(300);
constexpr absl::Duration kLeavePatience = absl::Seconds(1);
// As server/checkpoint_writer.cc.
constexpr absl::Duration kTidyRetry = absl::Milliseconds(200);
// Of the disk, in which a process may die: a small part or a manifest.
constexpr uint64_t kOperationsOfWork = 40;

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

// As the frame of a call between servers brings it: the sender may not touch it any more.
std::shared_ptr<Block> Payload(const ReplicaCall& call) {
  size_t elements = 0;
  for (const BlockSlice& slice : call.payload) elements += slice.elements;
  auto block = std::make_shared<Block>(elements);
  float* out = block->floats().data();
  for (const BlockSlice& slice : call.payload) {
    const auto part = slice.block->floats().subspan(slice.begin, slice.elements);
    out = std::copy(part.begin(), part.end(), out);
  }
  return block;
}

}  // namespace

SimServer::SimServer(const std::string& id, const World* world)
    : id_(id),
      scenario_(world->scenario),
      queue_(world->queue),
      network_(world->network),
      oracle_(world->oracle),
      world_(world),
      folder_(world->folder),
      checkpoints_(world->checkpoints),
      random_(world->scenario->seed, absl::StrCat("server/", id)),
      node_(id, world->queue) {
  if (world->etcd == nullptr) return;
  control_ =
      std::make_unique<ControlHost>(scenario_, address(), &node_, queue_, network_, oracle_);
  candidate_ = std::make_unique<Candidate>(id, control_.get(), queue_, world->etcd, oracle_,
                                           scenario_->seed, [this] { Redirect(); });
}

void SimServer::Start() {
  if (node_.up()) return;
  node_.Start();
  StartFiles();
  PartitionHost::Options options;
  options.replication.log.entries_max = scenario_->log_entries;
  options.replication.ahead_entries_max = scenario_->log_entries;
  options.digest_interval = scenario_->digest_interval;
  options.complain = [this](absl::string_view what) {
    queue_->Trace(id_, " complains: ", what);
    const bool is_unreadable = absl::StrContains(what, "cannot be restored");
    if (is_unreadable && !scenario_->disk.is_honest()) return;
    oracle_->Fail(absl::StrCat(id_, " cannot follow a directive: ", what));
  };
  options.checkpoint = [this](CheckpointWork work) { Write(std::move(work)); };
  options.restore = [this](const v1::RestoreOrigin& origin, const JobLayout& layout,
                           uint32_t partition) {
    return files_->Restore(origin, layout, partition);
  };
  host_ = std::make_unique<PartitionHost>(
      options, [this](Answer answer) { Deliver(std::move(answer)); },
      [this](ReplicaCall call) { SendReplica(std::move(call)); });
  identity_.Clear();
  identity_.set_id(id_);
  known_version_ = 0;
  interval_ = absl::Seconds(1);
  retry_ = kRetryMin;
  patience_ = kPatience;
  armed_ = absl::InfiniteFuture();
  directives_.reset();
  if (candidate_ != nullptr) candidate_->Start();
  Sync();
}

void SimServer::Kill() {
  if (!node_.up()) return;
  node_.Kill();
  network_->OnKilled(&node_);
  if (candidate_ != nullptr) candidate_->Die();
  if (!works_.empty()) {
    // In its middle.
    disk_->DieAfter(random_.Below(kOperationsOfWork));
    files_->Do(works_.front());
    works_.clear();
  }
  files_.reset();
  disk_.reset();
  host_.reset();
  calls_.clear();
  sync_call_ = 0;
  oracle_->OnServerGone(id_, newest_incarnation_);
}

void SimServer::Leave() {
  if (!node_.up()) return;
  if (identity_.incarnation() != 0) {
    v1::ServerSyncRequest request = MakeRequest();
    request.set_leaving(true);
    ControlHost* const coordinator = WhoCoordinates();
    if (coordinator != nullptr && coordinator == control_.get()) {
      coordinator->Tell(&Coordinator::OnServerSync, request);
    } else if (coordinator != nullptr) {
      coordinator->Call<v1::ServerSyncRequest>(&node_, kLeavePatience,
                                               &Coordinator::OnServerSync, request,
                                               [](const absl::Status&, const ControlAnswer*) {});
    }
  }
  if (candidate_ != nullptr) candidate_->Leave();
  // The goodbye is on its way; the process is gone.
  Kill();
}

// ---- Checkpoints ----

void SimServer::StartFiles() {
  disk_ = std::make_unique<Disk>(folder_, scenario_->disk, scenario_->seed,
                                 absl::StrCat(id_, "/", node_.life()));
  if (is_calm_) disk_->Calm();
  CheckpointFiles::Options options;
  options.files = disk_.get();
  options.now = [this] { return node_.clock(); };
  files_ = std::make_unique<CheckpointFiles>(options);
  is_tidying_ = false;
}

void SimServer::CalmDisk() {
  is_calm_ = true;
  if (disk_ != nullptr) disk_->Calm();
}

void SimServer::Write(CheckpointWork work) {
  works_.push_back(std::move(work));
  if (works_.size() == 1) BeginWork();
}

void SimServer::BeginWork() {
  node_.After(random_.Between(absl::ZeroDuration(), scenario_->disk.write_max),
              [this] { FinishWork(); });
}

void SimServer::FinishWork() {
  const CheckpointWork work = std::move(works_.front());
  works_.pop_front();
  if (!works_.empty()) BeginWork();
  const v1::CheckpointReport report = files_->Do(work);
  queue_->Trace(id_, " checkpoint ", work.job, "/", work.partition, " ", report.ShortDebugString());
  if (report.committed()) checkpoints_->OnCommitted(work.job);
  host_->OnCheckpointDone(node_.clock(), work.job, work.partition, report);
  AfterEvent();
  if (!is_tidying_) Tidy();
}

void SimServer::Tidy() {
  is_tidying_ = !files_->Tidy();
  if (is_tidying_) node_.After(kTidyRetry, [this] { Tidy(); });
}

// ---- The data plane ----

void SimServer::Handle(std::shared_ptr<Network::Incoming> incoming, const ParameterCall& call) {
  const uint64_t number = incoming->number;
  incoming->on_cancel = [this, number, life = node_.life()] {
    if (node_.life() != life || calls_.erase(number) == 0) return;
    host_->OnCancel(number);
    oracle_->OnCancel(number);
    AfterEvent();
  };
  calls_[number] = std::move(incoming);
  const absl::Time now = node_.clock();
  switch (call.method) {
    case Method::kPush:
    case Method::kExchange:
      queue_->Trace(id_, " gets push ", number, " ", call.push.ShortDebugString());
      oracle_->OnPush(id_, number, call.push);
      host_->OnPush(now, number, call.push, Payload(call), call.method == Method::kExchange);
      break;
    case Method::kPull:
      queue_->Trace(id_, " gets pull ", number, " ", call.pull.ShortDebugString());
      oracle_->OnPull(id_, number, call.pull);
      host_->OnPull(now, number, call.pull);
      break;
    case Method::kSettle:
      queue_->Trace(id_, " gets settle ", number, " ", call.settle.ShortDebugString());
      oracle_->OnSettle(id_, number, call.settle);
      host_->OnSettle(now, number, call.settle);
      break;
  }
  AfterEvent();
}

void SimServer::Deliver(Answer answer) {
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

// ---- Between servers ----

void SimServer::SendReplica(ReplicaCall call) {
  const auto* append = std::get_if<v1::AppendHeader>(&call.header);
  if (append != nullptr) oracle_->OnEntries(*append);
  const uint64_t id = call.id;
  const absl::Duration timeout = call.timeout;
  const auto found = world_->servers.find(call.address);
  if (found == world_->servers.end()) {
    return oracle_->Fail(absl::StrCat(id_, " calls a backup at '", call.address, "'"));
  }
  SimServer* const server = found->second;
  auto shared = std::make_shared<const ReplicaCall>(std::move(call));
  auto serve = [server, shared](std::shared_ptr<Network::Incoming> incoming) {
    server->HandleReplica(std::move(incoming), *shared);
  };
  auto done = [this, id](const absl::Status& status, const void* answer) {
    const auto* reply = static_cast<const v1::ReplicaReply*>(answer);
    queue_->Trace(id_, " replica call ", id, ": ", status.ToString(), " ",
                  reply == nullptr ? "" : reply->ShortDebugString());
    host_->OnReplicaDone(node_.clock(), id, status,
                         reply == nullptr ? v1::ReplicaReply::default_instance() : *reply);
    AfterEvent();
  };
  network_->Call(&node_, server->node(), timeout, std::move(serve), std::move(done));
}

void SimServer::HandleReplica(std::shared_ptr<Network::Incoming> incoming,
                              const ReplicaCall& call) {
  const absl::Time now = node_.clock();
  const std::shared_ptr<Block> payload = Payload(call);
  absl::StatusOr<v1::ReplicaReply> reply = absl::UnknownError("not answered");
  uint64_t arrays = 1;
  v1::ReplicaKey key;
  if (const auto* append = std::get_if<v1::AppendHeader>(&call.header)) {
    queue_->Trace(id_, " gets append ", append->ShortDebugString());
    key = append->key();
    arrays = static_cast<uint64_t>(append->entries_size());
    reply = host_->OnAppend(now, *append, payload);
  } else {
    const auto& install = std::get<v1::InstallHeader>(call.header);
    queue_->Trace(id_, " gets install ", install.ShortDebugString());
    key = install.key();
    reply = host_->OnInstall(now, install, payload);
  }
  const absl::StatusOr<uint64_t> elements = host_->ReplicaElements(key);
  if (elements.ok() && *elements * arrays != payload->elements()) {
    oracle_->Fail(absl::StrCat("a primary sent ", payload->elements(), " floats as ", arrays,
                               " arrays of ", *elements));
  }
  if (absl::IsInvalidArgument(reply.status()) || absl::IsInternal(reply.status())) {
    oracle_->Fail(absl::StrCat("a correct primary was refused: ", reply.status().ToString()));
  }
  if (reply.ok()) {
    incoming->answer(absl::OkStatus(), std::make_shared<const v1::ReplicaReply>(*reply));
  } else {
    incoming->answer(reply.status(), nullptr);
  }
  AfterEvent();
}

void SimServer::AfterEvent() {
  oracle_->AfterEvent(id_, Report());
  if (host_->TakeNews()) Hurry();
  Arm();
}

void SimServer::Arm() {
  const absl::Time next = host_->NextTick();
  if (next >= armed_) return;
  armed_ = next;
  node_.AtClock(next, [this, next] {
    if (armed_ != next) return;
    armed_ = absl::InfiniteFuture();
    host_->OnTick(node_.clock());
    AfterEvent();
  });
}

BlockRef SimServer::Peek(const std::string& job, uint32_t partition) const {
  return host_ == nullptr ? nullptr : host_->Parameters(job, partition);
}

std::string SimServer::Holds() const {
  if (!node_.up()) return "";
  std::vector<std::string> all;
  for (const v1::PartitionReport& report : Report()) all.push_back(report.ShortDebugString());
  if (!calls_.empty()) all.push_back(absl::StrCat(calls_.size(), " calls that wait"));
  if (!works_.empty()) all.push_back("checkpoints to write");
  return absl::StrJoin(all, "; ");
}

// ---- The conversation with the coordinator ----

v1::ServerSyncRequest SimServer::MakeRequest() const {
  v1::ServerSyncRequest request;
  *request.mutable_server() = identity_;
  request.set_release(kRelease);
  request.set_address(address());
  request.set_pid(node_.life());
  request.set_known_version(known_version_);
  if (scenario_->zones > 0) {
    request.set_zone(absl::StrCat("z", (id_.back() - '0') % static_cast<int>(scenario_->zones)));
  }
  return request;
}

// Null: nobody has been elected.
ControlHost* SimServer::WhoCoordinates() const {
  const auto found =
      world_->hosts.find(candidate_ == nullptr ? world_->coordinators : candidate_->coordinator());
  return found == world_->hosts.end() ? nullptr : found->second;
}

void SimServer::Sync() {
  ControlHost* const coordinator = WhoCoordinates();
  if (coordinator == nullptr) {
    return OnNotSynced(absl::UnavailableError("nobody has been elected coordinator yet"));
  }
  v1::ServerSyncRequest request = MakeRequest();
  for (v1::PartitionReport& report : Report()) *request.add_partitions() = std::move(report);
  sync_call_ = coordinator->Call<v1::ServerSyncRequest>(
      &node_, interval_ + patience_, &Coordinator::OnServerSync, request,
      [this](const absl::Status& status, const ControlAnswer* answer) {
        sync_call_ = 0;
        if (!status.ok()) return OnNotSynced(status);
        OnSynced(std::get<v1::ServerSyncReply>(answer->reply.message));
      },
      // A registration that comes late and again is a new process to the coordinator; gRPC never
      // sends one twice.
      /*once=*/identity_.incarnation() == 0);
}

void SimServer::OnNotSynced(const absl::Status& status) {
  queue_->Trace(id_, " sync: ", status.ToString());
  if (absl::IsFailedPrecondition(status) && identity_.incarnation() != 0) {
    identity_.set_incarnation(0);
    known_version_ = 0;
  }
  node_.After(retry_, [this] { Sync(); });
  retry_ = std::min(2 * retry_, kRetryMax);
}

void SimServer::OnSynced(const v1::ServerSyncReply& reply) {
  retry_ = kRetryMin;
  identity_ = reply.server();
  newest_incarnation_ = std::max(newest_incarnation_, identity_.incarnation());
  known_version_ = reply.version();
  interval_ = absl::Milliseconds(reply.sync_interval_ms());
  patience_ = absl::Milliseconds(reply.lease_ms()) / kPatiencesInLease;
  if (reply.changed()) Receive(reply);
  Sync();
}

// The follower takes its time; the next report may be of what was before, and older directives than
// the newest need not be followed.
void SimServer::Receive(const v1::ServerSyncReply& reply) {
  const bool is_following = directives_.has_value();
  directives_ = reply;
  if (is_following) return;
  absl::Duration delay = random_.Chance(0.7) ? absl::ZeroDuration()
                                             : random_.Between(absl::ZeroDuration(), kFollowMax);
  const bool may_read =
      std::any_of(reply.jobs().begin(), reply.jobs().end(),
                  [](const v1::JobDirective& directive) { return directive.has_restore(); });
  if (may_read) delay += random_.Between(absl::ZeroDuration(), scenario_->disk.write_max);
  if (delay == absl::ZeroDuration()) return Follow();
  node_.After(delay, [this] {
    Follow();
    if (host_->TakeNews()) Hurry();
  });
}

void SimServer::Follow() {
  const v1::ServerSyncReply reply = *std::move(directives_);
  directives_.reset();
  queue_->Trace(id_, " follows directives ", reply.version());
  for (const v1::JobDirective& directive : reply.jobs()) {
    for (const v1::PartitionPlacement& placement : directive.placement()) {
      queue_->Trace(id_, " placement ", placement.ShortDebugString());
    }
  }
  oracle_->OnDirectives(id_, reply);
  files_->Follow(reply);
  host_->OnDirectives(node_.clock(), reply);
  oracle_->AfterEvent(id_, Report());
  Arm();
}

void SimServer::Hurry() {
  if (identity_.incarnation() == 0) return;  // Registering.
  Redirect();
}

void SimServer::Redirect() {
  if (sync_call_ == 0) return;  // Retrying soon anyway.
  network_->Cancel(sync_call_);
  Sync();
}

}  // namespace paceline::sim
