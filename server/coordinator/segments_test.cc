// Rounds, runs, changes of mode, and what a restarted coordinator knows of them.
#include <catch2/catch.hpp>

#include "common/testing/says.h"
#include "server/coordinator/test_cluster.h"

namespace paceline {
namespace {

using Runs = std::vector<uint64_t>;

v1::ConsistencySpec Ssp(uint32_t staleness) {
  v1::ConsistencySpec consistency;
  consistency.mutable_ssp()->set_staleness(staleness);
  return consistency;
}

v1::JobSpec SspSpec(uint32_t workers, uint32_t epochs = 1) {
  v1::JobSpec spec = TestCluster::Spec(workers);
  spec.mutable_train()->set_epochs(epochs);
  *spec.mutable_consistency() = Ssp(1);
  return spec;
}

Runs RunsOf(const v1::LeaseReply& reply) { return {reply.runs().begin(), reply.runs().end()}; }

// One epoch is 8 data shards: 4 runs of 2.
TEST_CASE("runs are leased once every partition has been heard, and end in none left and idle") {
  TestCluster c;
  const std::string job = c.Running(SspSpec(1), 1);
  const uint64_t first = c.Lease("w1", job, 3);
  CHECK(c.Find(first) == nullptr);
  c.ReportPartitions("s1", job, 0, 0);
  CHECK(RunsOf(c.Get<v1::LeaseReply>(first)) == Runs{0, 1, 2});
  CHECK(RunsOf(c.Get<v1::LeaseReply>(c.Lease("w1", job, 3))) == Runs{3});

  // It holds runs that no partition has applied: more may become known.
  const uint64_t last = c.Lease("w1", job, 3);
  CHECK(c.Find(last) == nullptr);
  c.Advance(absl::Milliseconds(200));
  CHECK_FALSE(c.Get<v1::LeaseReply>(last).none_left());
  c.ReportPartitions("s1", job, 3, 6);
  c.ReportPartitions("s1", job, 4, 8);
  CHECK(c.Describe(job).state() == v1::EVALUATING);
  CHECK(c.Get<v1::LeaseReply>(c.Lease("w1", job, 3)).none_left());
}

TEST_CASE("the runs of a dead worker are granted again, and the idle one is called back") {
  TestCluster c;
  const std::string job = c.Running(SspSpec(2), 2);
  c.ReportPartitions("s1", job, 0, 0);
  CHECK(RunsOf(c.Get<v1::LeaseReply>(c.Lease("w1", job, 2))) == Runs{0, 1});
  CHECK(RunsOf(c.Get<v1::LeaseReply>(c.Lease("w2", job, 2))) == Runs{2, 3});
  c.ReportClock("w1", job, 2);
  c.ReportPartitions("s1", job, 2, 4);
  CHECK(c.Get<v1::LeaseReply>(c.Lease("w1", job, 2)).none_left());
  CHECK(c.Describe(job).roster().members(0).idle());
  CHECK_FALSE(c.Describe(job).roster().members(1).idle());

  for (int i = 0; i < 10; ++i) {
    c.Advance(absl::Milliseconds(200));
    c.SyncServer("s1");
    c.SyncWorker("w1");
  }

  CHECK(c.DirectiveOf("w1", job)->roster().members_size() == 1);
  const auto reply = c.Get<v1::LeaseReply>(c.Lease("w1", job, 4));
  CHECK(RunsOf(reply) == Runs{2, 3});
  CHECK(reply.start_clock() == 3);
  CHECK_FALSE(c.Describe(job).roster().members(0).idle());
}

TEST_CASE("a lease is for a member of the roster and the present segment") {
  TestCluster c;
  const std::string job = c.Running(SspSpec(1), 1);
  c.ReportPartitions("s1", job, 0, 0);
  c.RegisterWorker("w2");

  CHECK(c.StatusOf(c.Lease("w1", "none-1", 1)).code() == absl::StatusCode::kNotFound);
  CHECK(c.StatusOf(c.Lease("w2", job, 1)).code() == absl::StatusCode::kFailedPrecondition);
  CHECK(c.StatusOf(c.Lease("w1", job, 1, 1)).code() == absl::StatusCode::kFailedPrecondition);
  CHECK(c.StatusOf(c.Lease("w1", job, 0)).code() == absl::StatusCode::kInvalidArgument);
  CHECK(c.StatusOf(c.Lease("w1", job, 65)).code() == absl::StatusCode::kInvalidArgument);
}

TEST_CASE("a late worker starts at the largest clock reported plus one") {
  TestCluster c;
  const std::string job = c.Running(SspSpec(2, 100), 1);
  c.ReportPartitions("s1", job, 0, 0);
  c.ReportClock("w1", job, 41);

  c.RegisterWorker("w2");
  c.ReportFacts("w2", job);

  CHECK(c.Describe(job).roster().members(1).start_clock() == 42);
}

// 50 epochs of 8 data shards: 100 rounds of 4.
v1::JobSpec LongSync() {
  v1::JobSpec spec = TestCluster::Spec(1);
  spec.mutable_train()->set_epochs(50);
  return spec;
}

TEST_CASE("rounds are granted ahead of the reports, and frozen while the mode changes") {
  TestCluster c;
  const std::string job = c.Running(LongSync(), 1);
  CHECK(c.DirectiveOf("w1", job)->granted_rounds() == 16);
  c.ReportPartitions("s1", job, 8, 32);
  c.SyncWorker("w1");
  CHECK(c.DirectiveOf("w1", job)->granted_rounds() == 24);

  CHECK(c.Get<v1::SetConsistencyReply>(c.SetConsistency(job, Ssp(3))).segment() == 1);
  CHECK(c.Get<v1::SetConsistencyReply>(c.SetConsistency(job, Ssp(3))).segment() == 1);
  CHECK(c.StatusOf(c.SetConsistency(job, Ssp(4))).code() ==
        absl::StatusCode::kFailedPrecondition);
  CHECK(c.Describe(job).pending_consistency().ssp().staleness() == 3);
  c.ReportPartitions("s1", job, 23, 92);
  c.SyncWorker("w1");
  CHECK(c.DirectiveOf("w1", job)->granted_rounds() == 24);
  CHECK(Says(c.Describe(job).reason(), "changing its mode"));

  c.ReportPartitions("s1", job, 24, 96);
  c.SyncAll();

  const v1::JobDirective* directive = c.DirectiveOf("w1", job);
  CHECK(directive->segment().index() == 1);
  CHECK(directive->segment().first_version() == 24);
  CHECK(directive->segment().first_shard() == 96);
  CHECK(directive->segment().consistency().ssp().staleness() == 3);
  CHECK_FALSE(c.Describe(job).has_pending_consistency());
  CHECK(RunsOf(c.Get<v1::LeaseReply>(c.Lease("w1", job, 2, 1))) == Runs{0, 1});
  CHECK(c.Get<v1::SetConsistencyReply>(c.SetConsistency(job, Ssp(3))).segment() == 1);
}

TEST_CASE("a change from ssp takes effect when all leased runs are applied") {
  TestCluster c;
  const std::string job = c.Running(SspSpec(1, 10), 1);
  c.ReportPartitions("s1", job, 0, 0);
  c.Lease("w1", job, 3);
  v1::ConsistencySpec sync;
  sync.mutable_sync();

  CHECK(c.Get<v1::SetConsistencyReply>(c.SetConsistency(job, sync)).segment() == 1);
  const uint64_t more = c.Lease("w1", job, 3);
  CHECK(c.Find(more) == nullptr);
  c.ReportPartitions("s1", job, 3, 6);

  CHECK(c.StatusOf(more).code() == absl::StatusCode::kFailedPrecondition);
  c.SyncWorker("w1");
  CHECK(c.DirectiveOf("w1", job)->segment().first_shard() == 6);
  CHECK(c.DirectiveOf("w1", job)->segment().first_version() == 3);
  CHECK(c.DirectiveOf("w1", job)->granted_rounds() == 16);
}

TEST_CASE("a quorum's rounds are granted as those of sync, and the mode changes both ways") {
  TestCluster c;
  const std::string job = c.Running(LongSync(), 1);
  c.ReportPartitions("s1", job, 0, 0);
  v1::ConsistencySpec quorum;
  quorum.mutable_quorum()->set_workers(TestCluster::Spec().fleet().workers() + 1);
  CHECK(absl::IsInvalidArgument(c.StatusOf(c.SetConsistency(job, quorum))));
  quorum.mutable_quorum()->set_workers(1);
  CHECK(c.Get<v1::SetConsistencyReply>(c.SetConsistency(job, quorum)).segment() == 1);
  c.ReportPartitions("s1", job, 16, 64);
  c.SyncWorker("w1");
  const v1::JobDirective* directive = c.DirectiveOf("w1", job);
  CHECK(directive->segment().consistency().quorum().workers() == 1);
  CHECK(directive->segment().first_shard() == 64);
  CHECK(directive->segment().first_version() == 16);
  CHECK(directive->granted_rounds() == 16);
  CHECK(c.StatusOf(c.Lease("w1", job, 2, 1)).message() ==
        job + " has no runs to lease: it is working in rounds");

  CHECK(c.Get<v1::SetConsistencyReply>(c.SetConsistency(job, Ssp(3))).segment() == 2);
  c.ReportPartitions("s1", job, 32, 128);
  c.SyncWorker("w1");
  CHECK(c.DirectiveOf("w1", job)->segment().consistency().has_ssp());
  CHECK(c.DirectiveOf("w1", job)->segment().first_shard() == 128);
}

TEST_CASE("a job that waits takes another mode at once") {
  TestCluster c;
  const std::string job = c.MustSubmit(TestCluster::Spec());
  CHECK(c.Get<v1::SetConsistencyReply>(c.SetConsistency(job, Ssp(2))).segment() == 0);
  CHECK(c.Describe(job).segment().consistency().ssp().staleness() == 2);
}

TEST_CASE("no change of mode is begun when all work is granted") {
  TestCluster c;
  const std::string job = c.Running(TestCluster::Spec(), 1);
  CHECK(c.StatusOf(c.SetConsistency(job, Ssp(2))).code() ==
        absl::StatusCode::kFailedPrecondition);
}

TEST_CASE("a restarted coordinator goes on with the same members, versions and places") {
  TestCluster c;
  const std::string job = c.Running(LongSync(), 1);
  const v1::JobDirective before = *c.DirectiveOf("w1", job);
  const uint64_t known = c.WorkerRequest("w1").known_version();
  c.Advance(absl::Milliseconds(1900));

  c.Restart();
  c.Advance(absl::Milliseconds(1900));
  CHECK(c.Describe(job).roster().members_size() == 1);
  CHECK(c.Describe(job).state() == v1::RUNNING);
  c.SyncAll();

  const v1::JobDirective* after = c.DirectiveOf("w1", job);
  CHECK(c.WorkerRequest("w1").known_version() > known);
  CHECK(after->roster().version() == before.roster().version());
  CHECK(after->placement(0).server_incarnation() == before.placement(0).server_incarnation());
  CHECK(after->granted_rounds() >= before.granted_rounds());
  CHECK(c.Get<v1::WorkerSyncReply>(c.RegisterWorker("w9")).worker().incarnation() == 3);
}

TEST_CASE("a restarted coordinator that does not hear a server expires it after one lease") {
  TestCluster c;
  const std::string job = c.Running(LongSync(), 1);
  c.Restart();

  c.AdvanceHearing("w1", absl::Milliseconds(2200));

  CHECK(c.Describe(job).state() == v1::FAILED);
}

TEST_CASE("after a restart nothing is granted or finished before every partition has reported") {
  TestCluster c;
  const std::string job = c.Running(SspSpec(1), 1);
  c.ReportPartitions("s1", job, 0, 0);
  CHECK(RunsOf(c.Get<v1::LeaseReply>(c.Lease("w1", job, 2))) == Runs{0, 1});
  c.Restart();
  c.SyncAll();

  const uint64_t lease = c.Lease("w1", job, 4);
  CHECK(c.Find(lease) == nullptr);
  c.ReportPartitions("s1", job, 1, 2);

  // Run 0 is applied; who holds run 1 is not known.
  CHECK(RunsOf(c.Get<v1::LeaseReply>(lease)) == Runs{1, 2, 3});
}

TEST_CASE("after a restart the cut of a change lies above all that may have been granted") {
  TestCluster c;
  const std::string job = c.Running(SspSpec(1, 1000), 1);
  c.ReportPartitions("s1", job, 0, 0);
  c.Lease("w1", job, 2);
  c.Restart();
  c.SyncAll();
  c.ReportPartitions("s1", job, 0, 0);
  v1::ConsistencySpec sync;
  sync.mutable_sync();

  c.SetConsistency(job, sync);
  c.ReportPartitions("s1", job, 2, 4);

  CHECK(c.Describe(job).segment().index() == 0);
  CHECK(c.Describe(job).has_pending_consistency());
}

TEST_CASE("a new member of an ssp job waits until the old ones are heard after a restart") {
  TestCluster c;
  const std::string job = c.Running(SspSpec(2, 100), 1);
  c.ReportPartitions("s1", job, 0, 0);
  c.ReportClock("w1", job, 70);
  c.Restart();
  c.SyncServer("s1");
  c.RegisterWorker("w2");
  c.ReportFacts("w2", job);
  CHECK(c.Describe(job).roster().members_size() == 1);

  c.ReportClock("w1", job, 72);

  REQUIRE(c.Describe(job).roster().members_size() == 2);
  CHECK(c.Describe(job).roster().members(1).start_clock() == 73);
}

TEST_CASE("what an ended job was is known after a restart") {
  TestCluster c;
  const std::string job = c.Running(TestCluster::Spec(), 1);
  c.ReportPartitions("s1", job, 4, 16);
  c.ReportEvaluation("w1", job, 2, true);
  const v1::JobStatus before = c.Describe(job);

  c.Restart();

  const v1::JobStatus after = c.Describe(job);
  CHECK(after.state() == v1::FINISHED);
  CHECK(after.samples() == 160);
  CHECK(after.weights_sha256() == before.weights_sha256());
  CHECK(after.evaluations_size() == 1);
  CHECK(after.wall_s() == before.wall_s());
}

}  // namespace
}  // namespace paceline
