// The coordinator while its store cannot be written.
#include <algorithm>
#include <catch2/catch.hpp>

#include "common/testing/says.h"
#include "server/coordinator/test_cluster.h"

namespace paceline {
namespace {

// 2,000 rounds of 4 data shards, or 4,000 runs of 2.
v1::JobSpec LongSpec(uint32_t workers = 1) {
  v1::JobSpec spec = TestCluster::Spec(workers);
  spec.mutable_train()->set_epochs(1000);
  return spec;
}

void GoAway(TestCluster* c) { c->store().SetHealth(absl::UnavailableError("etcd is silent")); }

void ComeBack(TestCluster* c) {
  c->store().SetHealth(absl::OkStatus());
  c->Advance(absl::Milliseconds(400));
}

// Everyone syncs five times a second for so long.
void Live(TestCluster* c, absl::Duration duration) {
  for (absl::Time end = c->now() + duration; c->now() < end;) {
    c->Advance(absl::Milliseconds(200));
    c->SyncAll();
  }
}

uint64_t Granted(TestCluster* c, const std::string& job) {
  c->SyncWorker("w1");
  return c->DirectiveOf("w1", job)->granted_rounds();
}

TEST_CASE("a sync job is granted what is reserved while the store is away, then waits for it") {
  TestCluster c;
  const std::string job = c.Running(LongSpec(), 1);
  c.ReportPartitions("s1", job, 0, 0);
  REQUIRE(Granted(&c, job) == 16);
  GoAway(&c);
  const size_t commits = c.store().commits();

  c.ReportPartitions("s1", job, 4, 16);
  CHECK(Granted(&c, job) == 20);
  c.ReportPartitions("s1", job, 90, 360);
  // 16 + 64 + 16 were reserved.
  CHECK(Granted(&c, job) == 96);
  Live(&c, absl::Seconds(1));
  c.ReportPartitions("s1", job, 96, 384);
  CHECK(Granted(&c, job) == 96);
  CHECK(Says(c.Describe(job).reason(), "etcd is silent"));
  CHECK(c.store().commits() == commits);

  ComeBack(&c);
  CHECK(Granted(&c, job) >= 112);
  CHECK_FALSE(Says(c.Describe(job).reason(), "etcd is silent"));
}

TEST_CASE("a job of steady pace goes on for a minute while the store is away, and keeps everyone") {
  TestCluster c;
  const v1::JobSpec spec = GENERATE(LongSpec(), TestCluster::Ssp(LongSpec()));
  const std::string job = c.Running(spec, 1);
  c.ReportPartitions("s1", job, 0, 0);
  uint64_t version = 0;
  const auto run = [&](int seconds) {
    for (int i = 0; i < 5 * seconds; ++i) {
      c.Advance(absl::Milliseconds(200));
      version += 2;
      if (spec.consistency().has_ssp()) {
        const uint64_t lease = c.Lease("w1", job, 2);
        REQUIRE(c.Get<v1::LeaseReply>(lease).runs_size() == 2);
        c.ReportPartitions("s1", job, version, 2 * version);
      } else {
        c.ReportPartitions("s1", job, version, 4 * version);
        REQUIRE(Granted(&c, job) > version);
      }
      c.SyncAll();
    }
  };
  run(20);
  GoAway(&c);

  run(60);

  CHECK(c.Describe(job).version() == version);
  CHECK(c.Describe(job).roster().members_size() == 1);
  CHECK(c.Describe(job).placement(0).term() == 1);
  CHECK_FALSE(c.HasEvent("worker-expired"));
  CHECK_FALSE(c.HasEvent("server-expired"));
  ComeBack(&c);
  run(60);
}

TEST_CASE("people are told that the store is away, since when, and that it is back") {
  TestCluster c;
  const std::string job = c.Running(LongSpec(), 1);
  CHECK(c.DescribeFleet().store_error().empty());
  GoAway(&c);
  Live(&c, absl::Seconds(30));

  const v1::FleetStatus fleet = c.DescribeFleet();
  CHECK(Says(fleet.store_error(), "etcd is silent"));
  CHECK(fleet.store_error_s() == Approx(30).margin(0.5));
  CHECK(Says(c.Describe(job).store_error(), "etcd is silent"));
  CHECK(c.HasEvent("store-failed", "etcd is silent"));

  ComeBack(&c);
  CHECK(c.DescribeFleet().store_error().empty());
  CHECK(c.DescribeFleet().store_error_s() == 0);
  CHECK(c.Describe(job).store_error().empty());
  CHECK(c.HasEvent("store-recovered", "after 30"));
}

TEST_CASE("who calls a coordinator that another has succeeded is to ask again, whatever it says") {
  TestCluster c;
  const std::string job = c.Running(LongSpec(), 1);
  c.store().SetHealth(absl::AbortedError("another has taken it over"));

  CHECK(c.StatusOf(c.Cancel(job, "")).code() == absl::StatusCode::kUnavailable);
  CHECK(Says(c.StatusOf(c.Cancel(job, "")), "another has taken it over"));
}

TEST_CASE("what needs a write is refused while the store is away, and changes nothing") {
  TestCluster c;
  const std::string job = c.Replicated(2, 3, LongSpec());
  const std::string before = c.CopiesOf(job, 0);
  GoAway(&c);
  v1::ScaleJobRequest scale;
  scale.set_job(job);
  scale.set_workers(2);
  v1::ConsistencySpec async;
  async.mutable_async();

  for (const uint64_t call :
       {c.Submit(LongSpec(), "other"), c.Cancel(job, ""), c.Scale(scale), c.Drain("s1"),
        c.SetConsistency(job, async), c.RegisterWorker("w2")}) {
    CHECK(c.StatusOf(call).code() == absl::StatusCode::kUnavailable);
    CHECK(Says(c.StatusOf(call), "etcd is silent"));
  }

  CHECK(c.CopiesOf(job, 0) == before);
  CHECK(c.Describe(job).state() == v1::RUNNING);
  CHECK(c.Describe(job).placement(0).term() == 1);
}

TEST_CASE("an evaluation that cannot be written is sent again, the one that ends the job too") {
  TestCluster c;
  const std::string job = c.Running(TestCluster::Spec(), 1);
  GoAway(&c);

  const uint64_t lost = c.ReportEvaluation("w1", job, 1, false);
  c.Advance(absl::Milliseconds(200));

  CHECK(c.Get<v1::WorkerSyncReply>(lost).evaluations_not_kept());
  CHECK(c.Describe(job).evaluations().empty());
  const uint64_t without = c.SyncWorker("w1");
  c.Advance(absl::Milliseconds(200));
  CHECK_FALSE(c.Get<v1::WorkerSyncReply>(without).evaluations_not_kept());

  ComeBack(&c);
  const uint64_t kept = c.ReportEvaluation("w1", job, 1, false);
  c.Advance(absl::Milliseconds(200));
  CHECK_FALSE(c.Get<v1::WorkerSyncReply>(kept).evaluations_not_kept());
  CHECK(c.Describe(job).evaluations_size() == 1);

  c.ReportPartitions("s1", job, 4, 16);
  REQUIRE(c.Describe(job).state() == v1::EVALUATING);
  GoAway(&c);
  c.ReportEvaluation("w1", job, 2, true);
  CHECK(c.Describe(job).state() == v1::EVALUATING);
  ComeBack(&c);
  c.ReportEvaluation("w1", job, 2, true);
  CHECK(c.Describe(job).state() == v1::FINISHED);
  CHECK(c.Describe(job).store_error().empty());
}

TEST_CASE("runs beyond what is reserved are waited for, and come when the store is back") {
  TestCluster c;
  const std::string job = c.Running(TestCluster::Ssp(LongSpec()), 1);
  c.ReportPartitions("s1", job, 0, 0);
  REQUIRE(c.Get<v1::LeaseReply>(c.Lease("w1", job, 2)).runs_size() == 2);
  GoAway(&c);

  // 2 + 64 + 16 were reserved.
  CHECK(c.Get<v1::LeaseReply>(c.Lease("w1", job, 64)).runs_size() == 64);
  CHECK(c.Get<v1::LeaseReply>(c.Lease("w1", job, 64)).runs_size() == 16);
  const uint64_t more = c.Lease("w1", job, 2);
  CHECK(c.Find(more) == nullptr);
  c.Advance(absl::Milliseconds(200));
  CHECK(c.Get<v1::LeaseReply>(more).runs().empty());
  CHECK_FALSE(c.Get<v1::LeaseReply>(more).none_left());

  const uint64_t again = c.Lease("w1", job, 2);
  c.store().SetHealth(absl::OkStatus());
  c.Advance(absl::Milliseconds(200));
  REQUIRE(c.Get<v1::LeaseReply>(again).runs_size() == 2);
  CHECK(c.Get<v1::LeaseReply>(again).runs(0) == 82);
}

TEST_CASE("who falls silent while the store is away is expired when it is back, unless he returns") {
  TestCluster c;
  const bool is_silent = GENERATE(true, false);
  const std::string job = c.Running(LongSpec(2), 2);
  if (is_silent) {
    GoAway(&c);
  } else {
    c.store().FailCommits(absl::ResourceExhaustedError("disk full"));
  }
  const auto live = [&c](int intervals) {
    for (int i = 0; i < intervals; ++i) {
      c.Advance(absl::Milliseconds(200));
      c.SyncServer("s1");
    }
  };
  live(50);
  CHECK(c.Describe(job).roster().members_size() == 2);
  c.SyncWorker("w2");

  ComeBack(&c);
  // While etcd was silent he may not have found this coordinator: he has one full lease.
  CHECK(c.HasEvent("worker-expired", "w1") == !is_silent);
  live(7);
  c.SyncWorker("w2");
  live(2);

  CHECK(c.HasEvent("worker-expired", "w1"));
  CHECK_FALSE(c.HasEvent("worker-expired", "w2"));
  CHECK(c.Describe(job).roster().members_size() == 1);
}

TEST_CASE("a full disk is found by a write, asked again five times a second, and told once") {
  TestCluster c;
  const std::string job = c.Running(LongSpec(), 1);
  c.store().FailCommits(absl::ResourceExhaustedError("disk full"));
  CHECK(c.DescribeFleet().store_error().empty());
  CHECK(c.StatusOf(c.RegisterWorker("w2")).code() == absl::StatusCode::kUnavailable);
  const size_t commits = c.store().commits();

  Live(&c, absl::Seconds(10));

  CHECK(Says(c.DescribeFleet().store_error(), "disk full"));
  CHECK(c.store().commits() - commits >= 45);
  CHECK(c.store().commits() - commits <= 55);
  const auto& events = c.Get<v1::ListEventsReply>(c.ListEvents("", 0, 0)).events();
  CHECK(std::count_if(events.begin(), events.end(), [](const v1::Event& event) {
          return event.kind() == "store-failed";
        }) == 1);

  // Nothing waits to be written, and still it is found out.
  c.store().FailCommits(absl::OkStatus());
  c.Advance(absl::Milliseconds(200));
  CHECK(c.HasEvent("store-recovered"));
}

}  // namespace
}  // namespace paceline
