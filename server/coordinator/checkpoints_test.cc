#include "server/coordinator/checkpoints.h"

#include <catch2/catch.hpp>

#include "common/testing/says.h"

namespace paceline {
namespace {

using Status = v1::CheckpointStatus;

const absl::Time kStart = absl::FromUnixSeconds(1000);

absl::Time At(double seconds) { return kStart + absl::Seconds(seconds); }

// A job with two partitions that began at kStart and takes a checkpoint each 60 s.
state::JobRecord Record() {
  state::JobRecord record;
  record.set_job("toy-1");
  record.set_state(v1::RUNNING);
  record.set_started_unix_s(1000);
  record.mutable_spec()->mutable_checkpoint()->set_path("/checkpoints");
  record.mutable_spec()->mutable_checkpoint()->set_every_s(60);
  record.mutable_segment()->mutable_consistency()->mutable_sync();
  for (uint32_t p = 0; p < 2; ++p) {
    v1::PartitionPlacement* place = record.add_placement();
    place->set_partition(p);
    place->set_term(5);
    place->set_config(7);
    place->set_server("s1");
    place->set_server_incarnation(2);
    place->set_address("s1:7000");
    place->add_replicas()->set_server("s1");
  }
  return record;
}

Status Outcome(const state::JobRecord& record, Status::State state, uint64_t version,
               double seconds = 1) {
  Status outcome = UnderWay(record)->status();
  outcome.set_state(state);
  outcome.set_version(version);
  outcome.set_seconds(seconds);
  return outcome;
}

void Took(state::JobRecord* record, absl::Time now, Status::State state, uint64_t version,
          const std::string& path = "/checkpoints") {
  AddOrder(path, now, record);
  EndOrder(Outcome(*record, state, version), 3, record);
}

std::vector<uint64_t> Ids(const state::JobRecord& record) {
  std::vector<uint64_t> ids;
  for (const auto& one : record.checkpoints()) ids.push_back(one.status().id());
  return ids;
}

v1::CheckpointReport Written(uint64_t version, uint64_t bytes = 10) {
  v1::CheckpointReport report;
  report.set_id(1);
  report.set_part(std::string(64, 'c'));
  report.set_version(version);
  report.set_bytes(bytes);
  return report;
}

TEST_CASE("a path for checkpoints is absolute and of bounded length") {
  CHECK(CheckCheckpointPath("path", "/a/b").ok());
  CHECK(Says(CheckCheckpointPath("path", "a/b").message(), "path is 'a/b' (3 bytes); wanted an"));
  CHECK_FALSE(CheckCheckpointPath("path", "").ok());
  CHECK_FALSE(CheckCheckpointPath("path", "/" + std::string(4096, 'a')).ok());
  CHECK_FALSE(CheckCheckpointPath("path", absl::string_view("/a\0b", 4)).ok());
}

TEST_CASE("a starting point that cannot be one is refused") {
  v1::StartingPoint good;
  good.mutable_origin()->set_path("/checkpoints");
  good.mutable_origin()->set_job("toy-1");
  good.mutable_origin()->set_id(3);
  good.mutable_segment()->mutable_consistency()->mutable_sync();
  good.mutable_facts()->set_features(4);
  CHECK(CheckStart(good, false).ok());
  CHECK(Says(CheckStart(good, true).message(), "start.facts is set"));

  const auto refusal = [&good](auto change) {
    v1::StartingPoint start = good;
    change(&start);
    const absl::Status status = CheckStart(start, false);
    CHECK(status.code() == absl::StatusCode::kInvalidArgument);
    return std::string(status.message());
  };
  using Start = v1::StartingPoint;
  CHECK(Says(refusal([](Start* s) { s->mutable_origin()->set_path("x"); }), "start.origin.path"));
  CHECK(Says(refusal([](Start* s) { s->mutable_origin()->set_job(".."); }), "is '..'"));
  CHECK(Says(refusal([](Start* s) { s->mutable_origin()->set_job("a/b"); }), "start.origin.job"));
  CHECK(Says(refusal([](Start* s) { s->mutable_origin()->clear_job(); }), "(0 bytes)"));
  CHECK(Says(refusal([](Start* s) { s->mutable_origin()->set_id(0); }), "start.origin.id is 0"));
  CHECK(Says(refusal([](Start* s) { s->mutable_segment()->set_index(2); }), "index is 2"));
  CHECK(Says(refusal([](Start* s) { s->mutable_segment()->clear_consistency(); }), "not set"));
  CHECK(Says(refusal([](Start* s) { s->clear_facts(); }), "start.facts is not set"));
}

TEST_CASE("a checkpoint is due by time, when there is something new") {
  state::JobRecord record = Record();
  CHECK_FALSE(IsCheckpointDue(record, 5, At(59.9)));
  CHECK(IsCheckpointDue(record, 5, At(60)));
  CHECK_FALSE(IsCheckpointDue(record, 0, At(600)));

  Took(&record, At(60), Status::WHOLE, 5);
  CHECK_FALSE(IsCheckpointDue(record, 9, At(119)));
  CHECK(IsCheckpointDue(record, 9, At(120)));
  CHECK_FALSE(IsCheckpointDue(record, 5, At(900)));
}

TEST_CASE("a checkpoint is due by rounds, whichever comes first") {
  state::JobRecord record = Record();
  record.mutable_spec()->mutable_checkpoint()->set_every_rounds(100);
  CHECK_FALSE(IsCheckpointDue(record, 99, At(10)));
  CHECK(IsCheckpointDue(record, 100, At(10)));
  CHECK(IsCheckpointDue(record, 1, At(60)));
  record.mutable_spec()->mutable_checkpoint()->clear_every_s();
  CHECK_FALSE(IsCheckpointDue(record, 99, At(1000)));
  Took(&record, At(1000), Status::WHOLE, 130);
  CHECK_FALSE(IsCheckpointDue(record, 229, At(2000)));
  CHECK(IsCheckpointDue(record, 230, At(2000)));
}

TEST_CASE("without a checkpoint section or a path none is due") {
  state::JobRecord record = Record();
  record.mutable_spec()->mutable_checkpoint()->clear_path();
  CHECK_FALSE(IsCheckpointDue(record, 5, At(1000)));
  record.mutable_spec()->clear_checkpoint();
  CHECK_FALSE(IsCheckpointDue(record, 5, At(1000)));
}

TEST_CASE("after failures the next attempt waits longer and longer") {
  state::JobRecord record = Record();
  Took(&record, At(60), Status::FAILED, 0);  // Took 1 s.
  CHECK_FALSE(IsCheckpointDue(record, 5, At(65.9)));
  CHECK(IsCheckpointDue(record, 5, At(66)));
  Took(&record, At(66), Status::FAILED, 0);
  CHECK_FALSE(IsCheckpointDue(record, 5, At(76.9)));
  CHECK(IsCheckpointDue(record, 5, At(77)));
  for (int i = 0; i < 12; ++i) Took(&record, At(100), Status::FAILED, 0);
  CHECK_FALSE(IsCheckpointDue(record, 5, At(400)));
  CHECK(IsCheckpointDue(record, 5, At(401)));
  Took(&record, At(500), Status::WHOLE, 5);
  CHECK(IsCheckpointDue(record, 9, At(560)));
}

TEST_CASE("only whole checkpoints that are still on the disk stay known") {
  state::JobRecord record = Record();
  for (int i = 0; i < 5; ++i) Took(&record, At(i), Status::WHOLE, 1);
  CHECK(Ids(record) == std::vector<uint64_t>{3, 4, 5});
  Took(&record, At(9), Status::WHOLE, 1, "/elsewhere");
  CHECK(Ids(record) == std::vector<uint64_t>{3, 4, 5, 6});
  CHECK(NewestWhole(record)->status().id() == 6);

  // Failures push out failures, not what can be gone back to.
  for (int i = 0; i < 20; ++i) Took(&record, At(10), Status::FAILED, 0);
  CHECK(record.checkpoints_size() == kCheckpointsKept);
  CHECK(Ids(record)[0] == 3);
  CHECK(Ids(record)[3] == 6);
  CHECK(Ids(record)[15] == 26);
  CHECK(UnderWay(record) == nullptr);
}

TEST_CASE("going back begins a new segment and takes all copies away") {
  state::JobRecord record = Record();
  record.mutable_segment()->set_index(1);
  record.mutable_segment()->set_first_version(40);
  Took(&record, At(1), Status::WHOLE, 44);
  record.mutable_segment()->set_index(2);
  record.mutable_segment()->set_first_version(90);
  record.mutable_pending()->mutable_async();
  record.set_state(v1::EVALUATING);
  record.set_cut(12);
  record.set_granted_below(12);

  GoBack(*NewestWhole(record), "s1 is gone", &record);

  CHECK(record.segment().index() == 3);
  CHECK(record.segment().first_version() == 40);
  CHECK(record.state() == v1::RUNNING);
  CHECK(record.restoring());
  CHECK(record.restores() == 1);
  CHECK_FALSE(record.has_pending());
  CHECK(record.granted_below() == 0);
  CHECK(record.origin().path() == "/checkpoints");
  CHECK(record.origin().job() == "toy-1");
  CHECK(record.origin().id() == 1);
  CHECK(record.placement(0).server().empty());
  CHECK(record.placement(0).replicas().empty());
  CHECK(record.placement(0).term() == 5);
  CHECK(record.placement(0).config() == 8);
}

TEST_CASE("a change of mode that waits survives going back within its segment") {
  state::JobRecord record = Record();
  Took(&record, At(1), Status::WHOLE, 4);
  record.mutable_pending()->mutable_async();
  record.set_cut(12);
  GoBack(*NewestWhole(record), "", &record);
  CHECK(record.has_pending());
  CHECK(record.granted_below() == 12);
}

TEST_CASE("a checkpoint that cannot be used is not gone back to again") {
  state::JobRecord record = Record();
  Took(&record, At(1), Status::WHOLE, 4);
  Took(&record, At(2), Status::WHOLE, 8);
  GoBack(*NewestWhole(record), "", &record);
  MarkUnusable("s1: chunk is damaged", &record);
  CHECK(NewestWhole(record)->status().id() == 1);
  CHECK(record.checkpoints(1).status().error() == "cannot be read: s1: chunk is damaged");
  GoBack(*NewestWhole(record), "", &record);
  MarkUnusable("s1: gone", &record);
  CHECK(NewestWhole(record) == nullptr);
}

TEST_CASE("an order is done when all partitions are written and then the manifest") {
  state::JobRecord record = Record();
  const state::CheckpointRecord order = *AddOrder("/checkpoints", At(0), &record);
  CheckpointRun run(order, record, At(0));
  run.Take(At(1), 1, Written(12, 7));
  run.Take(At(1), 1, Written(12, 7));  // Reported again and again.
  CHECK_FALSE(run.AllWritten());
  run.Take(At(2), 0, Written(11, 5));
  CHECK(run.AllWritten());
  CHECK_FALSE(run.committed());
  CHECK(run.parts()[1] == std::string(64, 'c'));
  v1::CheckpointReport committed = Written(11);
  committed.set_committed(true);
  run.Take(At(3), 1, committed);
  CHECK_FALSE(run.committed());  // Only partition 0's primary writes it.
  run.Take(At(3), 0, committed);
  CHECK(run.committed());
  CHECK(run.Failure(At(1000), record).empty());
  const Status whole = run.Whole(At(3));
  CHECK(whole.state() == Status::WHOLE);
  CHECK(whole.version() == 11);
  CHECK(whole.bytes() == 12);
  CHECK(whole.seconds() == 3);
}

TEST_CASE("reports of other orders and partitions say nothing") {
  state::JobRecord record = Record();
  CheckpointRun run(*AddOrder("/checkpoints", At(0), &record), record, At(0));
  v1::CheckpointReport other = Written(3);
  other.set_id(2);
  other.set_error("bad");
  run.Take(At(1), 0, other);
  run.Take(At(1), 9, Written(3));
  CHECK(run.Failure(At(1), record).empty());
  CHECK_FALSE(run.AllWritten());
}

TEST_CASE("an order fails with the first partition's error") {
  state::JobRecord record = Record();
  CheckpointRun run(*AddOrder("/checkpoints", At(0), &record), record, At(0));
  v1::CheckpointReport error;
  error.set_id(1);
  error.set_error("no space left");
  run.Take(At(1), 1, error);
  CHECK(run.Failure(At(1), record) == "partition 1: no space left");
  CHECK(run.Failed(At(2), "because").error() == "because");
  CHECK(run.Failed(At(2), "because").state() == Status::FAILED);
}

TEST_CASE("a part that is no hash fails the order") {
  state::JobRecord record = Record();
  CheckpointRun run(*AddOrder("/checkpoints", At(0), &record), record, At(0));
  v1::CheckpointReport report = Written(1);
  report.set_part("../../etc");
  run.Take(At(1), 0, report);
  CHECK(Says(run.Failure(At(1), record), "its part is '../../etc'; wanted 64 hex digits"));
}

TEST_CASE("an order fails when a primary changes before it has reported, and not after") {
  state::JobRecord record = Record();
  CheckpointRun run(*AddOrder("/checkpoints", At(0), &record), record, At(0));
  run.Take(At(1), 1, Written(4));
  record.mutable_placement(1)->set_term(6);
  CHECK(run.Failure(At(1), record).empty());
  record.mutable_placement(0)->set_term(6);
  CHECK(Says(run.Failure(At(1), record), "partition 0 has another primary (s1)"));
}

TEST_CASE("an order fails in another segment") {
  state::JobRecord record = Record();
  CheckpointRun run(*AddOrder("/checkpoints", At(0), &record), record, At(0));
  record.mutable_segment()->set_index(1);
  CHECK(run.Failure(At(1), record) == "the job's mode changed before it was written");
}

TEST_CASE("an order without news for a minute fails and says what it waited for") {
  state::JobRecord record = Record();
  state::CheckpointRecord* order = AddOrder("/checkpoints", At(0), &record);
  order->set_exact_version(16);
  CheckpointRun run(*order, record, At(0));
  run.Take(At(30), 0, Written(16));
  CHECK(run.Failure(At(89), record).empty());
  CHECK(run.Failure(At(90), record) ==
        "no news for 1m: 1 of 2 partitions are written, not partition 1 (it waits for version 16)");
  run.Moved(At(80));
  CHECK(run.Failure(At(90), record).empty());
  run.Take(At(100), 1, Written(16));
  CHECK(Says(run.Failure(At(160), record), "2 of 2 partitions are written, the manifest is not"));
}

}  // namespace
}  // namespace paceline
