// Who is there: registration, leases, scheduling, refusals.
#include <catch2/catch.hpp>

#include "common/testing/says.h"
#include "server/coordinator/test_cluster.h"

namespace paceline {
namespace {

TEST_CASE("a registration is answered at once; a sync without news after the interval") {
  TestCluster c;
  const auto reply = c.Get<v1::WorkerSyncReply>(c.RegisterWorker("w1"));
  CHECK(reply.worker().incarnation() == 1);
  CHECK(reply.sync_interval_ms() == 200);
  CHECK(reply.lease_ms() == 2000);

  const uint64_t sync = c.SyncWorker("w1");
  c.Advance(absl::Milliseconds(199));
  CHECK(c.Find(sync) == nullptr);
  c.Advance(absl::Milliseconds(1));
  CHECK_FALSE(c.Get<v1::WorkerSyncReply>(sync).changed());
}

TEST_CASE("a parked sync is answered at once when there is news for its worker") {
  TestCluster c;
  c.RegisterWorker("w1");
  const uint64_t sync = c.SyncWorker("w1");

  const std::string job = c.MustSubmit(TestCluster::Spec());

  CHECK(c.Get<v1::WorkerSyncReply>(sync).changed());
  REQUIRE(c.DirectiveOf("w1", job) != nullptr);
  CHECK(c.DirectiveOf("w1", job)->state() == v1::WAITING);
}

TEST_CASE("a newer sync answers the older one of the same worker") {
  TestCluster c;
  c.RegisterWorker("w1");
  const uint64_t first = c.SyncWorker("w1");
  const uint64_t second = c.SyncWorker("w1");

  CHECK(c.Find(first) != nullptr);
  CHECK(c.Find(second) == nullptr);
}

TEST_CASE("a caller that went away is not answered") {
  TestCluster c;
  c.RegisterWorker("w1");
  const uint64_t sync = c.SyncWorker("w1");
  c.coordinator().OnCancel(sync);

  c.Advance(absl::Seconds(1));

  CHECK(c.Find(sync) == nullptr);
  CHECK(c.Find(c.SyncWorker("w1")) == nullptr);
}

TEST_CASE("a worker that does not sync for a lease is expired and its incarnation never returns") {
  TestCluster c;
  c.RegisterWorker("w1");
  c.Advance(absl::Milliseconds(1999));
  CHECK(c.DescribeFleet().workers(0).state() == "idle");

  c.Advance(absl::Milliseconds(1));

  CHECK(Says(c.DescribeFleet().workers(0).state(), "expired 0.0 s ago"));
  CHECK(c.HasEvent("worker-expired", "no sync for 2s"));
  const absl::Status late = c.StatusOf(c.SyncWorker("w1"));
  CHECK(late.code() == absl::StatusCode::kFailedPrecondition);
  CHECK(Says(late.message(), "has expired or left"));
  CHECK(c.Get<v1::WorkerSyncReply>(c.RegisterWorker("w1")).worker().incarnation() == 2);
}

TEST_CASE("a coordinator that was stopped for longer than a lease expires nobody for that") {
  TestCluster c;
  c.RegisterWorker("w1");
  c.RegisterServer("s1");

  c.coordinator().OnTick(c.now() + absl::Seconds(5));  // No tick on the way.

  CHECK_FALSE(c.HasEvent("worker-expired"));
  CHECK_FALSE(c.HasEvent("server-expired"));
  c.RegisterWorker("w2");
  c.AdvanceHearing("w2", absl::Seconds(8));  // The others are silent for a lease since.
  CHECK(c.HasEvent("worker-expired"));
  CHECK(c.HasEvent("server-expired"));
}

TEST_CASE("a coordinator that was stopped just when leases end expires nobody for that") {
  TestCluster c;
  c.RegisterServer("s1");  // Answered: nothing is due before its lease ends.

  c.coordinator().OnTick(c.now() + absl::Milliseconds(2001));

  CHECK_FALSE(c.HasEvent("server-expired"));
}

TEST_CASE("an id belongs to one process until its lease is over") {
  TestCluster c;
  c.RegisterWorker("w1");
  c.RegisterServer("s1");
  v1::WorkerSyncRequest worker;
  worker.mutable_worker()->set_id("w1");
  worker.set_release("0.1.0");
  worker.set_slots(1);
  worker.set_host("elsewhere");
  v1::ServerSyncRequest server;
  server.mutable_server()->set_id("s1");
  server.set_release("0.1.0");
  server.set_address("elsewhere:7000");

  const absl::Status worker_status = c.StatusOf(c.Sync(worker));
  const absl::Status server_status = c.StatusOf(c.Sync(server));

  CHECK(worker_status.code() == absl::StatusCode::kAlreadyExists);
  CHECK(Says(worker_status.message(), "the id w1 belongs to process 0 on host"));
  CHECK(server_status.code() == absl::StatusCode::kAlreadyExists);
  CHECK(Says(server_status.message(), "the id s1 belongs to process 0 at s1:7000"));
  CHECK_FALSE(c.HasEvent("worker-replaced"));
  CHECK_FALSE(c.HasEvent("server-replaced"));

  c.RegisterWorker("w2");
  c.AdvanceHearing("w2", absl::Seconds(3));

  CHECK(c.StatusOf(c.Sync(worker)).ok());
  CHECK(c.StatusOf(c.Sync(server)).ok());
}

TEST_CASE("a process that registers again takes the place of its earlier registration") {
  TestCluster c;
  c.RegisterWorker("w1");
  const v1::WorkerSyncRequest old = c.WorkerRequest("w1");
  const uint64_t parked = c.SyncWorker("w1");

  c.RegisterWorker("w1");

  CHECK(c.StatusOf(parked).code() == absl::StatusCode::kFailedPrecondition);
  const absl::Status status = c.StatusOf(c.Sync(old));
  CHECK(status.code() == absl::StatusCode::kFailedPrecondition);
  CHECK(Says(status.message(), "incarnation 1 of w1 has been replaced"));
  CHECK(c.HasEvent("worker-replaced"));
}

TEST_CASE("a process of another release is refused with both releases named") {
  TestCluster c;
  v1::WorkerSyncRequest request;
  request.mutable_worker()->set_id("w1");
  request.set_slots(1);
  request.set_release("9.9");

  const absl::Status status = c.StatusOf(c.Sync(request));

  CHECK(status.code() == absl::StatusCode::kFailedPrecondition);
  CHECK(Says(status.message(), "9.9"));
  CHECK(Says(status.message(), "0.1.0"));
  CHECK(c.DescribeFleet().workers_size() == 0);
}

TEST_CASE("no more workers and servers are taken than the options allow") {
  CoordinatorOptions options = TestCluster::DefaultOptions();
  options.workers_max = 1;
  options.servers_max = 1;
  TestCluster c(options);
  c.RegisterWorker("w1");
  c.RegisterServer("s1");

  CHECK(c.StatusOf(c.RegisterWorker("w2")).code() == absl::StatusCode::kResourceExhausted);
  CHECK(c.StatusOf(c.RegisterServer("s2")).code() == absl::StatusCode::kResourceExhausted);
  CHECK(c.StatusOf(c.RegisterWorker("w1")).ok());
}

TEST_CASE("a free worker goes to the oldest job that wants more; one freed is used again") {
  TestCluster c;
  const std::string first = c.MustSubmit(TestCluster::Spec(2));
  const std::string second = c.MustSubmit(TestCluster::Spec(1));
  c.RegisterWorker("w1");
  c.RegisterWorker("w2");
  c.RegisterWorker("w3");
  CHECK(c.DirectiveOf("w1", first) != nullptr);
  CHECK(c.DirectiveOf("w2", first) != nullptr);
  CHECK(c.DirectiveOf("w3", second) != nullptr);
  const std::string third = c.MustSubmit(TestCluster::Spec(1));
  CHECK(Says(c.Describe(third).reason(), "all 3 are busy with toy-1, toy-2"));

  c.Cancel(second, "not needed");
  c.SyncWorker("w3");

  CHECK(c.DirectiveOf("w3", second) == nullptr);
  CHECK(c.DirectiveOf("w3", third) != nullptr);
}

TEST_CASE("a worker that found other data is left out and not asked again") {
  TestCluster c;
  const std::string job = c.Running(TestCluster::Spec(2), 1);
  c.RegisterWorker("w2");

  c.ReportFacts("w2", job, 81);

  CHECK(c.HasEvent("worker-refused", "81 training samples"));
  CHECK(c.HasEvent("worker-refused", "wanted 80 training samples"));
  c.SyncWorker("w2");
  CHECK(c.DirectiveOf("w2", job) == nullptr);
  CHECK(c.Describe(job).roster().members_size() == 1);
  CHECK(c.Describe(job).state() == v1::RUNNING);
  // A new process of that id may try.
  c.RegisterWorker("w2");
  CHECK(c.DirectiveOf("w2", job) != nullptr);
}

v1::ConsistencySpec Async() {
  v1::ConsistencySpec consistency;
  consistency.mutable_async();
  return consistency;
}

v1::ConsistencySpec Sync() {
  v1::ConsistencySpec consistency;
  consistency.mutable_sync();
  return consistency;
}

TEST_CASE("a worker whose kernels give other bits is left out of a sync job and told what to set") {
  TestCluster c;
  const std::string job = c.Running(TestCluster::Spec(3), 1);
  c.RegisterWorker("w2");
  c.RegisterWorker("w3");

  c.ReportFacts("w2", job, 80, "cpu openblas-SkylakeX");
  c.ReportFacts("w3", job);

  CHECK(c.HasEvent("worker-refused", "w2 is left out"));
  CHECK(c.HasEvent("worker-refused", "(cpu openblas-SkylakeX)"));
  CHECK(c.HasEvent("worker-refused", "(cpu openblas-Haswell)"));
  CHECK(c.HasEvent("worker-refused", "set OPENBLAS_CORETYPE=Haswell in the environment of each"));
  const v1::JobStatus status = c.Describe(job);
  REQUIRE(status.roster().members_size() == 2);
  CHECK(status.roster().members(1).worker().id() == "w3");
  CHECK(status.facts().kernel_signature() == "cpu openblas-Haswell");
  // Nor after the coordinator has started again: the job remembers.
  c.Restart();
  c.SyncAll();
  c.RegisterWorker("w2");
  c.ReportFacts("w2", job, 80, "cpu openblas-SkylakeX");
  CHECK(c.Describe(job).roster().members_size() == 2);
}

TEST_CASE("workers of different kernels share an async job") {
  TestCluster c;
  v1::JobSpec spec = TestCluster::Spec(2);
  *spec.mutable_consistency() = Async();
  const std::string job = c.Running(spec, 1);
  c.RegisterWorker("w2");

  c.ReportFacts("w2", job, 80, "cuda sm_90");

  CHECK(c.Describe(job).roster().members_size() == 2);
  CHECK_FALSE(c.HasEvent("worker-refused"));
}

TEST_CASE("a job that becomes sync while it waits starts with workers of one kind only") {
  TestCluster c;
  v1::JobSpec spec = TestCluster::Spec(2);
  *spec.mutable_consistency() = Async();
  const std::string job = c.MustSubmit(spec);
  c.RegisterWorker("w1");
  c.RegisterWorker("w2");
  c.ReportFacts("w1", job);
  c.ReportFacts("w2", job, 80, "cuda sm_90");
  REQUIRE_FALSE(c.HasEvent("worker-refused"));

  REQUIRE(c.StatusOf(c.SetConsistency(job, Sync())).ok());
  c.RegisterServer("s1");

  CHECK(c.HasEvent("worker-refused", "w2 is left out"));
  const v1::JobStatus status = c.Describe(job);
  CHECK(status.state() == v1::RUNNING);
  REQUIRE(status.roster().members_size() == 1);
  CHECK(status.roster().members(0).worker().id() == "w1");
}

TEST_CASE("a job that no worker can do fails with what they said") {
  TestCluster c;
  const std::string job = c.MustSubmit(TestCluster::Spec(1));
  c.RegisterServer("s1");
  c.RegisterWorker("w1");
  c.RegisterWorker("w2");

  c.ReportError("w1", job, "no file /samples/train.csv");
  c.SyncWorker("w2");
  CHECK(c.Describe(job).state() == v1::WAITING);
  REQUIRE(c.DirectiveOf("w2", job) != nullptr);
  c.ReportError("w2", job, "no file /samples/train.csv");

  const v1::JobStatus status = c.Describe(job);
  CHECK(status.state() == v1::FAILED);
  CHECK(Says(status.reason(), "no worker can work on it: w1: no file /samples/train.csv; w2"));
  CHECK(c.HasEvent("job-failed"));
}

TEST_CASE("facts that no model could be built on are the worker's error") {
  TestCluster c;
  const std::string job = c.MustSubmit(TestCluster::Spec(1));
  c.RegisterServer("s1");
  c.RegisterWorker("w1");

  c.ReportFacts("w1", job, 0);

  CHECK(c.Describe(job).state() == v1::FAILED);
  CHECK(Says(c.Describe(job).reason(), "0 training samples"));
}

TEST_CASE("a worker that leaves is gone at once, and a late one joins") {
  TestCluster c;
  const std::string job = c.Running(TestCluster::Spec(2), 2);
  const uint64_t version = c.Describe(job).roster().version();
  v1::WorkerSyncRequest leaving = c.WorkerRequest("w1");
  leaving.set_leaving(true);

  CHECK(c.StatusOf(c.Sync(leaving)).ok());

  CHECK(c.Describe(job).roster().members_size() == 1);
  CHECK(c.Describe(job).roster().version() == version + 1);
  CHECK(c.HasEvent("worker-left"));
  c.RegisterWorker("w3");
  c.ReportFacts("w3", job);
  CHECK(c.Describe(job).roster().members(1).worker().id() == "w3");
  CHECK(c.ServerDirectiveOf("s1", job)->roster().members_size() == 2);
  c.SyncServer("s1");
  CHECK(c.ServerDirectiveOf("s1", job)->roster().members(1).worker().id() == "w3");
}

TEST_CASE("events are waited for") {
  TestCluster c;
  const uint64_t newest = c.Get<v1::ListEventsReply>(c.ListEvents("", 0, 0)).events(0).sequence();
  const uint64_t waiting = c.ListEvents("", newest, 1000);
  const uint64_t other = c.ListEvents("nobody-7", 0, 1000);
  CHECK(c.Find(waiting) == nullptr);

  c.RegisterWorker("w1");

  CHECK(c.Get<v1::ListEventsReply>(waiting).events(0).kind() == "worker-joined");
  c.Advance(absl::Seconds(1));
  CHECK(c.Get<v1::ListEventsReply>(other).events_size() == 0);
  CHECK(c.StatusOf(c.ListEvents("", 0, 60001)).code() == absl::StatusCode::kInvalidArgument);
}

TEST_CASE("a job's status names the worker that takes much longer than the others") {
  TestCluster c;
  const std::string job = c.Running(TestCluster::Spec(3), 3);
  const auto report = [&](const std::string& id, uint64_t samples, double compute_s) {
    v1::WorkerSyncRequest request = c.WorkerRequest(id);
    v1::WorkerJobReport* const work = request.add_jobs();
    work->set_job(job);
    work->set_samples(samples);
    work->set_compute_s(compute_s);
    c.Sync(request);
  };
  report("w1", 100, 1);
  report("w2", 100, 1);
  CHECK_FALSE(c.Describe(job).has_straggler());

  report("w3", 20, 1);

  REQUIRE(c.Describe(job).has_straggler());
  CHECK(c.Describe(job).straggler().worker().id() == "w3");
  CHECK(c.Describe(job).straggler().worker().incarnation() == c.IncarnationOf("w3"));
  CHECK(c.Describe(job).straggler().times_median() == Approx(5));

  c.Advance(absl::Milliseconds(1900));
  c.SyncServer("s1");
  c.SyncWorker("w1");
  c.SyncWorker("w2");
  c.Advance(absl::Milliseconds(200));  // w3's lease is over.
  CHECK(c.Describe(job).state() == v1::RUNNING);
  CHECK_FALSE(c.Describe(job).has_straggler());
}

TEST_CASE("a job that has ended has no straggler any more") {
  TestCluster c;
  const std::string job = c.Running(TestCluster::Spec(2), 2);
  for (const char* id : {"w1", "w2"}) {
    v1::WorkerSyncRequest request = c.WorkerRequest(id);
    v1::WorkerJobReport* const work = request.add_jobs();
    work->set_job(job);
    work->set_samples(id == std::string("w1") ? 100 : 10);
    work->set_compute_s(1);
    c.Sync(request);
  }
  REQUIRE(c.Describe(job).has_straggler());

  c.Cancel(job, "enough");

  CHECK_FALSE(c.Describe(job).has_straggler());
}

}  // namespace
}  // namespace paceline
