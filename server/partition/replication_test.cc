// Several copies of one partition on a network that loses, delays and repeats, while servers die,
// are cut off and change roles: nothing acknowledged is lost, nothing counts twice, no copy has
// other bits, and no read is older than an acknowledgement that came before it.
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
namespace {

constexpr uint64_t kElements = 5;
constexpr uint64_t kWorkers = 2;
constexpr absl::Duration kTick = absl::Milliseconds(5);

struct JobOptions {
  v1::ConsistencySpec consistency = AsyncSpec();
  v1::OptimizerSpec optimizer = SgdWith(1);
  bool is_bare = false;
  uint64_t clocks = 20;
  uint32_t min_in_sync = 1;
  LogLimits log;
};

// A server that may be dead or cut off, with its copy.
struct Node {
  std::unique_ptr<PartitionCopy> copy;
  uint64_t replica = 0;
  absl::Time cut_off_until = absl::InfinitePast();
  bool must_hear = true;  // It has not heard the newest directive.
};

class Cluster {
 public:
  Cluster(const JobOptions& job, size_t nodes, uint64_t seed, double loss)
      : job_(job), loss_(loss), random_(seed), nodes_(nodes) {
    directive_.set_job("job-1");
    directive_.set_state(v1::RUNNING);
    *directive_.mutable_segment()->mutable_consistency() = job.consistency;
    *directive_.mutable_roster() = RosterOf(kWorkers);
    directive_.set_granted_rounds(100000);
    directive_.mutable_spec()->mutable_fleet()->set_min_in_sync(job.min_in_sync);
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
    for (Node& node : nodes_) node.must_hear = true;
  }

  void Hear(size_t index) {
    Node& node = nodes_[index];
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
    options.replication.log = job_.log;
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
    Node& node = nodes_[primary()];
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
    size_t from = 0;
    std::function<void()> deliver;
  };
  double Uniform() { return std::uniform_real_distribution<double>(0, 1)(random_); }
  absl::Duration Delay() { return absl::Milliseconds(1 + 40 * Uniform() * loss_ * 4); }

  void Collect(size_t from) {
    Node& node = nodes_[from];
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
      messages_.push_back({now_ + shared->timeout, from,
                           [finish] { finish(absl::DeadlineExceededError("lost"), {}); }});
      for (int copies = Uniform() < loss_ ? 2 : 1; copies > 0; --copies) {
        if (Uniform() < loss_) continue;
        messages_.push_back({now_ + Delay(), from, [=] { Arrive(from, *shared, finish); }});
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
    Node& node = nodes_[to];
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
    messages_.push_back({now_ + Delay(), from, [=] {
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

  uint64_t Push(size_t node, uint64_t term, uint64_t worker, uint64_t clock) {
    v1::PushHeader header;
    *header.mutable_key() = key(term);
    *header.mutable_worker() = WorkerOf(absl::StrCat("w", worker + 1));
    header.set_clock(clock);
    header.set_base_version(is_sync() ? clock : 0);
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

  const JobOptions job_;
  double loss_;
  float corruption_ = 0;
  std::mt19937_64 random_;
  absl::Time now_ = absl::UnixEpoch();
  v1::JobDirective directive_;
  v1::PartitionPlacement placement_;
  std::vector<Node> nodes_;
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

// Workers that push all their clocks, each until it is acknowledged, one after another.
class Workers {
 public:
  explicit Workers(Cluster* cluster) : cluster_(cluster) {}

  bool is_done() const {
    return std::all_of(std::begin(states_), std::end(states_),
                       [&](const State& state) { return state.clock == cluster_->job_.clocks; });
  }

  void Step() {
    for (uint64_t worker = 0; worker < kWorkers; ++worker) Step(worker);
    Read();
  }

 private:
  struct State {
    uint64_t clock = 0;
    uint64_t call = 0;
    size_t node = 0;
    absl::Time since;
    absl::optional<double> total;
  };

  void Step(uint64_t worker) {
    State& state = states_[worker];
    if (state.clock == cluster_->job_.clocks) return;
    if (state.call != 0) {
      const Answer* const answer = cluster_->Find(state.call);
      const bool is_late = cluster_->now_ > state.since + absl::Milliseconds(700);
      if (answer == nullptr && !is_late) return;
      if (answer == nullptr && cluster_->IsThere(state.node)) {
        cluster_->nodes_[state.node].copy->OnCancel(state.call);
      }
      state.call = 0;
      state.total.reset();
      if (answer != nullptr && answer->status.ok()) Acknowledge(*answer, &state);
      if (state.clock == cluster_->job_.clocks) return;
    }
    // Some still speak with somebody who is no longer, or not yet, the primary.
    state.node = cluster_->Uniform() < 0.8
                     ? cluster_->primary()
                     : static_cast<size_t>(cluster_->Uniform() *
                                           static_cast<double>(cluster_->nodes_.size()));
    if (!cluster_->IsThere(state.node)) return;
    state.since = cluster_->now_;
    const uint64_t term = cluster_->Report(state.node).term();
    state.call = state.total.has_value()
                     ? cluster_->Settle(state.node, term, state.clock, *state.total)
                     : cluster_->Push(state.node, term, worker, state.clock);
  }

  void Acknowledge(const Answer& answer, State* state) {
    if (answer.header.awaiting_norm()) {
      double total = 0;
      for (const double norm : answer.header.square_norms()) total += norm;
      state->total = total;
      return;
    }
    newest_ = std::max(newest_, answer.header.version());
    ++state->clock;
  }

  // Whoever answers, it is never older than what was acknowledged before.
  void Read() {
    const auto node =
        static_cast<size_t>(cluster_->Uniform() * static_cast<double>(cluster_->nodes_.size()));
    if (!cluster_->IsThere(node)) return;
    const uint64_t call = cluster_->Pull(node, cluster_->Report(node).term());
    const Answer* const answer = cluster_->Find(call);
    if (answer == nullptr) return cluster_->nodes_[node].copy->OnCancel(call);
    if (!answer->status.ok()) return;
    CHECK(answer->header.version() >= newest_);
    newest_ = std::max(newest_, answer->header.version());
  }

  Cluster* const cluster_;
  State states_[kWorkers];
  uint64_t newest_ = 0;
};

v1::OptimizerSpec Adam() {
  v1::OptimizerSpec spec = SgdWith(1);
  spec.mutable_adam()->set_learning_rate(0.1f);
  spec.mutable_adam()->set_beta1(0.9f);
  spec.mutable_adam()->set_beta2(0.99f);
  spec.mutable_adam()->set_epsilon(1e-6f);
  return spec;
}

void Disturb(Cluster* cluster) {
  const double what = cluster->Uniform();
  const auto node =
      static_cast<size_t>(cluster->Uniform() * static_cast<double>(cluster->nodes_.size()));
  if (what < 0.3) {
    cluster->Kill(node);
  } else if (what < 0.5) {
    cluster->Depose(absl::Milliseconds(1500 * cluster->Uniform()));
  } else if (what < 0.75) {
    cluster->HandOver();
  } else {
    cluster->CutOff(node, absl::Milliseconds(1800 * cluster->Uniform()));
  }
}

struct Outcome {
  std::vector<float> parameters;
  v1::PartitionReport report;
  int installs = 0;
};

Outcome Train(const JobOptions& job, size_t nodes, uint64_t seed, double loss,
              double disturbances) {
  Cluster cluster(job, nodes, seed, loss);
  Workers workers(&cluster);
  while (!workers.is_done()) {
    cluster.Step();
    workers.Step();
    if (cluster.Uniform() < disturbances) Disturb(&cluster);
    if (cluster.now_ > absl::UnixEpoch() + absl::Seconds(600)) {
      UNSCOPED_INFO(cluster.placement_.ShortDebugString());
      for (size_t i = 0; i < nodes; ++i) {
        if (cluster.IsThere(i)) UNSCOPED_INFO(cluster.Report(i).ShortDebugString());
      }
      FAIL("the job does not end; seed " << seed);
    }
  }
  // In peace all copies come together.
  cluster.loss_ = 0;
  cluster.Run(absl::Seconds(8));
  Outcome outcome;
  outcome.parameters = cluster.Newest();
  outcome.report = cluster.Report(cluster.primary());
  outcome.installs = cluster.installs_;
  CHECK(cluster.diverged_ == 0);
  for (const v1::PartitionReplica& replica : cluster.placement_.replicas()) {
    CHECK(replica.in_sync());
  }
  for (size_t i = 0; i < nodes; ++i) {
    const v1::PartitionReport other = cluster.Report(i);
    CHECK(other.version() == outcome.report.version());
    CHECK(other.last_index() == other.committed_index());
    CHECK(other.samples() == outcome.report.samples());
    CHECK(other.pushes_applied() == outcome.report.pushes_applied());
  }
  return outcome;
}

std::vector<float> MinusSum(uint64_t clocks) {
  std::vector<float> sum(kElements);
  for (uint64_t worker = 0; worker < kWorkers; ++worker) {
    for (uint64_t clock = 0; clock < clocks; ++clock) {
      for (uint64_t i = 0; i < kElements; ++i) {
        sum[i] -= Cluster::GradientAt(worker, clock, i);
      }
    }
  }
  return sum;
}

constexpr uint64_t kSeeds = 25;

TEST_CASE("pushes count once through deaths, cuts and changes of role") {
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    for (const bool is_bare : {false, true}) {
      for (const bool is_ssp : {false, true}) {
        JobOptions job;
        job.is_bare = is_bare;
        job.consistency = is_ssp ? SspSpec(1) : AsyncSpec();
        INFO("seed " << seed << (is_bare ? " bare" : "") << (is_ssp ? " ssp" : " async"));
        const Outcome outcome = Train(job, 3, seed, 0.1, 0.02);
        CHECK(outcome.parameters == MinusSum(job.clocks));
        CHECK(outcome.report.version() == kWorkers * job.clocks);
        CHECK(outcome.report.pushes_applied() == kWorkers * job.clocks);
        if (!is_bare) CHECK(outcome.report.samples() == 3 * kWorkers * job.clocks);
      }
    }
  }
}

TEST_CASE("rounds give the same bits whatever happens to the servers") {
  for (const bool is_clipped : {false, true}) {
    JobOptions job;
    job.consistency = SyncSpec();
    job.optimizer = Adam();
    if (is_clipped) job.optimizer.set_clip_global_norm(0.25f);
    const Outcome alone = Train(job, 1, 1, 0, 0);
    REQUIRE(alone.report.version() == job.clocks);
    for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
      INFO("seed " << seed << (is_clipped ? " clipped" : ""));
      const Outcome outcome = Train(job, 3, seed, 0.1, 0.02);
      CHECK(outcome.parameters == alone.parameters);
      CHECK(outcome.report.version() == job.clocks);
      CHECK(outcome.report.samples() == 3 * kWorkers * job.clocks);
    }
  }
}

// The answer to a call, after that long.
absl::Status After(Cluster* cluster, uint64_t call, absl::Duration duration) {
  cluster->Run(duration);
  const Answer* const answer = cluster->Find(call);
  return answer == nullptr ? absl::UnknownError("parked") : answer->status;
}

TEST_CASE("an acknowledgement waits for every copy in sync, and says for whom") {
  JobOptions job;
  job.is_bare = true;
  Cluster cluster(job, 3, 1, 0);
  cluster.Run(absl::Seconds(1));
  cluster.CutOff(2, absl::Milliseconds(600));
  const uint64_t push = cluster.Push(0, 1, 0, 0);
  CHECK(absl::IsUnknown(After(&cluster, push, absl::Milliseconds(300))));
  const v1::PartitionReport report = cluster.Report(0);
  REQUIRE(report.waits_size() == 1);
  CHECK(report.waits(0).what() == "entry 1: copy on s2 has not acknowledged it");
  CHECK(report.waits(0).on(0) == "s2");

  CHECK(After(&cluster, push, absl::Seconds(2)).ok());
  CHECK(cluster.installs_ == 0);  // What it missed came out of the log.
}

TEST_CASE("a copy that is silent for too long goes, and comes back by the log's tail") {
  JobOptions job;
  job.is_bare = true;
  Cluster cluster(job, 3, 1, 0);
  cluster.Run(absl::Seconds(1));
  cluster.CutOff(2, absl::Seconds(4));
  const uint64_t push = cluster.Push(0, 1, 0, 0);
  CHECK(After(&cluster, push, absl::Seconds(3)).ok());
  CHECK_FALSE(cluster.ReplicaOf(2)->in_sync());
  cluster.Push(0, 1, 1, 0);

  cluster.Run(absl::Seconds(4));
  CHECK(cluster.ReplicaOf(2)->in_sync());
  CHECK(cluster.Report(2).version() == 2);
  CHECK(cluster.installs_ == 0);
}

TEST_CASE(
    "with fewer copies in sync than wanted pushes wait, and are applied when there are more") {
  for (const bool is_sync : {false, true}) {
    JobOptions job;
    if (is_sync) job.consistency = SyncSpec();
    job.min_in_sync = 2;
    Cluster cluster(job, 2, 1, 0);
    cluster.Run(absl::Seconds(1));
    cluster.Kill(1);
    cluster.CutOff(1, absl::Seconds(2));
    cluster.Run(absl::Milliseconds(50));
    const uint64_t first = cluster.Push(0, 1, 0, 0);
    const uint64_t second = cluster.Push(0, 1, 1, 0);
    cluster.Run(absl::Seconds(1));

    CHECK(cluster.Report(0).last_index() == 0);
    REQUIRE(cluster.Report(0).waits_size() == 2);
    CHECK(cluster.Report(0).waits(0).what() == "2 copies in sync; 1 is");

    CHECK(After(&cluster, first, absl::Seconds(3)).ok());
    CHECK(After(&cluster, second, absl::Seconds(0)).ok());
    CHECK(cluster.Report(0).version() == (is_sync ? 1 : 2));
  }
}

TEST_CASE("a deposed primary neither acknowledges nor answers") {
  JobOptions job;
  job.is_bare = true;
  Cluster cluster(job, 2, 1, 0);
  cluster.Run(absl::Seconds(1));
  cluster.Depose(absl::Seconds(3));
  const uint64_t push = cluster.Push(0, 1, 0, 0);
  cluster.Run(absl::Milliseconds(455));
  const uint64_t pull = cluster.Pull(0, 1);
  CHECK(absl::IsUnknown(After(&cluster, push, absl::Milliseconds(500))));
  CHECK(absl::IsUnknown(After(&cluster, pull, absl::ZeroDuration())));

  // The other one serves by now.
  const uint64_t again = cluster.Push(1, 2, 0, 0);
  CHECK(After(&cluster, again, absl::Milliseconds(100)).ok());
  // As soon as the old one hears of it, it says so.
  CHECK(absl::IsFailedPrecondition(After(&cluster, push, absl::Seconds(3))));
  CHECK(absl::IsFailedPrecondition(After(&cluster, pull, absl::ZeroDuration())));
  CHECK(cluster.Report(0).version() == 1);
}

TEST_CASE("a promoted copy serves when its promise is over") {
  JobOptions job;
  job.is_bare = true;
  Cluster cluster(job, 2, 1, 0);
  cluster.Run(absl::Seconds(1));
  cluster.Kill(0);
  cluster.Run(absl::Milliseconds(20));
  const uint64_t early = cluster.Pull(1, 2);
  CHECK(absl::IsUnavailable(After(&cluster, early, absl::ZeroDuration())));
  CHECK_THAT(std::string(cluster.Find(early)->status.message()), Catch::Contains("serves in"));
  cluster.Run(absl::Milliseconds(600));
  CHECK(After(&cluster, cluster.Pull(1, 2), absl::Milliseconds(100)).ok());
}

TEST_CASE("a copy with other bits is found and made anew") {
  JobOptions job;
  job.is_bare = true;
  Cluster cluster(job, 2, 1, 0);
  cluster.Run(absl::Seconds(1));
  cluster.corruption_ = 0.25f;
  CHECK(After(&cluster, cluster.Push(0, 1, 0, 0), absl::Milliseconds(50)).ok());
  cluster.corruption_ = 0;

  cluster.Run(absl::Seconds(2));
  CHECK(cluster.diverged_ == 1);
  CHECK(cluster.installs_ > 0);
  CHECK(cluster.ReplicaOf(1)->in_sync());
  CHECK(After(&cluster, cluster.Push(0, 1, 0, 1), absl::Seconds(1)).ok());
  const std::vector<float> wanted = cluster.Newest();
  cluster.Kill(0);
  CHECK(cluster.Newest() == wanted);
}

TEST_CASE("entries that come while a call is under way travel together") {
  JobOptions job;
  job.is_bare = true;
  job.clocks = 50;
  Cluster cluster(job, 2, 1, 0);
  cluster.Run(absl::Seconds(1));
  const int before = cluster.calls_;
  std::vector<uint64_t> pushes;
  for (uint64_t clock = 0; clock < 50; ++clock) pushes.push_back(cluster.Push(0, 1, 0, clock));
  cluster.Run(absl::Milliseconds(60));
  for (const uint64_t push : pushes) CHECK(After(&cluster, push, absl::ZeroDuration()).ok());
  CHECK(cluster.calls_ - before <= 3);
}

}  // namespace
}  // namespace paceline
