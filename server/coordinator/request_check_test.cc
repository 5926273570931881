#include "server/coordinator/request_check.h"

#include <catch2/catch.hpp>

#include "common/testing/says.h"

namespace paceline {
namespace {

v1::WorkerSyncRequest Worker() {
  v1::WorkerSyncRequest request;
  request.mutable_worker()->set_id("w1");
  request.set_slots(1);
  return request;
}

v1::ServerSyncRequest Server() {
  v1::ServerSyncRequest request;
  request.mutable_server()->set_id("s1");
  request.set_address("10.0.0.1:7000");
  return request;
}

TEST_CASE("ids are short and plain") {
  CHECK(CheckId("worker.id", "gpu-3.rack_7").ok());
  CHECK(Says(CheckId("worker.id", ""), "worker.id is ''"));
  CHECK(Says(CheckId("worker.id", "a b"), "'a b' (3 bytes)"));
  CHECK(Says(CheckId("worker.id", "a\n"), "a\\n"));
  CHECK(Says(CheckId("worker.id", std::string(65, 'x')), "(65 bytes)"));
}

TEST_CASE("a caller is a worker with slots or a client with a job, not both and not neither") {
  v1::WorkerSyncRequest request = Worker();
  CHECK(CheckWorkerSync(request).ok());
  request.set_join_job("a-1");
  CHECK(Says(CheckWorkerSync(request), "slots is 1 and join_job is 'a-1'"));
  request.set_slots(0);
  CHECK(CheckWorkerSync(request).ok());
  request.clear_join_job();
  CHECK_FALSE(CheckWorkerSync(request).ok());
  request.set_slots(65);
  CHECK(Says(CheckWorkerSync(request), "slots is 65"));
}

TEST_CASE("the final evaluation has a hash, and only that one") {
  v1::WorkerSyncRequest request = Worker();
  v1::Evaluation* evaluation = request.add_jobs()->add_evaluations();
  CHECK(CheckWorkerSync(request).ok());
  evaluation->set_final(true);
  CHECK(Says(CheckWorkerSync(request), "wanted 64 hex digits"));
  evaluation->set_weights_sha256(std::string(64, 'a'));
  CHECK(CheckWorkerSync(request).ok());
}

TEST_CASE("an evaluation has no more classes to confuse than a status shall carry") {
  v1::WorkerSyncRequest request = Worker();
  v1::Evaluation* evaluation = request.add_jobs()->add_evaluations();
  for (int i = 0; i < 32 * 32; ++i) evaluation->add_confusion(1);
  CHECK(CheckWorkerSync(request).ok());
  evaluation->add_confusion(1);
  CHECK(Says(CheckWorkerSync(request), "evaluations.confusion"));
}

TEST_CASE("a server says where it is reached") {
  v1::ServerSyncRequest request = Server();
  CHECK(CheckServerSync(request).ok());
  for (const char* wrong : {"", "host", ":7000", "host:", "ho st:1", "host:1\n"}) {
    request.set_address(wrong);
    CHECK_FALSE(CheckServerSync(request).ok());
  }
}

TEST_CASE("a server's zone is short and its backups are few") {
  v1::ServerSyncRequest request = Server();
  request.set_zone("rack-7");
  CHECK(CheckServerSync(request).ok());
  request.set_zone(std::string(257, 'z'));
  CHECK(Says(CheckServerSync(request), "zone has 257 bytes"));
  request.clear_zone();
  v1::PartitionReport* report = request.add_partitions();
  for (int i = 0; i < 65; ++i) report->add_backups();
  CHECK(Says(CheckServerSync(request), "partitions.backups has 65 elements"));
}

TEST_CASE("extents of applied data shards ascend") {
  v1::ServerSyncRequest request = Server();
  v1::PartitionReport* report = request.add_partitions();
  report->set_applied_below(4);
  v1::ShardExtent* extent = report->add_applied();
  extent->set_first(6);
  extent->set_count(2);
  CHECK(CheckServerSync(request).ok());
  extent->set_first(3);
  CHECK(Says(CheckServerSync(request), "extent of 2 from 3 after 4"));
  extent->set_first(6);
  extent->set_count(UINT64_MAX);
  CHECK_FALSE(CheckServerSync(request).ok());
  extent->set_count(0);
  CHECK_FALSE(CheckServerSync(request).ok());
}

TEST_CASE("another release is refused with both named") {
  CHECK(CheckRelease("worker w1", "0.1.0", "0.1.0").ok());
  const absl::Status status = CheckRelease("worker w1", "0.2.0", "0.1.0");
  CHECK(status.code() == absl::StatusCode::kFailedPrecondition);
  CHECK(Says(status, "worker w1 runs release 0.2.0, the coordinator 0.1.0"));
}

TEST_CASE("text is cut between characters") {
  CHECK(Clip("abc", 3) == "abc");
  CHECK(Clip("abc", 2) == "ab");
  CHECK(Clip("a\xc3\xa4", 2) == "a");
}

}  // namespace
}  // namespace paceline
