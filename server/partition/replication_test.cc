// Nothing acknowledged is lost, nothing counts twice, no copy has other bits, and no read is older
// than an acknowledgement that came before it, whatever happens to the servers.
#include <algorithm>
#include <catch2/catch.hpp>
#include <map>

#include "server/partition/copy_cluster.h"

namespace paceline {
namespace {

// Workers that push all their clocks, each until it is acknowledged, one after another.
class Workers {
 public:
  explicit Workers(CopyCluster* cluster) : cluster_(cluster) {}

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

  CopyCluster* const cluster_;
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

void Disturb(CopyCluster* cluster) {
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

Outcome Train(const CopyJob& job, size_t nodes, uint64_t seed, double loss, double disturbances) {
  CopyCluster cluster(job, nodes, seed, loss);
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
        sum[i] -= CopyCluster::GradientAt(worker, clock, i);
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
        CopyJob job;
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
    CopyJob job;
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
absl::Status After(CopyCluster* cluster, uint64_t call, absl::Duration duration) {
  cluster->Run(duration);
  const Answer* const answer = cluster->Find(call);
  return answer == nullptr ? absl::UnknownError("parked") : answer->status;
}

TEST_CASE("an acknowledgement waits for every copy in sync, and says for whom") {
  CopyJob job;
  job.is_bare = true;
  CopyCluster cluster(job, 3, 1, 0);
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
  CopyJob job;
  job.is_bare = true;
  CopyCluster cluster(job, 3, 1, 0);
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
    CopyJob job;
    if (is_sync) job.consistency = SyncSpec();
    job.min_in_sync = 2;
    CopyCluster cluster(job, 2, 1, 0);
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
  CopyJob job;
  job.is_bare = true;
  CopyCluster cluster(job, 2, 1, 0);
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
  CopyJob job;
  job.is_bare = true;
  CopyCluster cluster(job, 2, 1, 0);
  cluster.Run(absl::Seconds(1));
  cluster.Kill(0);
  cluster.Run(absl::Milliseconds(20));
  const uint64_t early = cluster.Pull(1, 2);
  CHECK(absl::IsUnavailable(After(&cluster, early, absl::ZeroDuration())));
  CHECK_THAT(std::string(cluster.Find(early)->status.message()), Catch::Contains("serves in"));
  cluster.Run(absl::Milliseconds(600));
  CHECK(After(&cluster, cluster.Pull(1, 2), absl::Milliseconds(100)).ok());
}

TEST_CASE("a promoted copy that is the last one left answers with all that was acknowledged") {
  CopyJob job;
  job.is_bare = true;
  CopyCluster cluster(job, 2, 1, 0);
  cluster.Run(absl::Seconds(1));
  // The backup has the entry and does not know yet that it is committed.
  CHECK(After(&cluster, cluster.Push(0, 1, 0, 0), absl::Milliseconds(20)).ok());
  REQUIRE(cluster.Report(1).version() == 0);
  cluster.CutOff(0, absl::Seconds(5));
  cluster.HandOver();
  cluster.Run(absl::Milliseconds(600));
  const uint64_t pull = cluster.Pull(1, 2);
  CHECK(cluster.Find(pull) == nullptr);

  // The silent one is taken out.
  CHECK(After(&cluster, pull, absl::Seconds(2)).ok());

  CHECK(cluster.Find(pull)->header.version() == 1);
}

TEST_CASE("a copy with other bits is found and made anew") {
  CopyJob job;
  job.is_bare = true;
  CopyCluster cluster(job, 2, 1, 0);
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
  CopyJob job;
  job.is_bare = true;
  job.clocks = 50;
  CopyCluster cluster(job, 2, 1, 0);
  cluster.Run(absl::Seconds(1));
  const int before = cluster.calls_;
  std::vector<uint64_t> pushes;
  for (uint64_t clock = 0; clock < 50; ++clock) pushes.push_back(cluster.Push(0, 1, 0, clock));
  cluster.Run(absl::Milliseconds(60));
  for (const uint64_t push : pushes) CHECK(After(&cluster, push, absl::ZeroDuration()).ok());
  CHECK(cluster.calls_ - before <= 3);
}

TEST_CASE("a promoted copy takes a push on a version that it has and does not know committed") {
  CopyJob job;
  job.is_bare = true;
  CopyCluster cluster(job, 3, 1, 0);
  cluster.Run(absl::Seconds(1));
  cluster.CutOff(2, absl::Seconds(2));
  cluster.Push(0, 1, 0, 0);
  cluster.Run(absl::Milliseconds(50));
  cluster.Kill(0);
  cluster.Run(absl::Milliseconds(600));
  REQUIRE(cluster.primary() == 1);
  REQUIRE(cluster.Report(1).version() == 0);
  REQUIRE(cluster.Report(1).last_index() == 1);

  const uint64_t on_log = cluster.Push(1, 2, 1, 0, /*base_version=*/1);
  const uint64_t on_nothing = cluster.Push(1, 2, 1, 1, /*base_version=*/3);

  CHECK(absl::IsInvalidArgument(After(&cluster, on_nothing, absl::ZeroDuration())));
  CHECK(After(&cluster, on_log, absl::Seconds(4)).ok());
  CHECK(cluster.Report(1).version() == 2);
}

TEST_CASE("acks: leader: what only the primary had goes with it, and its sender may push again") {
  CopyJob job;
  job.acks_leader = true;
  CopyCluster cluster(job, 2, 1, 0);
  cluster.Run(absl::Seconds(1));
  CHECK(After(&cluster, cluster.Push(0, 1, 0, 0), absl::ZeroDuration()).ok());
  cluster.Run(absl::Milliseconds(100));
  // Nobody is cut off in this one's eyes, but the entries are still on their way.
  CHECK(After(&cluster, cluster.Push(0, 1, 1, 0), absl::ZeroDuration()).ok());
  cluster.messages_.clear();
  CHECK(cluster.Report(0).last_index() == 2);
  CHECK(cluster.Report(0).version() == 1);
  CHECK(cluster.Report(0).samples() == 3);
  cluster.Kill(0);
  cluster.Run(absl::Milliseconds(600));
  REQUIRE(cluster.primary() == 1);
  CHECK(cluster.Report(1).last_index() == 1);
  CHECK(cluster.Report(1).first_index() == 1);

  // The other worker goes on, on a version that is gone; the lost data shard is computed again.
  CHECK(After(&cluster, cluster.Push(1, 2, 0, 1, /*base_version=*/2), absl::ZeroDuration()).ok());
  CHECK(After(&cluster, cluster.Push(1, 2, 1, 0, /*base_version=*/2), absl::ZeroDuration()).ok());
  cluster.Run(absl::Seconds(8));
  for (size_t i = 0; i < 2; ++i) {
    CHECK(cluster.Report(i).version() == 3);
    CHECK(cluster.Report(i).samples() == 9);
  }
}

TEST_CASE("acks: leader: a primary that is cut off acknowledges nothing once another may serve") {
  CopyJob job;
  job.is_bare = true;
  job.acks_leader = true;
  CopyCluster cluster(job, 2, 1, 0);
  cluster.Run(absl::Seconds(1));
  cluster.Depose(absl::Seconds(3));
  CHECK(After(&cluster, cluster.Push(0, 1, 0, 0), absl::ZeroDuration()).ok());  // In the window.
  cluster.Run(absl::Milliseconds(455));
  const uint64_t push = cluster.Push(0, 1, 0, 1);
  CHECK(absl::IsUnknown(After(&cluster, push, absl::Milliseconds(500))));
  CHECK(After(&cluster, cluster.Push(1, 2, 1, 0), absl::ZeroDuration()).ok());

  CHECK(absl::IsFailedPrecondition(After(&cluster, push, absl::Seconds(3))));
  // What it had applied is no part of the log: it gets the partition whole.
  cluster.Run(absl::Seconds(4));
  CHECK(cluster.installs_ > 0);
  CHECK(cluster.Report(0).version() == 1);
  CHECK(cluster.ReplicaOf(0)->in_sync());
}

}  // namespace
}  // namespace paceline
