// A job from its submission to its end.
#include <catch2/catch.hpp>

#include "common/testing/says.h"
#include "server/coordinator/test_cluster.h"

namespace paceline {
namespace {

v1::ConsistencySpec Ssp(uint32_t staleness) {
  v1::ConsistencySpec consistency;
  consistency.mutable_ssp()->set_staleness(staleness);
  return consistency;
}

TEST_CASE("a job waits, runs, is evaluated and finishes") {
  TestCluster c;
  const std::string job = c.MustSubmit(TestCluster::Spec());
  CHECK(job == "toy-1");
  CHECK(Says(c.Describe(job).reason(), "waiting for a worker"));
  c.RegisterWorker("w1");
  CHECK(Says(c.Describe(job).reason(), "waiting for w1 to read the data"));
  c.ReportFacts("w1", job);
  CHECK(Says(c.Describe(job).reason(), "waiting for a server: none is registered"));

  c.RegisterServer("s1");
  REQUIRE(c.Describe(job).state() == v1::RUNNING);
  REQUIRE(c.ServerDirectiveOf("s1", job) != nullptr);
  CHECK(c.ServerDirectiveOf("s1", job)->placement(0).address() == "s1:7000");
  c.SyncWorker("w1");
  // 2 epochs of 8 data shards in rounds of 4.
  CHECK(c.DirectiveOf("w1", job)->granted_rounds() == 4);

  c.Advance(absl::Milliseconds(500));
  c.ReportPartitions("s1", job, 3, 12);
  v1::JobStatus status = c.Describe(job);
  CHECK(status.version() == 3);
  CHECK(status.version_total() == 4);
  CHECK(status.epoch() == 1);
  CHECK(status.samples() == 120);
  CHECK(status.samples_total() == 160);
  CHECK(status.recent_loss() == Approx(0.5));
  CHECK(status.epoch_loss() == Approx(0.5));
  CHECK(status.samples_per_s() == Approx(240));
  CHECK(status.wall_s() == Approx(0.5));

  c.ReportEvaluation("w1", job, 1, false);
  c.ReportPartitions("s1", job, 4, 16);
  CHECK(c.Describe(job).state() == v1::EVALUATING);
  c.SyncWorker("w1");
  CHECK(c.DirectiveOf("w1", job)->evaluate());
  c.ReportEvaluation("w1", job, 2, true);

  status = c.Describe(job);
  CHECK(status.state() == v1::FINISHED);
  CHECK(status.weights_sha256() == std::string(64, 'a'));
  CHECK(status.evaluations_size() == 2);
  CHECK(status.evaluations(1).final());
  CHECK(status.samples() == 160);
  CHECK(status.spec().name() == "toy");
  c.SyncAll();
  CHECK(c.DirectiveOf("w1", job) == nullptr);
  CHECK(c.ServerDirectiveOf("s1", job)->state() == v1::FINISHED);
  CHECK(c.HasEvent("job-finished"));
}

TEST_CASE("a submission is repeated safely and its id is not taken for another spec") {
  TestCluster c;
  const uint64_t first = c.Submit(TestCluster::Spec(), "abc");
  const uint64_t again = c.Submit(TestCluster::Spec(), "abc");
  CHECK(c.Get<v1::SubmitJobReply>(again).job() == c.Get<v1::SubmitJobReply>(first).job());

  v1::JobSpec other = TestCluster::Spec();
  other.set_seed(9);
  CHECK(c.StatusOf(c.Submit(other, "abc")).code() == absl::StatusCode::kAlreadyExists);
  c.Restart();
  CHECK(c.Get<v1::SubmitJobReply>(c.Submit(TestCluster::Spec(), "abc")).job() == "toy-1");

  other.mutable_train()->set_epochs(0);
  CHECK(c.StatusOf(c.Submit(other, "abd")).code() == absl::StatusCode::kInvalidArgument);
  CHECK(c.StatusOf(c.Submit(TestCluster::Spec(), "")).code() ==
        absl::StatusCode::kInvalidArgument);
}

TEST_CASE("fewer servers than wanted are waited for, for one lease") {
  TestCluster c;
  v1::JobSpec spec = TestCluster::Spec();
  spec.mutable_fleet()->set_servers(2);
  const std::string job = c.MustSubmit(spec);
  c.RegisterServer("s1");
  c.RegisterWorker("w1");
  c.ReportFacts("w1", job);
  CHECK(Says(c.Describe(job).reason(), "waiting for 2 servers: 1 registered; starts without"));

  for (int i = 0; i < 10; ++i) {
    c.Advance(absl::Milliseconds(200));
    c.SyncAll();
  }

  CHECK(c.Describe(job).state() == v1::RUNNING);
}

TEST_CASE("nothing is placed on a server that has not said that it knows its incarnation") {
  TestCluster c;
  const std::string job = c.MustSubmit(TestCluster::BareSpec());
  v1::ServerSyncRequest request;
  request.mutable_server()->set_id("s1");
  request.set_release("0.1.0");
  request.set_address("s1:7000");
  c.Sync(request);
  CHECK(c.Describe(job).reason() == "waiting for a server's next sync");

  // The answer was lost: it registers once more.
  c.Sync(request);
  CHECK(c.Describe(job).state() == v1::WAITING);
  c.SyncServer("s1");

  CHECK(c.Describe(job).state() == v1::RUNNING);
}

TEST_CASE("a job whose server is lost fails with that reason") {
  TestCluster c;
  const std::string job = c.Running(TestCluster::Spec(), 1);
  for (int i = 0; i < 10; ++i) {
    c.Advance(absl::Milliseconds(200));
    c.SyncWorker("w1");
  }

  const v1::JobStatus status = c.Describe(job);

  CHECK(status.state() == v1::FAILED);
  CHECK(Says(status.reason(), "server s1 expired: no sync for 2s; it held 1 of 1 partitions"));
  CHECK(c.HasEvent("server-expired"));
}

TEST_CASE("a server that restarts has lost its partitions") {
  TestCluster c;
  const std::string job = c.Running(TestCluster::Spec(), 1);

  c.RegisterServer("s1");

  CHECK(c.Describe(job).state() == v1::FAILED);
  CHECK(Says(c.Describe(job).reason(), "server s1 restarted"));
  CHECK(c.ServerDirectiveOf("s1", job) == nullptr);
}

TEST_CASE("if the evaluating worker dies another is asked") {
  TestCluster c;
  const std::string job = c.Running(TestCluster::Spec(2), 2);
  c.ReportPartitions("s1", job, 4, 16);
  c.SyncAll();
  REQUIRE(c.DirectiveOf("w1", job)->evaluate());
  CHECK_FALSE(c.DirectiveOf("w2", job)->evaluate());

  for (int i = 0; i < 11; ++i) {
    c.Advance(absl::Milliseconds(200));
    c.SyncServer("s1");
    c.SyncWorker("w2");
  }

  CHECK(c.DirectiveOf("w2", job)->evaluate());
  CHECK(c.Describe(job).reason() == "w2 evaluates the final parameters");
}

TEST_CASE("a cancelled job stays cancelled") {
  TestCluster c;
  const std::string job = c.Running(TestCluster::Spec(), 1);

  CHECK(c.Get<v1::CancelJobReply>(c.Cancel(job, "wrong data")).state() == v1::CANCELLED);
  CHECK(c.Get<v1::CancelJobReply>(c.Cancel(job, "again")).state() == v1::CANCELLED);

  CHECK(c.Describe(job).reason() == "cancelled: wrong data");
  CHECK(c.StatusOf(c.Cancel("none-1", "")).code() == absl::StatusCode::kNotFound);
  CHECK(c.StatusOf(c.SetConsistency(job, Ssp(1))).code() ==
        absl::StatusCode::kFailedPrecondition);
}

TEST_CASE("only the newest ended jobs are kept, in the store too") {
  CoordinatorOptions options = TestCluster::DefaultOptions();
  options.ended_jobs_kept = 1;
  TestCluster c(options);
  c.Cancel(c.MustSubmit(TestCluster::Spec()), "");
  c.Cancel(c.MustSubmit(TestCluster::Spec()), "");

  CHECK(c.store().Range("job/")->size() == 1);
  CHECK(c.Describe("toy-2").state() == v1::CANCELLED);
  CHECK(c.HasEvent("job-dropped"));
  CHECK(c.StatusOf(c.Cancel("toy-1", "")).code() == absl::StatusCode::kNotFound);
}

TEST_CASE("status names a silent worker and the work it owes") {
  TestCluster c;
  const std::string job = c.Running(TestCluster::Spec(2), 2);
  c.ReportPartitions("s1", job, 1, 4);
  for (int i = 0; i < 7; ++i) {
    c.Advance(absl::Milliseconds(200));
    c.SyncServer("s1");
    c.SyncWorker("w1");
  }

  CHECK(c.Describe(job).reason() ==
        "waiting for w2 (no sync for 1.4 s; expires in 0.6 s): round 1, data shards 6..7");
}

TEST_CASE("a store that refuses writes leaves everything as it was until it takes them again") {
  TestCluster c;
  const std::string job = c.MustSubmit(TestCluster::Spec());
  c.RegisterServer("s1");
  c.RegisterWorker("w1");
  c.store().FailCommits(absl::ResourceExhaustedError("disk full"));

  const absl::Status submit = c.StatusOf(c.Submit(TestCluster::Spec(), "later"));
  CHECK(submit.code() == absl::StatusCode::kUnavailable);
  CHECK(Says(submit.message(), "disk full"));
  CHECK(c.StatusOf(c.Cancel(job, "")).code() == absl::StatusCode::kUnavailable);
  CHECK(c.StatusOf(c.RegisterWorker("w2")).code() == absl::StatusCode::kUnavailable);
  c.ReportFacts("w1", job);
  CHECK(c.Describe(job).state() == v1::WAITING);
  CHECK(Says(c.Describe(job).reason(), "disk full"));
  CHECK(c.HasEvent("store-failed"));

  c.store().FailCommits(absl::OkStatus());
  c.Advance(absl::Milliseconds(200));
  CHECK(c.Describe(job).state() == v1::RUNNING);
  CHECK(c.HasEvent("store-recovered"));
  CHECK(c.Get<v1::SubmitJobReply>(c.Submit(TestCluster::Spec(), "later")).job() == "toy-2");
}

TEST_CASE("a job of very many evaluations is dropped in steps that a store takes") {
  CoordinatorOptions options = TestCluster::DefaultOptions();
  options.ended_jobs_kept = 0;
  TestCluster c(options);
  const std::string job = c.Running(TestCluster::Spec(), 1);
  for (uint32_t epoch = 0; epoch < 9000; epoch += 1000) {
    v1::WorkerSyncRequest request = c.WorkerRequest("w1");
    v1::WorkerJobReport* report = request.add_jobs();
    report->set_job(job);
    for (uint32_t i = 0; i < 1000; ++i) report->add_evaluations()->set_epoch(epoch + i);
    c.Sync(request);
  }
  REQUIRE(c.store().Range("evaluation/")->size() == 9000);

  c.Cancel(job, "");

  CHECK(c.store().Range("evaluation/")->empty());
  CHECK(c.store().Range("job/")->empty());
  CHECK(c.store().writes_max() <= 4001);
}

TEST_CASE("refused pushes show as an event") {
  TestCluster c;
  const std::string job = c.Running(TestCluster::Spec(), 1);
  v1::ServerSyncRequest request = c.ServerRequest("s1");
  v1::PartitionReport* report = request.add_partitions();
  report->set_job(job);
  report->set_term(1);
  report->set_pushes_invalid(1);
  report->set_last_invalid("w1: gradient holds NaN at element 3");

  c.Sync(request);

  CHECK(c.HasEvent("push-invalid", "gradient holds NaN at element 3"));
}

TEST_CASE("a library client joins a job with bare parameters") {
  TestCluster c;
  const std::string job = c.MustSubmit(TestCluster::BareSpec());
  CHECK(Says(c.Describe(job).reason(), "waiting for a server"));
  c.RegisterServer("s1");
  CHECK(c.Describe(job).state() == v1::RUNNING);

  c.RegisterWorker("c1", 0, job);
  REQUIRE(c.DirectiveOf("c1", job) != nullptr);
  CHECK(c.DirectiveOf("c1", job)->roster().members(0).worker().id() == "c1");
  CHECK(c.StatusOf(c.RegisterWorker("c2", 0, "none-1")).code() == absl::StatusCode::kNotFound);
  const std::string model = c.MustSubmit(TestCluster::Spec());
  CHECK(c.StatusOf(c.RegisterWorker("c2", 0, model)).code() ==
        absl::StatusCode::kInvalidArgument);
  CHECK(c.StatusOf(c.Lease("c1", job, 1)).code() == absl::StatusCode::kFailedPrecondition);

  c.Cancel(job, "done");
  v1::WorkerSyncRequest sync = c.WorkerRequest("c1");
  sync.set_slots(0);
  sync.set_join_job(job);
  c.Sync(sync);
  CHECK(c.DirectiveOf("c1", job)->state() == v1::CANCELLED);
}

}  // namespace
}  // namespace paceline
