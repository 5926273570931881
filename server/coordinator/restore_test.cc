// What a job goes back to when it has lost its state, and jobs that begin from a checkpoint.
#include <catch2/catch.hpp>
#include <set>

#include "common/testing/says.h"
#include "server/coordinator/test_cluster.h"

namespace paceline {
namespace {

using Runs = std::vector<uint64_t>;
using Status = v1::CheckpointStatus;

Runs RunsOf(const v1::LeaseReply& reply) { return {reply.runs().begin(), reply.runs().end()}; }

// A running job with one partition on s1 that has come to `version` and has checkpoint 1 of there.
std::string WithCheckpoint(TestCluster* c, uint64_t version,
                           v1::JobSpec spec = TestCluster::CheckpointedSpec()) {
  const std::string job = c->Running(spec, 1);
  c->ReportPrimary(job, 0, version);
  REQUIRE(c->Get<v1::TakeCheckpointReply>(c->TakeCheckpoint(job)).id() == 1);
  c->SyncServer("s1");
  c->WriteCheckpoint(job, 1, version);
  REQUIRE(c->NewestCheckpoint(job).state() == Status::WHOLE);
  return job;
}

v1::StartingPoint Start(const v1::ConsistencySpec& consistency, uint64_t version, uint64_t shard) {
  v1::StartingPoint start;
  start.mutable_origin()->set_path("/checkpoints");
  start.mutable_origin()->set_job("old-7");
  start.mutable_origin()->set_id(12);
  *start.mutable_segment()->mutable_consistency() = consistency;
  start.mutable_segment()->set_first_version(version);
  start.mutable_segment()->set_first_shard(shard);
  start.mutable_facts()->set_features(4);
  start.mutable_facts()->set_train_samples(80);
  start.mutable_facts()->set_eval_samples(8);
  start.mutable_facts()->set_fingerprint("f00d");
  start.mutable_facts()->set_kernel_signature("another machine");
  return start;
}

std::string RunningFrom(TestCluster* c, const v1::JobSpec& spec, const v1::StartingPoint& start) {
  const std::string job = c->Get<v1::SubmitJobReply>(c->Submit(spec, "from", &start)).job();
  c->RegisterServer("s1");
  c->RegisterWorker("w1");
  c->ReportFacts("w1", job);
  c->SyncAll();
  REQUIRE(c->Describe(job).state() == v1::RUNNING);
  return job;
}

TEST_CASE("a job that has lost its state goes back to its checkpoint") {
  TestCluster c;
  const std::string job = WithCheckpoint(&c, 16);
  c.ReportPrimary(job, 0, 30);
  const v1::PartitionPlacement before = c.Describe(job).placement(0);
  for (int i = 0; i < 20; ++i) {
    c.Advance(absl::Milliseconds(100));
    c.SyncWorker("w1");
  }
  CHECK(c.Describe(job).state() == v1::RUNNING);
  CHECK(c.Describe(job).reason() ==
        "going back to checkpoint 1 (server s1 expired: no sync for 2s; it held 1 of 1 partitions "
        "(replicas: 1)): waiting for a server: none is registered");
  CHECK(c.Describe(job).version() == 0);
  CHECK(c.DirectiveOf("w1", job)->placement(0).server().empty());
  CHECK(c.StatusOf(c.TakeCheckpoint(job)).code() == absl::StatusCode::kFailedPrecondition);

  c.RegisterServer("s2");
  c.SyncAll();

  CHECK(c.CopiesOf(job, 0) == "s2*");
  const v1::PartitionPlacement after = c.Describe(job).placement(0);
  CHECK(after.term() == before.term() + 1);
  CHECK(after.config() > before.config());
  CHECK(after.replicas(0).id() > before.replicas(0).id());
  const v1::JobDirective* directive = c.ServerDirectiveOf("s2", job);
  CHECK(directive->restore().path() == "/checkpoints");
  CHECK(directive->restore().job() == job);
  CHECK(directive->restore().id() == 1);
  CHECK(directive->segment().index() == 1);
  CHECK(directive->segment().first_version() == 0);
  CHECK(c.DirectiveOf("w1", job)->segment().index() == 1);
  CHECK(c.HasEvent("job-restored", "goes back to checkpoint 1 (version 16) on s2: server s1"));
  CHECK(Says(c.Describe(job).reason(), "waiting for the first report of every partition"));

  c.ReportPrimary(job, 0, 16);
  c.SyncWorker("w1");
  CHECK(c.Describe(job).version() == 16);
  CHECK(c.DirectiveOf("w1", job)->granted_rounds() == 32);
  CHECK(c.Describe(job).reason() == "training: round 16 of 100");
  // Its checkpoints go on where they were.
  CHECK(c.Get<v1::TakeCheckpointReply>(c.TakeCheckpoint(job)).id() == 2);
}

TEST_CASE("a restored job waits for as many servers as at its start, up to a lease") {
  TestCluster c;
  v1::JobSpec spec = TestCluster::CheckpointedSpec();
  spec.mutable_fleet()->set_servers(2);
  c.RegisterServer("s2");
  const std::string job = WithCheckpoint(&c, 16, spec);
  v1::ServerSyncRequest leaving = c.ServerRequest("s1");
  leaving.set_leaving(true);
  c.Sync(leaving);

  CHECK(Says(c.Describe(job).reason(), "waiting for 2 servers: 1 registered"));
  for (int i = 0; i < 20; ++i) {
    c.Advance(absl::Milliseconds(100));
    c.SyncServer("s2");
    c.SyncWorker("w1");
  }

  CHECK(c.CopiesOf(job, 0) == "s2*");
}

TEST_CASE("after the whole fleet's restart a job goes on from its checkpoint") {
  TestCluster c;
  const std::string job = WithCheckpoint(&c, 16);
  c.Restart();
  c.RegisterServer("t1");
  CHECK(c.CopiesOf(job, 0) == "s1*");
  for (int i = 0; i < 20; ++i) {
    c.Advance(absl::Milliseconds(100));
    c.SyncServer("t1");
  }
  CHECK(c.CopiesOf(job, 0) == "t1*");
  c.Restart();  // While it waits for the first report.
  c.RegisterWorker("v1");
  c.SyncServer("t1");
  c.ReportFacts("v1", job);
  CHECK(c.ServerDirectiveOf("t1", job)->restore().id() == 1);
  c.ReportPrimary(job, 0, 16);

  CHECK(c.Describe(job).version() == 16);
  CHECK(c.Describe(job).roster().members_size() == 1);
}

TEST_CASE("a coordinator that restarts while a job waits for servers still knows where it goes") {
  TestCluster c;
  const std::string job = WithCheckpoint(&c, 16);
  v1::ServerSyncRequest leaving = c.ServerRequest("s1");
  leaving.set_leaving(true);
  c.Sync(leaving);
  c.Restart();
  CHECK(Says(c.Describe(job).reason(), "going back to checkpoint 1 (server s1 left;"));
  c.RegisterServer("s2");
  CHECK(c.CopiesOf(job, 0) == "s2*");
}

TEST_CASE("in ssp what only some partitions had applied is granted again") {
  TestCluster c;
  const std::string job = WithCheckpoint(&c, 3, TestCluster::Ssp(TestCluster::CheckpointedSpec()));
  c.ReportClock("w1", job, 41);
  c.RegisterServer("s1");  // It has restarted.
  c.SyncAll();
  CHECK(c.DirectiveOf("w1", job)->roster().members(0).start_clock() == 42);
  CHECK(c.StatusOf(c.Lease("w1", job, 2, 0)).code() == absl::StatusCode::kFailedPrecondition);
  const uint64_t lease = c.Lease("w1", job, 4, 1);
  CHECK(c.Find(lease) == nullptr);
  v1::ServerSyncRequest request = c.ServerRequest("s1");
  v1::PartitionReport* report = request.add_partitions();
  report->set_job(job);
  report->set_term(2);
  report->set_segment(1);
  report->set_version(3);
  report->set_applied_below(2);
  for (const uint64_t first : {4, 8}) {
    report->add_applied()->set_first(first);
    report->mutable_applied()->rbegin()->set_count(2);
  }

  c.Sync(request);

  // Runs 0, 2 and 4 are applied; 1 and 3 were granted to somebody.
  CHECK(RunsOf(c.Get<v1::LeaseReply>(lease)) == Runs{1, 3, 5, 6});
}

TEST_CASE("a job that was evaluated goes back too, and may report its evaluations anew") {
  TestCluster c;
  const std::string job = WithCheckpoint(&c, 16);
  c.ReportEvaluation("w1", job, 9, false);
  c.ReportPrimary(job, 0, 100);
  CHECK(c.Describe(job).state() == v1::EVALUATING);
  c.RegisterServer("s1");
  CHECK(c.Describe(job).state() == v1::RUNNING);
  c.SyncAll();
  CHECK_FALSE(c.DirectiveOf("w1", job)->evaluate());
  c.ReportEvaluation("w1", job, 50, true);
  CHECK(c.Describe(job).state() == v1::RUNNING);

  v1::WorkerSyncRequest request = c.WorkerRequest("w1");
  v1::Evaluation* evaluation = request.add_jobs()->add_evaluations();
  request.mutable_jobs(0)->set_job(job);
  evaluation->set_epoch(9);
  evaluation->set_loss(0.5);
  c.Sync(request);

  REQUIRE(c.Describe(job).evaluations_size() == 1);
  CHECK(c.Describe(job).evaluations(0).loss() == 0.5);
}

TEST_CASE("a checkpoint that cannot be read is passed over for the one before it") {
  TestCluster c;
  const std::string job = WithCheckpoint(&c, 16);
  c.TakeCheckpoint(job);
  c.SyncServer("s1");
  c.WriteCheckpoint(job, 2, 32);
  c.RegisterServer("s1");
  c.SyncAll();
  REQUIRE(c.ServerDirectiveOf("s1", job)->restore().id() == 2);
  const uint64_t config = c.Describe(job).placement(0).config();

  c.ReportCheckpoint("s1", job, 0, 0,
                     TestCluster::CheckpointError(2, "chunk 3f/3fa0 has 60 bytes, wanted 64"));

  CHECK(c.HasEvent("checkpoint-unusable", "checkpoint 2 cannot be read: chunk 3f/3fa0 has 60"));
  c.SyncAll();
  CHECK(c.ServerDirectiveOf("s1", job)->restore().id() == 1);
  CHECK(c.ServerDirectiveOf("s1", job)->segment().index() == 2);
  CHECK(c.Describe(job).placement(0).config() > config);
  CHECK(c.CopiesOf(job, 0) == "s1*");
  CHECK(c.Describe(job).checkpoints(1).state() == Status::FAILED);

  c.ReportCheckpoint("s1", job, 0, 0, TestCluster::CheckpointError(1, "manifest is gone"));

  CHECK(c.Describe(job).state() == v1::FAILED);
  CHECK(c.Describe(job).reason() ==
        "server s1 restarted; it held 1 of 1 partitions (replicas: 1); checkpoint 2 cannot be "
        "read: s1: partition 0: chunk 3f/3fa0 has 60 bytes, wanted 64; checkpoint 1 cannot be "
        "read: s1: partition 0: manifest is gone");
}

TEST_CASE("an error about another checkpoint than the one gone back to changes nothing") {
  TestCluster c;
  const std::string job = WithCheckpoint(&c, 16);
  c.RegisterServer("s1");
  c.SyncAll();
  c.ReportCheckpoint("s1", job, 0, 0, TestCluster::CheckpointError(7, "no such thing"));
  CHECK(c.ServerDirectiveOf("s1", job)->restore().id() == 1);
  CHECK(c.Describe(job).state() == v1::RUNNING);
}

TEST_CASE("a copy that cannot begin is made anew from one that could") {
  TestCluster c;
  v1::JobSpec spec = TestCluster::CheckpointedSpec();
  const std::string job = c.Replicated(2, 2, spec);
  c.ReportPrimary(job, 0, 5);
  c.TakeCheckpoint(job);
  c.WriteCheckpoint(job, 1, 16);
  c.RegisterServer("s1");
  c.RegisterServer("s2");
  c.SyncAll();
  REQUIRE(c.CopiesOf(job, 0) == "s1* s2");
  REQUIRE(c.ServerDirectiveOf("s2", job)->has_restore());

  c.ReportCheckpoint("s1", job, 0, 0, TestCluster::CheckpointError(1, "not mounted here"));

  CHECK(c.CopiesOf(job, 0) == "s2* s1~");
  CHECK(c.HasEvent("replica-removed",
                   "the copy on s1 is gone: checkpoint 1 cannot be read: not mounted here"));
  CHECK(c.Describe(job).state() == v1::RUNNING);
  CHECK_FALSE(c.HasEvent("checkpoint-unusable"));
}

TEST_CASE("a job begins from a checkpoint in sync, at the version that the first report brings") {
  TestCluster c;
  v1::JobSpec spec = TestCluster::CheckpointedSpec();
  spec.mutable_fleet()->set_layout_servers(2);
  v1::ConsistencySpec sync;
  sync.mutable_sync();
  const std::string job = RunningFrom(&c, spec, Start(sync, 20, 80));

  const v1::JobDirective* directive = c.ServerDirectiveOf("s1", job);
  CHECK(directive->restore().job() == "old-7");
  CHECK(directive->restore().id() == 12);
  CHECK(directive->segment().index() == 0);
  CHECK(directive->segment().first_version() == 20);
  CHECK(directive->segment().first_shard() == 80);
  CHECK(directive->spec().fleet().layout_servers() == 2);
  c.ReportPrimary(job, 0, 25);
  c.SyncWorker("w1");
  CHECK(c.DirectiveOf("w1", job)->granted_rounds() == 5 + 16);
  CHECK(c.Describe(job).version() == 25);
  CHECK(c.Describe(job).version_total() == 100);
  CHECK(c.Describe(job).checkpoints().empty());
  CHECK(c.Get<v1::TakeCheckpointReply>(c.TakeCheckpoint(job)).id() == 13);
  // A worker that comes later is not waited for at clocks that nobody reaches.
  CHECK(c.Describe(job).roster().members(0).start_clock() == 21);
  c.ReportPrimary(job, 0, 100);
  CHECK(c.Describe(job).state() == v1::EVALUATING);
}

TEST_CASE("a job begins from a checkpoint in ssp with the runs that are not applied") {
  TestCluster c;
  const v1::JobSpec spec = TestCluster::Ssp(TestCluster::CheckpointedSpec());
  const std::string job = RunningFrom(&c, spec, Start(spec.consistency(), 20, 80));
  const uint64_t lease = c.Lease("w1", job, 3);
  CHECK(c.Find(lease) == nullptr);
  v1::ServerSyncRequest request = c.ServerRequest("s1");
  v1::PartitionReport* report = request.add_partitions();
  report->set_job(job);
  report->set_term(1);
  report->set_version(23);
  report->set_applied_below(84);
  report->add_applied()->set_first(86);
  report->mutable_applied(0)->set_count(2);
  c.Sync(request);

  CHECK(RunsOf(c.Get<v1::LeaseReply>(lease)) == Runs{2, 4, 5});
}

TEST_CASE("a job whose spec wants another mode than its checkpoint has changes to it at once") {
  TestCluster c;
  v1::ConsistencySpec sync;
  sync.mutable_sync();
  const std::string job =
      RunningFrom(&c, TestCluster::Ssp(TestCluster::CheckpointedSpec()), Start(sync, 20, 80));
  CHECK(c.Describe(job).segment().consistency().has_sync());
  c.ReportPrimary(job, 0, 25);
  CHECK(c.Describe(job).pending_consistency().ssp().staleness() == 1);
  CHECK(c.HasEvent("mode-change-requested", "the spec wants another mode"));

  c.ReportPrimary(job, 0, 36);

  CHECK(c.Describe(job).segment().index() == 1);
  CHECK(c.Describe(job).segment().consistency().has_ssp());
}

TEST_CASE("the data must be those that the checkpoint was trained on, the kernels need not be") {
  TestCluster c;
  v1::ConsistencySpec sync;
  sync.mutable_sync();
  const v1::StartingPoint start = Start(sync, 20, 80);
  const std::string job =
      c.Get<v1::SubmitJobReply>(c.Submit(TestCluster::CheckpointedSpec(), "from", &start)).job();
  CHECK(Says(c.StatusOf(c.SetConsistency(
                            job, TestCluster::Ssp(TestCluster::CheckpointedSpec()).consistency()))
                 .message(),
             "begins from a checkpoint"));
  c.RegisterServer("s1");
  c.RegisterWorker("w1");
  c.ReportFacts("w1", job, 90);
  CHECK(c.Describe(job).state() == v1::FAILED);
  CHECK(Says(c.Describe(job).reason(), "other data than the checkpoint was trained on"));
}

TEST_CASE("a bad starting point is refused and no job is made") {
  TestCluster c;
  v1::ConsistencySpec sync;
  sync.mutable_sync();
  v1::StartingPoint start = Start(sync, 20, 401);
  const absl::Status status = c.StatusOf(c.Submit(TestCluster::CheckpointedSpec(), "from", &start));
  CHECK(status.code() == absl::StatusCode::kInvalidArgument);
  CHECK(Says(status.message(), "first_shard is 401; the job has 400 data shards"));
  start = Start(sync, 20, 80);
  start.mutable_facts()->set_train_samples(0);
  CHECK(Says(c.StatusOf(c.Submit(TestCluster::CheckpointedSpec(), "from", &start)).message(),
             "start.facts have 0"));
  start = Start(sync, 20, 80);
  start.mutable_origin()->set_path("relative");
  CHECK_FALSE(c.StatusOf(c.Submit(TestCluster::CheckpointedSpec(), "from", &start)).ok());
  start = Start(sync, 20, 80);
  CHECK(c.StatusOf(c.Submit(TestCluster::CheckpointedSpec(), "from", &start)).ok());
  CHECK(c.StatusOf(c.Submit(TestCluster::CheckpointedSpec(), "from", &start)).ok());
  CHECK(c.StatusOf(c.Submit(TestCluster::CheckpointedSpec(), "from")).code() ==
        absl::StatusCode::kAlreadyExists);
}

TEST_CASE("a job that loses its state before its first checkpoint begins again where it began") {
  TestCluster c;
  v1::ConsistencySpec sync;
  sync.mutable_sync();
  const std::string job = RunningFrom(&c, TestCluster::CheckpointedSpec(), Start(sync, 20, 80));
  c.ReportPrimary(job, 0, 25);
  c.RegisterServer("s1");
  c.SyncAll();
  CHECK(c.ServerDirectiveOf("s1", job)->restore().job() == "old-7");
  CHECK(c.ServerDirectiveOf("s1", job)->segment().index() == 1);
  c.ReportCheckpoint("s1", job, 0, 0, TestCluster::CheckpointError(12, "gone"));
  CHECK(Says(c.Describe(job).reason(), "checkpoint 12 of old-7 cannot be read: s1"));
  CHECK(c.Describe(job).state() == v1::FAILED);
}

TEST_CASE("a restored job that was sync all along still wants the same kernels of everybody") {
  TestCluster c;
  v1::JobSpec spec = TestCluster::CheckpointedSpec();
  spec.mutable_fleet()->set_workers(2);
  const std::string job = WithCheckpoint(&c, 16, spec);
  c.RegisterServer("s1");
  c.RegisterWorker("w2");
  c.ReportFacts("w2", job, 80, "cuda");
  CHECK(c.HasEvent("worker-refused", "give other bits"));
}

TEST_CASE("a checkpoint that a job began from is kept until that job has one of its own") {
  TestCluster c;
  const std::string job = WithCheckpoint(&c, 16);
  v1::StartingPoint start = Start(TestCluster::CheckpointedSpec().consistency(), 16, 64);
  start.mutable_segment()->mutable_consistency()->mutable_sync();
  start.mutable_origin()->set_job(job);
  start.mutable_origin()->set_id(1);
  const std::string fork =
      c.Get<v1::SubmitJobReply>(c.Submit(TestCluster::CheckpointedSpec(), "fork", &start)).job();
  const auto pinned = [&] {
    c.TakeCheckpoint(job);
    c.SyncServer("s1");
    const v1::CheckpointOrder order = c.ServerDirectiveOf("s1", job)->checkpoint();
    c.WriteCheckpoint(job, order.id(), 16 + order.id());
    return std::set<uint64_t>(order.pinned().begin(), order.pinned().end());
  };
  CHECK(pinned() == std::set<uint64_t>{1});
  // And the one that the job itself would go back to.
  CHECK(pinned() == std::set<uint64_t>{1, 2});

  c.RegisterWorker("w2");
  c.ReportFacts("w2", fork);
  c.SyncAll();
  REQUIRE(c.Describe(fork).state() == v1::RUNNING);
  c.ReportPrimary(fork, 0, 17);
  c.TakeCheckpoint(fork);
  c.SyncServer("s1");
  c.WriteCheckpoint(fork, 2, 17);
  REQUIRE(c.NewestCheckpoint(fork).state() == Status::WHOLE);

  CHECK(pinned() == std::set<uint64_t>{3});
}

TEST_CASE("a change of mode waits until it is known where a restored job stands") {
  TestCluster c;
  v1::JobSpec spec = TestCluster::CheckpointedSpec();
  if (GENERATE(false, true)) spec = TestCluster::Ssp(spec);
  const std::string job = WithCheckpoint(&c, 16, spec);
  v1::ConsistencySpec async;
  async.mutable_async();
  v1::ServerSyncRequest leaving = c.ServerRequest("s1");
  leaving.set_leaving(true);
  c.Sync(leaving);
  CHECK(c.StatusOf(c.SetConsistency(job, async)).code() == absl::StatusCode::kUnavailable);
  c.RegisterServer("s2");
  c.SyncAll();
  REQUIRE(c.CopiesOf(job, 0) == "s2*");

  CHECK(Says(c.StatusOf(c.SetConsistency(job, async)), "first report of every partition"));

  c.ReportPrimary(job, 0, 16);
  CHECK(c.StatusOf(c.SetConsistency(job, async)).ok());
}

TEST_CASE("a job that began in the folder of its own name goes on there") {
  TestCluster c;
  v1::ConsistencySpec sync;
  sync.mutable_sync();
  v1::StartingPoint start = Start(sync, 16, 64);
  start.mutable_origin()->set_job(GENERATE("toy-1", "old-7"));
  const std::string job = RunningFrom(&c, TestCluster::CheckpointedSpec(), start);
  REQUIRE(job == "toy-1");
  c.ReportPrimary(job, 0, 17);
  c.TakeCheckpoint(job);
  c.SyncServer("s1");

  CHECK(c.ServerDirectiveOf("s1", job)->checkpoint().id() == 13);
  CHECK(c.ServerDirectiveOf("s1", job)->checkpoint().first() ==
        (start.origin().job() == "old-7"));
}

TEST_CASE("the rate of a job that began from a checkpoint leaves out what that held") {
  TestCluster c;
  v1::ConsistencySpec sync;
  sync.mutable_sync();
  v1::StartingPoint start = Start(sync, 2, 8);
  start.set_samples(80);
  const std::string job = RunningFrom(&c, TestCluster::Spec(), start);
  for (int i = 0; i < 20; ++i) {
    c.Advance(absl::Milliseconds(500));
    c.SyncAll();
  }
  c.ReportPartitions("s1", job, 4, 16);
  c.ReportEvaluation("w1", job, 2, true);

  REQUIRE(c.Describe(job).state() == v1::FINISHED);
  CHECK(c.Describe(job).samples() == 160);
  // 80 of them in 10 s.
  CHECK(c.Describe(job).samples_per_s() == Approx(8).margin(0.5));
}

TEST_CASE("a job with bare parameters begins in the mode of its spec only") {
  TestCluster c;
  v1::ConsistencySpec ssp;
  ssp.mutable_ssp()->set_staleness(2);
  v1::StartingPoint start = Start(ssp, 2, 0);
  start.clear_facts();

  const absl::Status status = c.StatusOf(c.Submit(TestCluster::BareSpec(), "from", &start));

  CHECK(status.code() == absl::StatusCode::kInvalidArgument);
  CHECK(Says(status, "start.segment.consistency is {ssp { staleness: 2 }}"));
  CHECK(Says(status, "wanted that of the spec, {async"));
}

}  // namespace
}  // namespace paceline
