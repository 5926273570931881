#include "cli/render.h"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <ctime>
#include <limits>
#include <nlohmann/json.hpp>

#include "cli/example_job.h"
#include "common/job/job_state.h"

namespace paceline::cli {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

TEST_CASE("everything about a job: facts, refused pushes, workers' time, who waits for whom") {
  CHECK(JobText(RunningJob(), 1000) ==
        R"(job          digits-7
state        running
consistency  ssp(3)
progress     epoch 1 of 5, 2624 of 10000 samples, version 82
speed        1312 samples/s, 1 min 02 s so far
loss         0.5123 now, 0.6000 this epoch
traffic      1.5 kB pushed, 2.5 MB pulled
refused      partition 0: w1: gradient holds NaN at element 3
pushes       2 duplicate, 4 too stale, 1 invalid

WORKER  STATE     CLOCK  SAMPLES  COMPUTE  WAIT    TRANSFER
w0#2    training  41     1312     60.00%   30.00%  10.00%
w1#2    training  41     1312     -        -       -

PARTITION  SERVER  BACKUPS              TERM  VERSION  WAITING
0          s0      s1,s2 (not in sync)  1     83       2 waiting; w0: clock 38 on w1,w3
1          s1      -                    1     82
2          none    -                    1     -
)");
}

TEST_CASE("a job's status names its straggler") {
  v1::JobStatus job = RunningJob();
  CHECK(StragglerText(job).empty());
  AddStraggler(&job);

  CHECK(StragglerText(job) ==
        "w1 takes 4.8 x the others' median per sample (compute 71 ms, transfer 2 ms, wait 12 s per "
        "1000 samples)");
  CHECK(JobText(job, 1000).find("straggler    w1 takes 4.8 x") != std::string::npos);
}

TEST_CASE("a job that has just been submitted has no workers and no partitions to show") {
  v1::JobStatus job;
  job.set_job("new-1");
  job.set_state(v1::WAITING);
  job.set_reason("no server is there");

  CHECK(JobText(job, 1000) ==
        R"(job          new-1
state        waiting: no server is there
consistency  sync
progress     epoch 0 of 0, 0 of 0 samples, version 0
speed        0 samples/s, 0.0 s so far
loss         - now, - this epoch
traffic      0 B pushed, 0 B pulled
pushes       0 duplicate, 0 too stale, 0 invalid
)");
}

TEST_CASE("a job whose loss is not a number, whose mode changes and that was evaluated says so") {
  v1::JobStatus job = FinishedJob();
  job.clear_placement();
  job.clear_workers();
  job.clear_partitions();
  job.set_recent_loss(kNaN);
  job.set_epoch_loss(kInfinity);
  job.mutable_pending_consistency()->mutable_sync();

  CHECK(JobText(job, 1000) ==
        R"(job             digits-7
state           finished
consistency     ssp(3) (changing to sync)
progress        epoch 5 of 5, 10000 of 10000 samples, version 82
speed           1312 samples/s, 1 min 02 s so far
loss            nan now, inf this epoch
traffic         1.5 kB pushed, 2.5 MB pulled
eval            epoch 4: loss 0.4000
final eval      epoch 5: loss 0.2500, accuracy 90.00%
pushes          0 duplicate, 0 too stale, 0 invalid
weights_sha256  abcd
)");
}

TEST_CASE("what quorum rounds were closed without is shown of the partition where it is most") {
  v1::JobStatus job;
  job.set_job("new-1");
  CHECK(JobText(job, 1000).find("data shards") == std::string::npos);
  for (const uint64_t dropped : {3, 12, 7}) {
    v1::PartitionReport* const partition = job.add_partitions();
    partition->set_shards_dropped(dropped);
    partition->set_shards_carried(dropped / 2);
  }
  CHECK(JobText(job, 1000).find("data shards  12 dropped, of which 6 carried") !=
        std::string::npos);
}

TEST_CASE("only the newest evaluations are shown") {
  v1::JobStatus job;
  for (uint32_t epoch = 1; epoch <= 20; ++epoch) job.add_evaluations()->set_epoch(epoch);

  const std::string text = JobText(job, 1000);

  CHECK(text.find("epoch 15:") == std::string::npos);
  CHECK(text.find("epoch 16:") != std::string::npos);
  CHECK(text.find("epoch 20:") != std::string::npos);
}

TEST_CASE("a job with bare parameters shows no samples and no loss") {
  v1::JobStatus job;
  job.set_job("bare-1");
  job.set_state(v1::RUNNING);
  job.set_version(500);
  job.mutable_spec()->mutable_model()->add_parameters()->set_name("w");
  job.mutable_segment()->mutable_consistency()->mutable_async();

  const std::string text = JobText(job, 1000);

  CHECK(text.find("version 500") != std::string::npos);
  CHECK(text.find("samples") == std::string::npos);
  CHECK(text.find("loss") == std::string::npos);
}

TEST_CASE("jobs are listed a line each") {
  v1::ListJobsReply jobs;
  CHECK(JobListText(jobs) == "this fleet has no jobs; paceline submit SPEC gives it one\n");

  *jobs.add_jobs() = RunningJob();
  *jobs.add_jobs() = FinishedJob();
  jobs.mutable_jobs(1)->set_state(v1::FAILED);
  jobs.mutable_jobs(1)->set_reason("train.csv:3: not a number");
  CHECK(JobListText(jobs) ==
        R"(JOB       STATE    MODE    WORKERS  EPOCH  LOSS    SAMPLES/S  CHECKPOINT  REASON
digits-7  running  ssp(3)  1/2      1/5    0.5123  1312       -
digits-7  failed   ssp(3)  1/2      5/5    0.5123  1312       -           train.csv:3: not a number
)");

  jobs.mutable_jobs()->DeleteSubrange(0, 1);
  jobs.mutable_jobs(0)->set_state(v1::CANCELLED);
  jobs.mutable_jobs(0)->set_reason("cancelled: by request");
  jobs.mutable_jobs(0)->set_samples(0);
  CHECK(JobListText(jobs) ==
        R"(JOB       STATE      MODE    WORKERS  EPOCH  LOSS  SAMPLES/S  CHECKPOINT  REASON
digits-7  cancelled  ssp(3)  1/2      5/5    -     1312       -           by request
)");

  *jobs.mutable_jobs(0) = CheckpointedJob();
  CHECK(JobListText(jobs).find("  4, 5 failed\n") != std::string::npos);
}

TEST_CASE("a job's newest whole checkpoint is shown, and what became of a newer one") {
  v1::JobStatus job = CheckpointedJob();
  const std::string text = JobText(job, 1000);
  CHECK(text.find("checkpoint   4 whole: version 80, 12.3 MB in 0.4 s, ordered 35 s ago\n"
                  "checkpoint   5 failed: no space left on device, ordered 5.0 s ago\n") !=
        std::string::npos);
  CHECK(text.find(" 3 ") == std::string::npos);
  CHECK(CheckpointLine("digits-7", job.checkpoints(1)) ==
        "checkpoint 4 of digits-7 is whole: version 80, 12.3 MB in 0.4 s, in /c/digits-7");

  job.mutable_checkpoints(2)->set_state(v1::CheckpointStatus::WRITING);
  CHECK(JobText(job, 1000).find("checkpoint   5 being written, ordered 5.0 s ago\n") !=
        std::string::npos);

  job.clear_checkpoints();
  CHECK(JobText(job, 1000).find("checkpoint") == std::string::npos);
  job.mutable_spec()->mutable_checkpoint();
  CHECK(JobText(job, 1000).find("checkpoint   none yet\n") != std::string::npos);
}

TEST_CASE("copies in sync are counted where a partition has others, as scale has last asked") {
  v1::JobStatus job = RunningJob();
  CHECK(JobText(job, 1000).find("copies") == std::string::npos);

  *job.mutable_fleet() = job.spec().fleet();
  job.mutable_fleet()->set_replicas(2);

  // Two of partition 0's three; the others have none.
  CHECK(JobText(job, 1000).find("copies       2 of 6 in sync; paceline why tells more\n") !=
        std::string::npos);
  CHECK(ResultText(job, "").find("3 servers, 2 workers, replicas 2\n") != std::string::npos);
  CHECK(nlohmann::json::parse(SummaryJson(job))["replicas"] == 2);
}

TEST_CASE("with acks: leader it is shown how much only a primary holds") {
  v1::JobStatus job = RunningJob();
  CHECK(JobText(job, 1000).find("acks") == std::string::npos);
  *job.mutable_fleet() = job.spec().fleet();
  job.mutable_fleet()->set_acks(v1::FleetSpec::LEADER);
  job.mutable_partitions(1)->set_last_index(3);

  CHECK(JobText(job, 1000).find(
            "acks         leader: at most 3 updates of a partition held by its primary alone\n") !=
        std::string::npos);
}

TEST_CASE("a fleet is its servers and its workers") {
  v1::FleetStatus fleet;
  fleet.set_release("0.1.0");
  fleet.set_jobs(2);
  v1::ServerStatus* server = fleet.add_servers();
  server->mutable_server()->set_id("s0");
  server->mutable_server()->set_incarnation(1);
  server->set_address("10.0.0.5:50051");
  server->set_state("serving");
  server->set_zone("rack-3");
  server->set_partitions(4);
  server->set_replicas(7);
  server->set_elements(1000);
  server->set_pid(12);
  v1::WorkerStatus* worker = fleet.add_workers();
  worker->mutable_worker()->set_id("w0");
  worker->mutable_worker()->set_incarnation(3);
  worker->set_host("node-1");
  worker->set_state("training");
  worker->set_job("digits-7");
  worker->set_pid(13);

  fleet.set_jobs(1);
  CHECK(FleetText(fleet).find("release 0.1.0, 1 job\n") == 0);
  fleet.set_jobs(2);
  CHECK(FleetText(fleet) == R"(release 0.1.0, 2 jobs

SERVER  ADDRESS         ZONE    STATE    PARTITIONS  COPIES  ELEMENTS  PID
s0#1    10.0.0.5:50051  rack-3  serving  4           7       1000      12

WORKER  HOST    STATE     JOB       PID
w0#3    node-1  training  digits-7  13
)");
}

TEST_CASE("a store that cannot be written is told with the fleet and with the job") {
  v1::FleetStatus fleet;
  fleet.set_release("0.1.0");
  fleet.set_store_error("etcd at 10.0.0.7:2379: no connection");
  fleet.set_store_error_s(12.34);
  v1::JobStatus job = RunningJob();
  job.set_store_error("disk full");

  CHECK(FleetText(fleet).find(
            "release 0.1.0, 0 jobs\n"
            "store cannot be written for 12 s: etcd at 10.0.0.7:2379: no connection\n"
            "(what runs goes on; nothing is submitted, placed or promoted meanwhile)\n\n") == 0);
  CHECK(JobText(job, 1000).find("store        cannot be written: disk full\n") !=
        std::string::npos);
  CHECK(JobText(RunningJob(), 1000).find("store") == std::string::npos);
}

TEST_CASE("the result of a job that was evaluated, with its run directory") {
  CHECK(ResultText(FinishedJob(), "runs/digits") ==
        R"(job             digits-7
result          finished
mode            ssp(3)
fleet           3 servers, 2 workers
samples         10000 in 1 min 02 s (1312 a second)
train loss      0.6000
eval loss       0.2500
eval accuracy   90.00%
traffic         1.5 kB pushed, 2.5 MB pulled
weights_sha256  abcd
run directory   runs/digits
)");
}

TEST_CASE("the result has the metrics of the evaluation, and so has summary.json") {
  v1::JobStatus job = FinishedJob();
  job.mutable_evaluations(1)->set_auc(0.875);
  job.mutable_evaluations(1)->add_confusion(500);

  CHECK(ResultText(job, "").find("eval accuracy   90.00%\neval metrics    AUC 0.8750\n") !=
        std::string::npos);
  const auto eval = nlohmann::json::parse(SummaryJson(job))["eval"];
  CHECK(eval["auc"] == 0.875);
  CHECK(eval["confusion"] == nlohmann::json::parse("[[500]]"));
}

TEST_CASE("the result of a job that failed before it began") {
  v1::JobStatus job;
  job.set_job("new-1");
  job.set_state(v1::FAILED);
  job.set_reason("no such file");
  job.mutable_spec()->mutable_fleet()->set_servers(1);
  job.mutable_spec()->mutable_fleet()->set_workers(1);

  CHECK(ResultText(job, "") == R"(job         new-1
result      failed: no such file
mode        sync
fleet       1 server, 1 worker
samples     0 in 0.0 s (0 a second)
train loss  -
traffic     0 B pushed, 0 B pulled
)");
  const auto json = nlohmann::json::parse(SummaryJson(job));
  CHECK(json["train_loss"].is_null());
  CHECK(json["train_accuracy"].is_null());
  const auto line = nlohmann::json::parse(MetricsJson(job, 1, {}));
  CHECK(line["loss"].is_null());
  CHECK(line["epoch_loss"].is_null());
  CHECK(line["epoch_accuracy"].is_null());
}

TEST_CASE("a loss that is not a number is shown as that") {
  v1::JobStatus job = FinishedJob();
  job.set_epoch_loss(kNaN);
  CHECK(ResultText(job, "").find("train loss      nan\n") != std::string::npos);
}

TEST_CASE("a cancelled job says so once") {
  v1::JobStatus job = FinishedJob();
  job.set_state(v1::CANCELLED);
  job.set_reason("cancelled: wrong data");

  CHECK(ResultText(job, "").find("result          cancelled: wrong data\n") != std::string::npos);
  CHECK(JobText(job, 1000).find("state           cancelled: wrong data\n") != std::string::npos);
  job.set_reason("wrong data");
  CHECK(ResultText(job, "").find("result          cancelled: wrong data\n") != std::string::npos);
}

TEST_CASE("a regression, or a job of bare parameters, has no training accuracy") {
  v1::JobStatus regression = FinishedJob();
  regression.mutable_spec()->mutable_model()->set_loss(v1::ModelSpec::MSE);
  CHECK(nlohmann::json::parse(SummaryJson(regression))["train_accuracy"].is_null());
  CHECK(nlohmann::json::parse(SummaryJson(regression))["train_loss"] == 0.6);
  CHECK(nlohmann::json::parse(MetricsJson(regression, 1, {}))["epoch_accuracy"].is_null());

  v1::JobStatus bare = FinishedJob();
  bare.mutable_spec()->mutable_model()->add_parameters();
  CHECK(nlohmann::json::parse(SummaryJson(bare))["train_accuracy"].is_null());
}

TEST_CASE("a run that ended before its job did has the word and the reason it is given") {
  const auto json = nlohmann::json::parse(SummaryJson(RunningJob(), "interrupted", "Ctrl-C"));

  CHECK(json["state"] == "interrupted");
  CHECK(json["reason"] == "Ctrl-C");
  CHECK(json["samples"] == 2624);
}

// The epochs of the evaluations that stay.
std::vector<uint32_t> Kept(int newest, const std::vector<double>& losses) {
  v1::JobStatus job;
  for (size_t i = 0; i < losses.size(); ++i) {
    v1::Evaluation* evaluation = job.add_evaluations();
    evaluation->set_epoch(static_cast<uint32_t>(i + 1));
    evaluation->set_loss(losses[i]);
  }
  KeepEvaluations(newest, &job);
  std::vector<uint32_t> epochs;
  for (const v1::Evaluation& evaluation : job.evaluations()) epochs.push_back(evaluation.epoch());
  return epochs;
}

TEST_CASE("of many evaluations the newest stay, and the best in front of them") {
  using Epochs = std::vector<uint32_t>;
  CHECK(Kept(2, {5, 1, 4, 3, 2}) == Epochs{2, 4, 5});
  CHECK(Kept(2, {5, 4, 1, 3, 2}) == Epochs{3, 4, 5});
  CHECK(Kept(2, {5, 4, 3, 1, 2}) == Epochs{4, 5});
  CHECK(Kept(2, {kNaN, kNaN, kNaN}) == Epochs{2, 3});
  CHECK(Kept(2, {-kInfinity, 3, kNaN, 4, kNaN}) == Epochs{2, 4, 5});
  CHECK(Kept(5, {1, 2, 3}) == Epochs{1, 2, 3});
  CHECK(Kept(100, std::vector<double>(20000, 1)).size() == 101);
}

TEST_CASE("one is a worker, two are workers") {
  CHECK(Counted(0, "worker") == "0 workers");
  CHECK(Counted(1, "worker") == "1 worker");
  CHECK(Counted(2, "worker") == "2 workers");
}

TEST_CASE("an event is one line, whatever its message holds") {
  ::setenv("TZ", "UTC", 1);
  ::tzset();
  v1::Event event;
  event.set_unix_s(43384.5);  // 12:03:04.5 of the first day.
  event.set_kind("worker-expired");
  event.set_subject("w0");
  event.set_message("no sync\nfor \x1b[31m2 s");
  CHECK(EventLine(event) == "12:03:04.500 worker-expired w0: no sync?for ?[31m2 s");

  event.clear_subject();
  event.set_unix_s(kInfinity);
  CHECK(EventLine(event) == "infinite-future worker-expired: no sync?for ?[31m2 s");
}

TEST_CASE("states have names, also those of a later release") {
  CHECK(StateName(v1::EVALUATING) == "evaluating");
  CHECK(StateName(static_cast<v1::JobState>(99)) == "state 99");
}

TEST_CASE("a job has ended when it is finished, failed or cancelled") {
  CHECK(HasEnded(v1::FINISHED));
  CHECK(HasEnded(v1::FAILED));
  CHECK(HasEnded(v1::CANCELLED));
  CHECK_FALSE(HasEnded(v1::WAITING));
  CHECK_FALSE(HasEnded(v1::EVALUATING));
}

TEST_CASE("consistency modes are named with their bounds") {
  v1::ConsistencySpec mode;
  CHECK(ConsistencyName(mode) == "sync");
  mode.mutable_sync()->set_speculate(false);
  CHECK(ConsistencyName(mode) == "sync(no help)");
  mode.mutable_quorum()->set_workers(3);
  mode.mutable_quorum()->set_grace(2.5);
  CHECK(ConsistencyName(mode) == "quorum(3, grace 2.5)");
  mode.mutable_quorum()->set_on_late(v1::QuorumMode::CARRY);
  mode.mutable_quorum()->set_carry_weight(0.25);
  CHECK(ConsistencyName(mode) == "quorum(3, grace 2.5, carry 0.25)");
  mode.mutable_ssp();
  CHECK(ConsistencyName(mode) == "ssp(0)");
  mode.mutable_async();
  CHECK(ConsistencyName(mode) == "async");
  mode.mutable_async()->set_max_staleness(8);
  CHECK(ConsistencyName(mode) == "async(max_staleness 8, refuse)");
  mode.mutable_async()->set_on_stale(v1::AsyncMode::DAMP);
  CHECK(ConsistencyName(mode) == "async(max_staleness 8, damp)");
}

TEST_CASE("bytes change their unit where three digits are not enough") {
  CHECK(Bytes(0) == "0 B");
  CHECK(Bytes(999) == "999 B");
  CHECK(Bytes(1000) == "1.0 kB");
  CHECK(Bytes(999949) == "999.9 kB");
  CHECK(Bytes(999950) == "1.0 MB");
  CHECK(Bytes(12.3e12) == "12.3 TB");
  CHECK(Bytes(2e18) == "2000.0 PB");
}

TEST_CASE("durations have two units at most") {
  CHECK(Duration(0) == "0.0 s");
  CHECK(Duration(9.94) == "9.9 s");
  CHECK(Duration(9.96) == "10 s");
  CHECK(Duration(59.6) == "1 min 00 s");
  CHECK(Duration(125) == "2 min 05 s");
  CHECK(Duration(3599.7) == "1 h 00 min");
  CHECK(Duration(86399) == "23 h 59 min");
  CHECK(Duration(3 * 86400 + 4 * 3600) == "3 d 04 h");
  CHECK(Duration(1e300) == "over 10000 d");
  CHECK(Duration(-1) == "?");
  CHECK(Duration(kNaN) == "?");
  CHECK(Duration(kInfinity) == "?");
}

TEST_CASE("a table aligns its columns by characters, not bytes, and keeps a cell on its line") {
  CHECK(Table({}).empty());
  CHECK(Table({{"NAME", "N"}, {"m\u00fcller", "1"}, {"a\nb", ""}}) ==
        "NAME    N\n"
        "m\u00fcller  1\n"
        "a?b\n");
}

}  // namespace
}  // namespace paceline::cli
