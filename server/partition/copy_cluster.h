// Several copies of one partition on servers that die, are cut off and change roles, on a network
// that loses, delays and repeats: what replication_test sends its workers against.
#ifndef PACELINE_SERVER_PARTITION_COPY_CLUSTER_H_
#define PACELINE_SERVER_PARTITION_COPY_CLUSTER_H_

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <memory>
#include <random>
#include <variant>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/tensor/block.h"
#include "server/partition/partition_copy.h"
#include "server/partition/partition_testing.h"

namespace paceline {

inline constexpr uint64_t kElements = 5;
inline constexpr uint64_t kWorkers = 2;
inline constexpr absl::Duration kTick = absl::Milliseconds(5);

struct CopyJob {
  v1::ConsistencySpec consistency = AsyncSpec();
  v1::OptimizerSpec optimizer = SgdWith(1);
  bool is_bare = false;
  uint64_t clocks = 20;
  uint32_t min_in_sync = 1;
  bool acks_leader = false;
};

// A server that may be dead or cut off, with its copy.
struct CopyNode {
  std::unique_ptr<PartitionCopy> copy;
  uint64_t replica = 0;
  absl::Time cut_off_until = absl::InfinitePast();
  bool must_hear = true;  // It has not heard the newest directive.
};

class CopyCluster {
 public:
  CopyCluster(const CopyJob& job, size_t nodes, uint64_t seed, double loss)
      : job_(job), loss_(loss), random_(seed), nodes_(nodes) {
    directive_.set_job("job-1");
    directive_.set_state(v1::RUNNING);
    *directive_.mutable_segment()->mutable_consistency() = job.consistency;
    *directive_.mutable_roster() = RosterOf(kWorkers);
    directive_.set_granted_rounds(100000);
    directive_.mutable_spec()->mutable_fleet()->set_min_in_sync(job.min_in_sync);
    if (job.acks_leader) {
      directive_.mutable_spec()->mutable_fleet()->set_acks(v1::FleetSpec::LEADER);
    }
    placement_.set_term(1);
    placement_.set_config(1);
    for (size_t i = 0; i < nodes; ++i) Place(i, /*in_sync=*/true);
    Crown(0);
    Direct();
  }

  // ---- Placement ----

  v1::PartitionReplica* ReplicaOf(size_t node) {
    for (v1::PartitionReplica& replica : *placement_.mutable_replicas()) {
      if (replica.id() == nodes_[node].replica) return &replica;
    }
    return nullptr;
  }
  size_t primary() const { return static_cast<size_t>(placement_.server_incarnation()); }
  bool IsCutOff(size_t node) const { return now_ < nodes_[node].cut_off_until; }

  void Place(size_t node, bool in_sync) {
    nodes_[node].replica = ++last_replica_;
    v1::PartitionReplica* const replica = placement_.add_replicas();
    replica->set_id(last_replica_);
    replica->set_server(absl::StrCat("s", node));
    replica->set_server_incarnation(node);
    replica->set_address(absl::StrCat(node));
    replica->set_in_sync(in_sync);
  }
  void Crown(size_t node) {
    placement_.set_server(absl::StrCat("s", node));
    placement_.set_server_incarnation(node);
  }
  void TakeOut(size_t node) {
    auto* const replicas = placement_.mutable_replicas();
    for (int i = 0; i < replicas->size(); ++i) {
      if (replicas->Get(i).id() != nodes_[node].replica) continue;
      replicas->DeleteSubrange(i, 1);
      return;
    }
  }
  void Changed() {
    placement_.set_config(placement_.config() + 1);
    Direct();
  }
  void Direct() {
    for (CopyNode& node : nodes_) node.must_hear = true;
  }

  void Hear(size_t index) {
    CopyNode& node = nodes_[index];
    if (!node.must_hear || IsCutOff(index)) return;
    node.must_hear = false;
    const v1::PartitionReplica* const replica = ReplicaOf(index);
    std::vector<Answer> answers;
    if (node.copy != nullptr && (replica == nullptr || replica->id() != node.copy->replica())) {
      node.copy->End(absl::FailedPreconditionError("dropped"), &answers);
      node.copy = nullptr;
    }
    if (replica != nullptr) {
      if (node.copy == nullptr) node.copy = MakeCopy(replica->id(), replica->in_sync());
      const absl::Status status =
          node.copy->OnDirective(now_, directive_, placement_, index == primary(), &answers);
      INFO(status);
      REQUIRE(status.ok());
    }
    Take(std::move(answers));
    Collect(index);
  }

  std::unique_ptr<PartitionCopy> MakeCopy(uint64_t replica, bool from_seed) {
    PartitionSpec spec;
    spec.job = "job-1";
    spec.optimizer = job_.optimizer;
    spec.segment_elements = {kElements};
    spec.elements = kElements;
    if (!job_.is_bare) spec.work = {kWorkers * 5, kWorkers * job_.clocks, kWorkers, 1};
    PartitionCopy::Options options;
    options.digest_interval = 1;
    options.next_call = [this] { return ++last_call_; };
    std::shared_ptr<Block> initial;
    if (from_seed) {
      initial = std::make_shared<Block>(kElements);
      std::fill(initial->floats().begin(), initial->floats().end(), 0.0f);
    }
    auto copy = PartitionCopy::Create(options, spec, replica, initial);
    PACELINE_CHECK(copy.ok());
    return *std::move(copy);
  }

  // What the coordinator makes of the primary's report.
  void Coordinate() {
    CopyNode& node = nodes_[primary()];
    if (node.copy == nullptr || IsCutOff(primary()) || node.must_hear) return;
    const v1::PartitionReport report = node.copy->Report(now_);
    if (report.is_backup() || report.config() != placement_.config()) return;
    bool changed = false;
    for (const v1::BackupReport& backup : report.backups()) {
      for (size_t i = 0; i < nodes_.size(); ++i) {
        v1::PartitionReplica* const replica = ReplicaOf(i);
        if (replica == nullptr || replica->id() != backup.replica()) continue;
        if (backup.state() == v1::BackupReport::CAUGHT_UP && !replica->in_sync()) {
          replica->set_in_sync(true);
          ++joined_;
          changed = true;
        } else if (backup.state() == v1::BackupReport::LAGGING) {
          replica->set_in_sync(false);
          changed = true;
        } else if (backup.state() == v1::BackupReport::DIVERGED) {
          ++diverged_;
          TakeOut(i);
          Place(i, false);
          changed = true;
        }
        break;
      }
    }
    if (changed) Changed();
  }

  // Another copy in sync that is not cut off; the node itself if there is none.
  size_t Heir(size_t of) {
    size_t heir = of;
    uint64_t longest = 0;
    for (size_t i = 0; i < nodes_.size(); ++i) {
      const v1::PartitionReplica* const replica = ReplicaOf(i);
      if (i == of || replica == nullptr || !replica->in_sync() || IsCutOff(i)) continue;
      if (nodes_[i].copy == nullptr || nodes_[i].copy->replica() != replica->id()) continue;
      const uint64_t last = nodes_[i].copy->Report(now_).last_index() + 1;
      if (last > longest) {
        heir = i;
        longest = last;
      }
    }
    return heir;
  }

  // The node's process dies and another takes its place, with an empty copy.
  void Kill(size_t node) {
    if (node == primary()) {
      const size_t heir = Heir(node);
      if (heir == node) return;
      TakeOut(node);
      Crown(heir);
      placement_.set_term(placement_.term() + 1);
    } else {
      TakeOut(node);
    }
    nodes_[node].copy = nullptr;
    Place(node, false);
    Changed();
  }
  // The primary is cut off and replaced; it does not know.
  void Depose(absl::Duration duration) {
    const size_t node = primary();
    const size_t heir = Heir(node);
    if (heir == node) return;
    nodes_[node].cut_off_until = now_ + duration;
    TakeOut(node);
    Place(node, false);
    Crown(heir);
    placement_.set_term(placement_.term() + 1);
    Changed();
  }
  // The primary becomes a backup of another.
  void HandOver() {
    const size_t heir = Heir(primary());
    if (heir == primary()) return;
    Crown(heir);
    placement_.set_term(placement_.term() + 1);
    Changed();
  }
  void CutOff(size_t node, absl::Duration duration) {
    nodes_[node].cut_off_until = now_ + duration;
  }

  // ---- The network between servers ----

  struct Message {
    absl::Time at;
    std::function<void()> deliver;
  };
  double Uniform() { return std::uniform_real_distribution<double>(0, 1)(random_); }
  absl::Duration Delay() { return absl::Milliseconds(1 + 40 * Uniform() * loss_ * 4); }

  void Collect(size_t from) {
    CopyNode& node = nodes_[from];
    if (node.copy == nullptr) return;
    const PartitionCopy* const sender = node.copy.get();
    for (ReplicaCall& call : node.copy->TakeCalls(now_)) {
      auto shared = std::make_shared<ReplicaCall>(std::move(call));
      ++calls_;
      if (std::holds_alternative<v1::InstallHeader>(shared->header)) ++installs_;
      auto done = std::make_shared<bool>(false);
      const auto finish = [=](const absl::Status& status, const v1::ReplicaReply& reply) {
        if (std::exchange(*done, true) || nodes_[from].copy.get() != sender) return;
        std::vector<Answer> answers;
        nodes_[from].copy->OnReplicaDone(now_, shared->id, status, reply, &answers);
        Take(std::move(answers));
        Collect(from);
      };
      messages_.push_back({now_ + shared->timeout,
                           [finish] { finish(absl::DeadlineExceededError("lost"), {}); }});
      for (int copies = Uniform() < loss_ ? 2 : 1; copies > 0; --copies) {
        if (Uniform() < loss_) continue;
        messages_.push_back({now_ + Delay(), [=] { Arrive(from, *shared, finish); }});
      }
    }
  }

  template <typename Finish>
  void Arrive(size_t from, const ReplicaCall& call, Finish finish) {
    const size_t to = static_cast<size_t>(std::stoi(call.address));
    if (IsCutOff(from) || IsCutOff(to)) return;
    auto payload = std::make_shared<Block>(call.payload.size() * kElements);
    size_t at = 0;
    for (const BlockSlice& slice : call.payload) {
      for (size_t i = 0; i < slice.elements; ++i) {
        payload->floats()[at++] = slice.block->floats()[slice.begin + i] + corruption_;
      }
    }
    absl::StatusOr<v1::ReplicaReply> reply = absl::FailedPreconditionError("not here");
    std::vector<Answer> answers;
    CopyNode& node = nodes_[to];
    const auto* const append = std::get_if<v1::AppendHeader>(&call.header);
    const v1::ReplicaKey& key =
        append != nullptr ? append->key() : std::get<v1::InstallHeader>(call.header).key();
    if (node.copy != nullptr && node.copy->replica() == key.replica()) {
      reply = append != nullptr
                  ? node.copy->OnAppend(now_, *append, payload, &answers)
                  : node.copy->OnInstall(now_, std::get<v1::InstallHeader>(call.header), payload,
                                         &answers);
      CHECK_FALSE(absl::IsInvalidArgument(reply.status()));
    }
    Take(std::move(answers));
    Collect(to);
    if (Uniform() < loss_) return;
    messages_.push_back({now_ + Delay(), [=] {
                           if (IsCutOff(from) || IsCutOff(to)) return;
                           finish(reply.status(), reply.ok() ? *reply : v1::ReplicaReply());
                         }});
  }

  void Step() {
    now_ += kTick;
    for (size_t i = 0; i < nodes_.size(); ++i) Hear(i);
    std::vector<Message> due;
    for (size_t i = 0; i < messages_.size();) {
      if (messages_[i].at > now_) {
        ++i;
        continue;
      }
      due.push_back(std::move(messages_[i]));
      messages_[i] = std::move(messages_.back());
      messages_.pop_back();
    }
    for (Message& message : due) message.deliver();
    for (size_t i = 0; i < nodes_.size(); ++i) {
      if (nodes_[i].copy == nullptr || nodes_[i].copy->NextTick() > now_) continue;
      std::vector<Answer> answers;
      nodes_[i].copy->OnTick(now_, &answers);
      Take(std::move(answers));
      Collect(i);
    }
    Coordinate();
  }
  void Run(absl::Duration duration) {
    for (const absl::Time end = now_ + duration; now_ < end;) Step();
  }

  // ---- Workers ----

  void Take(std::vector<Answer> answers) {
    for (Answer& answer : answers) {
      const uint64_t call = answer.call;
      REQUIRE(answers_.emplace(call, std::move(answer)).second);
    }
  }
  const Answer* Find(uint64_t call) const {
    const auto it = answers_.find(call);
    return it == answers_.end() ? nullptr : &it->second;
  }

  v1::PartitionKey key(uint64_t term) const {
    v1::PartitionKey key;
    key.set_job("job-1");
    key.set_term(term);
    return key;
  }

  bool is_sync() const { return job_.consistency.has_sync(); }

  static float GradientAt(uint64_t worker, uint64_t clock, uint64_t element) {
    return static_cast<float>((worker * 5 + clock * 7 + element * 3) % 16) / 16.0f;
  }

  uint64_t Push(size_t node, uint64_t term, uint64_t worker, uint64_t clock,
                uint64_t base_version = 0) {
    v1::PushHeader header;
    *header.mutable_key() = key(term);
    *header.mutable_worker() = WorkerOf(absl::StrCat("w", worker + 1));
    header.set_clock(clock);
    header.set_base_version(is_sync() ? clock : base_version);
    header.set_dtype(v1::FLOAT32);
    v1::Piece* const piece = header.add_pieces();
    piece->set_weight(1);
    if (!job_.is_bare) {
      piece->set_first_shard(clock * kWorkers + worker);
      piece->set_shards(1);
      piece->set_samples(3);
    }
    auto gradients = std::make_shared<Block>(kElements);
    for (uint64_t i = 0; i < kElements; ++i) {
      gradients->floats()[i] = GradientAt(worker, clock, i);
    }
    const uint64_t call = ++last_push_;
    std::vector<Answer> answers;
    nodes_[node].copy->OnPush(now_, call, header, std::move(gradients), true, &answers);
    Take(std::move(answers));
    Collect(node);
    return call;
  }
  uint64_t Settle(size_t node, uint64_t term, uint64_t clock, double total) {
    v1::SettleRequest request;
    *request.mutable_key() = key(term);
    *request.mutable_worker() = WorkerOf("w1");
    request.set_clock(clock);
    request.set_total_square_norm(total);
    const uint64_t call = ++last_push_;
    std::vector<Answer> answers;
    nodes_[node].copy->OnSettle(now_, call, request, &answers);
    Take(std::move(answers));
    Collect(node);
    return call;
  }
  uint64_t Pull(size_t node, uint64_t term) {
    v1::PullRequest request;
    *request.mutable_key() = key(term);
    const uint64_t call = ++last_push_;
    std::vector<Answer> answers;
    nodes_[node].copy->OnPull(now_, call, request, &answers);
    Take(std::move(answers));
    Collect(node);
    return call;
  }
  bool IsThere(size_t node) const { return nodes_[node].copy != nullptr; }
  v1::PartitionReport Report(size_t node) const { return nodes_[node].copy->Report(now_); }

  // The parameters that the primary serves, once it does.
  std::vector<float> Newest() {
    for (int tries = 0; tries < 2000; ++tries) {
      if (IsThere(primary())) {
        const uint64_t call = Pull(primary(), placement_.term());
        const Answer* const answer = Find(call);
        if (answer != nullptr && answer->status.ok()) {
          const auto floats = answer->parameters->floats();
          return {floats.begin(), floats.end()};
        }
        nodes_[primary()].copy->OnCancel(call);
      }
      Step();
    }
    FAIL("the primary serves nobody");
    return {};
  }

  const CopyJob job_;
  double loss_;
  float corruption_ = 0;
  std::mt19937_64 random_;
  absl::Time now_ = absl::UnixEpoch();
  v1::JobDirective directive_;
  v1::PartitionPlacement placement_;
  std::vector<CopyNode> nodes_;
  std::vector<Message> messages_;
  std::map<uint64_t, Answer> answers_;
  uint64_t last_replica_ = 0;
  uint64_t last_call_ = 0;
  uint64_t last_push_ = 0;
  int calls_ = 0;
  int installs_ = 0;
  int joined_ = 0;
  int diverged_ = 0;
};

}  // namespace paceline

#endif  // PACELINE_SERVER_PARTITION_COPY_CLUSTER_H_
