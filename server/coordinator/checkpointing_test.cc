// Checkpoints that a job takes.
#include <catch2/catch.hpp>

#include "common/testing/says.h"
#include "server/coordinator/test_cluster.h"

namespace paceline {
namespace {

using Status = v1::CheckpointStatus;

// Time goes by while all sync.
void Live(TestCluster* c, absl::Duration duration) {
  for (absl::Duration past; past < duration; past += absl::Milliseconds(500)) {
    c->Advance(absl::Milliseconds(500));
    c->SyncAll();
  }
}

TEST_CASE(
    "in sync a checkpoint is ordered in time, at a version that no partition can have passed") {
  TestCluster c;
  const std::string job = c.Running(TestCluster::CheckpointedSpec(), 1);
  c.ReportPrimary(job, 0, 3);
  Live(&c, absl::Seconds(9));
  c.ReportPrimary(job, 0, 3);
  CHECK(c.Describe(job).checkpoints().empty());
  Live(&c, absl::Seconds(1));

  c.ReportPrimary(job, 0, 4);

  c.SyncServer("s1");
  const v1::JobDirective* directive = c.ServerDirectiveOf("s1", job);
  REQUIRE(directive->has_checkpoint());
  CHECK(directive->checkpoint().id() == 1);
  CHECK(directive->checkpoint().path() == "/checkpoints");
  CHECK(directive->checkpoint().keep() == 3);
  CHECK(directive->checkpoint().exact_version() == c.DirectiveOf("w1", job)->granted_rounds());
  CHECK(directive->checkpoint().parts().empty());
  CHECK_FALSE(c.DirectiveOf("w1", job)->has_checkpoint());
  CHECK(c.NewestCheckpoint(job).state() == Status::WRITING);
}

TEST_CASE("in sync no more rounds are granted before every primary has heard of the order") {
  TestCluster c;
  const std::string job = c.Running(TestCluster::CheckpointedSpec(), 1);
  c.ReportPrimary(job, 0, 1);
  const v1::ServerSyncRequest unaware = c.ServerRequest("s1");
  c.TakeCheckpoint(job);
  v1::ServerSyncRequest request = unaware;
  v1::PartitionReport* report = request.add_partitions();
  report->set_job(job);
  report->set_term(1);
  report->set_replica(1);
  report->set_version(14);
  report->set_applied_below(56);
  c.Sync(request);
  c.SyncWorker("w1");
  CHECK(c.DirectiveOf("w1", job)->granted_rounds() == 16);

  c.ReportPrimary(job, 0, 14);  // Knows the newest directives.

  c.SyncWorker("w1");
  CHECK(c.DirectiveOf("w1", job)->granted_rounds() > 16);
  CHECK(c.ServerDirectiveOf("s1", job)->checkpoint().exact_version() == 16);
}

TEST_CASE("the manifest is ordered once all parts are written, and then the checkpoint is whole") {
  TestCluster c;
  const std::string job = c.Running(TestCluster::CheckpointedSpec(), 1);
  c.ReportPrimary(job, 0, 1);
  c.TakeCheckpoint(job);
  c.Advance(absl::Seconds(1));
  v1::CheckpointReport report;
  report.set_id(1);
  report.set_part(std::string(64, 'b'));
  report.set_version(16);
  report.set_bytes(500);
  c.ReportCheckpoint("s1", job, 0, 16, report);
  c.SyncServer("s1");
  REQUIRE(c.ServerDirectiveOf("s1", job)->checkpoint().parts_size() == 1);
  CHECK(c.ServerDirectiveOf("s1", job)->checkpoint().parts(0) == std::string(64, 'b'));
  CHECK(c.NewestCheckpoint(job).state() == Status::WRITING);

  report.set_committed(true);
  c.ReportCheckpoint("s1", job, 0, 16, report);

  const Status status = c.NewestCheckpoint(job);
  CHECK(status.state() == Status::WHOLE);
  CHECK(status.version() == 16);
  CHECK(status.bytes() == 500);
  CHECK(status.seconds() == 1);
  CHECK(status.path() == "/checkpoints");
  CHECK(c.HasEvent("checkpoint-written", "checkpoint 1 (version 16) is whole in /checkpoints"));
  c.SyncServer("s1");
  CHECK_FALSE(c.ServerDirectiveOf("s1", job)->has_checkpoint());
}

TEST_CASE("a checkpoint is ordered after so many rounds") {
  TestCluster c;
  v1::JobSpec spec = TestCluster::CheckpointedSpec();
  spec.mutable_checkpoint()->clear_every_s();
  spec.mutable_checkpoint()->set_every_rounds(6);
  const std::string job = c.Running(spec, 1);
  c.ReportPrimary(job, 0, 5);
  CHECK(c.Describe(job).checkpoints().empty());
  c.ReportPrimary(job, 0, 6);
  CHECK(c.NewestCheckpoint(job).id() == 1);
}

TEST_CASE("a job without a checkpoint section takes none by itself, but on request") {
  TestCluster c;
  v1::JobSpec spec = TestCluster::CheckpointedSpec();
  spec.clear_checkpoint();
  const std::string job = c.Running(TestCluster::Ssp(spec), 1);
  c.ReportPrimary(job, 0, 5);
  Live(&c, absl::Seconds(100));
  c.ReportPrimary(job, 0, 6);
  CHECK(c.Describe(job).checkpoints().empty());
  const absl::Status status = c.StatusOf(c.TakeCheckpoint(job));
  CHECK(status.code() == absl::StatusCode::kFailedPrecondition);
  CHECK(Says(status.message(), "has no place for checkpoints"));

  CHECK(c.Get<v1::TakeCheckpointReply>(c.TakeCheckpoint(job, "/tmp/x")).id() == 1);

  c.SyncServer("s1");
  CHECK(c.ServerDirectiveOf("s1", job)->checkpoint().path() == "/tmp/x");
  CHECK_FALSE(c.ServerDirectiveOf("s1", job)->checkpoint().has_exact_version());
}

TEST_CASE("a checkpoint that cannot be taken is refused and nothing is ordered") {
  TestCluster c;
  CHECK(c.StatusOf(c.TakeCheckpoint("none-1")).code() == absl::StatusCode::kNotFound);
  const std::string job = c.MustSubmit(TestCluster::CheckpointedSpec());
  CHECK(Says(c.StatusOf(c.TakeCheckpoint(job)).message(), "is WAITING"));
  c.RegisterServer("s1");
  c.RegisterWorker("w1");
  c.ReportFacts("w1", job);
  CHECK(c.StatusOf(c.TakeCheckpoint(job)).code() == absl::StatusCode::kUnavailable);
  c.ReportPrimary(job, 0, 1);
  CHECK(c.StatusOf(c.TakeCheckpoint(job, "x")).code() == absl::StatusCode::kInvalidArgument);
  c.store().FailCommits(absl::ResourceExhaustedError("disk full"));
  CHECK(c.StatusOf(c.TakeCheckpoint(job)).code() == absl::StatusCode::kUnavailable);
  c.store().FailCommits(absl::OkStatus());
  c.Advance(absl::Milliseconds(200));
  CHECK(c.Describe(job).checkpoints().empty());
  c.Cancel(job, "");
  CHECK(c.StatusOf(c.TakeCheckpoint(job)).code() == absl::StatusCode::kFailedPrecondition);
}

TEST_CASE("a job whose folder is an earlier fleet's gets one of its own beside it") {
  TestCluster c;
  const std::string job = c.Running(TestCluster::CheckpointedSpec(), 1);
  c.ReportPrimary(job, 0, 1);
  c.TakeCheckpoint(job);
  c.SyncServer("s1");
  CHECK(c.ServerDirectiveOf("s1", job)->checkpoint().first());
  v1::CheckpointReport taken = TestCluster::CheckpointError(1, "it is another job's");
  taken.set_taken(true);

  c.ReportCheckpoint("s1", job, 0, 16, taken);

  v1::CheckpointStatus newest = c.NewestCheckpoint(job);
  // Nothing has failed: the order has another number, and its place is the job's own.
  CHECK(c.Describe(job).checkpoints_size() == 1);
  CHECK_FALSE(c.HasEvent("checkpoint-failed"));
  CHECK(newest.id() == 2);
  CHECK(newest.state() == v1::CheckpointStatus::WRITING);
  const std::string place = newest.path();
  CHECK(place.find("/checkpoints/toy-1-") == 0);
  CHECK(place.size() == std::string("/checkpoints/toy-1-12345678").size());
  CHECK(c.HasEvent("checkpoint-moved",
                   "checkpoint 1: partition 0: it is another job's; it becomes checkpoint 2, "));
  CHECK(c.HasEvent("checkpoint-moved", "and this job's go to " + place + " from now on"));
  // What is still on its way says nothing of it.
  c.ReportCheckpoint("s1", job, 0, 16, taken);
  CHECK(c.NewestCheckpoint(job).state() == v1::CheckpointStatus::WRITING);
  c.SyncServer("s1");
  CHECK(c.ServerDirectiveOf("s1", job)->checkpoint().path() == place);
  c.WriteCheckpoint(job, 2, 16);
  CHECK(c.NewestCheckpoint(job).state() == v1::CheckpointStatus::WHOLE);

  // From then on, whoever asks for the old place.
  c.Restart();
  c.SyncAll();
  c.ReportPrimary(job, 0, 20);
  c.TakeCheckpoint(job, "/checkpoints");
  CHECK(c.NewestCheckpoint(job).path() == place);
  c.SyncServer("s1");
  CHECK_FALSE(c.ServerDirectiveOf("s1", job)->checkpoint().first());
  // There is one such place.
  taken.set_id(3);
  c.ReportCheckpoint("s1", job, 0, 20, taken);
  CHECK(c.NewestCheckpoint(job).id() == 3);
  CHECK(c.NewestCheckpoint(job).state() == v1::CheckpointStatus::FAILED);
}

TEST_CASE("one that is being written already is returned instead") {
  TestCluster c;
  const std::string job = c.Running(TestCluster::CheckpointedSpec(), 1);
  c.ReportPrimary(job, 0, 1);
  CHECK(c.Get<v1::TakeCheckpointReply>(c.TakeCheckpoint(job)).id() == 1);
  CHECK(c.Get<v1::TakeCheckpointReply>(c.TakeCheckpoint(job)).id() == 1);
  CHECK(c.Describe(job).checkpoints_size() == 1);
}

TEST_CASE("a failed checkpoint is told, training goes on, and the next comes a little later") {
  TestCluster c;
  const std::string job = c.Running(TestCluster::CheckpointedSpec(), 1);
  Live(&c, absl::Seconds(10));
  c.ReportPrimary(job, 0, 1);
  c.ReportCheckpoint("s1", job, 0, 2, TestCluster::CheckpointError(1, "no space left on device"));

  CHECK(c.NewestCheckpoint(job).state() == Status::FAILED);
  CHECK(c.NewestCheckpoint(job).error() == "partition 0: no space left on device");
  CHECK(c.HasEvent("checkpoint-failed", "checkpoint 1 is not written: partition 0: no space"));
  CHECK(c.Describe(job).state() == v1::RUNNING);
  Live(&c, absl::Seconds(4.5));
  c.ReportPrimary(job, 0, 3);
  CHECK(c.NewestCheckpoint(job).id() == 1);
  Live(&c, absl::Seconds(0.5));
  c.ReportPrimary(job, 0, 4);
  CHECK(c.NewestCheckpoint(job).id() == 2);
}

TEST_CASE("an order fails when the primary changes, and when nothing is heard of it") {
  TestCluster c;
  const std::string job = c.Replicated(2, 2, TestCluster::Ssp(TestCluster::CheckpointedSpec()));
  c.ReportPrimary(job, 0, 1);
  c.TakeCheckpoint(job);
  c.RegisterServer("s1");
  CHECK(Says(c.NewestCheckpoint(job).error(), "partition 0 has another primary (s2)"));

  c.ReportPrimary(job, 0, 2);
  c.TakeCheckpoint(job);
  Live(&c, absl::Seconds(60));
  c.ReportPrimary(job, 0, 3);
  CHECK(Says(c.Describe(job).checkpoints(1).error(), "no news for 1m: 0 of 1 partitions"));
}

TEST_CASE("a restarted coordinator carries an order on") {
  TestCluster c;
  const std::string job = c.Running(TestCluster::CheckpointedSpec(), 1);
  c.ReportPrimary(job, 0, 1);
  c.TakeCheckpoint(job);
  c.SyncServer("s1");
  const v1::CheckpointOrder before = c.ServerDirectiveOf("s1", job)->checkpoint();

  c.Restart();
  c.SyncAll();

  const v1::CheckpointOrder after = c.ServerDirectiveOf("s1", job)->checkpoint();
  CHECK(after.SerializeAsString() == before.SerializeAsString());
  c.WriteCheckpoint(job, 1, 16);
  CHECK(c.NewestCheckpoint(job).state() == Status::WHOLE);
  c.Restart();
  CHECK(c.NewestCheckpoint(job).version() == 16);
}

TEST_CASE("after a restart a checkpoint in sync is one of what was reserved before") {
  TestCluster c;
  v1::JobSpec spec = TestCluster::CheckpointedSpec();
  spec.mutable_train()->set_epochs(1000);
  const std::string job = c.Running(spec, 1);
  c.ReportPartitions("s1", job, 0, 0);
  // 16 rounds are granted, and 64 and 16 more may be without another write.
  REQUIRE(c.ServerDirectiveOf("s1", job) != nullptr);
  c.Restart();
  c.SyncAll();
  c.ReportPartitions("s1", job, 4, 16);

  c.TakeCheckpoint(job);

  c.SyncServer("s1");
  CHECK(c.ServerDirectiveOf("s1", job)->checkpoint().exact_version() == 96);
  // It waits for that, for as long as the job comes nearer.
  for (uint64_t version = 5; version <= 90; ++version) {
    Live(&c, absl::Seconds(5));
    c.ReportPartitions("s1", job, version, 4 * version);
  }
  CHECK(c.NewestCheckpoint(job).state() == Status::WRITING);
}

TEST_CASE("a job that ends gives its order up") {
  TestCluster c;
  const std::string job = c.Running(TestCluster::CheckpointedSpec(), 1);
  c.ReportPrimary(job, 0, 1);
  c.TakeCheckpoint(job);
  c.Cancel(job, "");
  CHECK(c.NewestCheckpoint(job).error() == "the job has ended");
}

TEST_CASE("a status shows the newest evaluations and the best one") {
  TestCluster c;
  v1::JobSpec spec = TestCluster::CheckpointedSpec();
  spec.mutable_train()->set_epochs(1000);
  const std::string job = c.Running(spec, 1);
  v1::WorkerSyncRequest request = c.WorkerRequest("w1");
  request.add_jobs()->set_job(job);
  for (uint32_t epoch = 1; epoch <= 300; ++epoch) {
    v1::Evaluation* evaluation = request.mutable_jobs(0)->add_evaluations();
    evaluation->set_epoch(epoch);
    evaluation->set_accuracy(epoch == 7 ? 0.9 : 0.5);
  }
  c.Sync(request);

  const v1::JobStatus status = c.Describe(job);
  REQUIRE(status.evaluations_size() == 101);
  CHECK(status.evaluations(0).epoch() == 7);
  CHECK(status.evaluations(1).epoch() == 201);
  CHECK(status.evaluations(100).epoch() == 300);
}

}  // namespace
}  // namespace paceline
