// Copies of partitions while servers die: who takes over, what is waited for, what is lost.
#include <catch2/catch.hpp>
#include <functional>
#include <vector>

#include "common/testing/says.h"
#include "server/coordinator/test_cluster.h"

namespace paceline {
namespace {

using State = v1::BackupReport;

TEST_CASE("a job starts with all its copies in sync, on servers that all hear of it") {
  TestCluster c;
  const std::string job = c.Replicated(2, 2);

  CHECK(c.CopiesOf(job, 0) == "s1* s2");
  const v1::PartitionPlacement place = c.Describe(job).placement(0);
  CHECK(place.term() == 1);
  CHECK(place.config() == 1);
  CHECK(place.replicas(0).id() == 1);
  CHECK(place.replicas(1).id() == 2);
  CHECK(place.replicas(1).address() == "s2:7000");
  REQUIRE(c.ServerDirectiveOf("s2", job) != nullptr);
  CHECK(c.ServerDirectiveOf("s2", job)->placement(0).server() == "s1");
  CHECK(c.HasEvent("job-started", "1 partitions in 2 copies on s1, s2"));
}

TEST_CASE("a server that alone holds a partition has its whole lease to come back") {
  TestCluster c;
  const std::string job = c.Replicated(1, 2);
  c.ReportPrimary(job, 0, 1);
  c.Break("s1");
  for (int i = 0; i < 15; ++i) {
    c.Advance(absl::Milliseconds(100));
    c.SyncServer("s2");
    c.SyncWorker("w1");
  }
  CHECK(c.Describe(job).state() == v1::RUNNING);

  c.SyncServer("s1");
  c.Advance(absl::Milliseconds(1000));

  CHECK(c.Describe(job).state() == v1::RUNNING);
}

TEST_CASE("a coordinator that hears nobody at all is cut off itself: it gives nobody up") {
  TestCluster c;
  const std::string job = c.Replicated(2, 2);
  c.Advance(absl::Seconds(60));
  CHECK(c.CopiesOf(job, 0) == "s1* s2");
  CHECK(c.Describe(job).state() == v1::RUNNING);
  CHECK_FALSE(c.HasEvent("server-expired"));
  CHECK_FALSE(c.HasEvent("worker-expired"));
  CHECK(c.Describe(job).reason() ==
        "the coordinator has heard no worker and no server for 60.0 s: it takes itself for cut "
        "off, and gives nobody up until it hears one");

  // Now everyone has a lease to be heard again; who is not is gone.
  c.SyncServer("s2");
  c.SyncWorker("w1");
  CHECK_FALSE(Says(c.Describe(job).reason(), "cut off"));
  c.Advance(absl::Milliseconds(1900));
  CHECK_FALSE(c.HasEvent("server-expired"));
  c.SyncServer("s2");
  c.SyncWorker("w1");
  c.Advance(absl::Milliseconds(200));
  CHECK(c.HasEvent("server-expired", "server s1 expired"));
  CHECK(c.CopiesOf(job, 0) == "s2*");
}

TEST_CASE("the server in the coordinator's own process is no sign that the network is well") {
  CoordinatorOptions options = TestCluster::DefaultOptions();
  options.own_server = "s1";
  TestCluster c(options);
  const std::string job = c.Replicated(2, 3);
  for (int i = 0; i < 100; ++i) {
    c.Advance(absl::Milliseconds(100));
    c.SyncServer("s1");
  }
  CHECK_FALSE(c.HasEvent("server-expired"));
  CHECK(c.Describe(job).state() == v1::RUNNING);
}

TEST_CASE("a killed primary's partition goes on with its backup within a suspect lease") {
  TestCluster c;
  const std::string job = c.Replicated(2, 2);
  c.ReportPrimary(job, 0, 1);
  c.Break("s1");
  c.SyncServer("s2");
  CHECK(c.DescribeFleet().servers(0).state() == "no sync for 0.0 s");
  for (int i = 0; i < 5; ++i) {
    c.Advance(absl::Milliseconds(100));
    c.SyncServer("s2");
    c.SyncWorker("w1");
  }
  CHECK(c.CopiesOf(job, 0) == "s1* s2");
  CHECK(c.Describe(job).reason() == "waiting for server s1 (no sync for 0.5 s; expires in 0.1 s)");

  c.Advance(absl::Milliseconds(100));

  CHECK(c.CopiesOf(job, 0) == "s2*");
  CHECK(c.Describe(job).state() == v1::RUNNING);
  const v1::PartitionPlacement place = c.Describe(job).placement(0);
  CHECK(place.term() == 2);
  CHECK(place.server() == "s2");
  CHECK(place.address() == "s2:7000");
  CHECK(c.HasEvent("server-expired",
                   "server s1 expired: its connection broke and no sync for 600ms"));
  CHECK(c.HasEvent("replica-removed", "partition 0: the copy on s1 is gone: server s1 expired"));
  CHECK(c.HasEvent("primary-changed", "partition 0: s2 is the primary now: server s1 expired"));
  CHECK(c.HasEvent("primary-changed", "(term 2; 1 of 1 copies in sync)"));
  // Everyone hears of it.
  c.SyncAll();
  CHECK(c.DirectiveOf("w1", job)->placement(0).server() == "s2");
  CHECK(c.ServerDirectiveOf("s2", job)->placement(0).term() == 2);
  c.Advance(absl::Milliseconds(400));
  CHECK(c.Describe(job).reason() == "partition 0 has a new primary on s2 since 0.4 s");

  c.ReportPrimary(job, 0, 1);
  CHECK(Says(c.Describe(job).reason(), "partition 0 has a new primary"));
  c.ReportPrimary(job, 0, 2);
  CHECK(c.Describe(job).reason() ==
        "training: round 2 of 4; partition 0: 1 of 2 copies in sync, no other server takes one");
}

TEST_CASE("a server that only lost its connection syncs again and keeps what it holds") {
  TestCluster c;
  const std::string job = c.Replicated(2, 2);
  c.Break("s1");
  c.Advance(absl::Milliseconds(500));

  c.SyncAll();
  c.Advance(absl::Milliseconds(1900));

  CHECK(c.CopiesOf(job, 0) == "s1* s2");
}

TEST_CASE("a broken connection shortens no lease while the other copies' servers may be dead") {
  TestCluster c;
  const std::string job = c.Replicated(2, 2);
  c.Break("s2");
  c.Advance(absl::Milliseconds(300));
  c.Break("s1");
  c.Advance(absl::Milliseconds(1000));
  CHECK_FALSE(c.HasEvent("server-expired"));

  c.SyncServer("s2");
  c.Advance(absl::Milliseconds(1000));

  CHECK(c.HasEvent("server-expired", "server s1 expired"));
  CHECK(c.CopiesOf(job, 0) == "s2*");
  CHECK(c.Describe(job).state() == v1::RUNNING);
}

TEST_CASE("a broken connection shortens no lease while the other copies' servers are silent") {
  TestCluster c;
  const std::string job = c.Replicated(2, 2);
  const uint64_t waiting = c.SyncServer("s2");
  c.coordinator().OnTick(c.now() + absl::Seconds(5));  // No tick on the way.

  c.coordinator().OnCancel(waiting);
  c.Advance(absl::Milliseconds(6900));

  CHECK_FALSE(c.HasEvent("server-expired"));
}

TEST_CASE("a worker's broken connection shortens nothing") {
  TestCluster c;
  c.Replicated(1, 1);
  c.coordinator().OnCancel(c.SyncWorker("w1"));
  c.Advance(absl::Milliseconds(1900));
  CHECK_FALSE(c.HasEvent("worker-expired"));
}

TEST_CASE("the copy with the longest reported log is promoted") {
  TestCluster c;
  const std::string job = c.Replicated(3, 3);
  c.ReportBackup("s2", job, 0, 5);
  c.ReportBackup("s3", job, 0, 6);
  c.Break("s1");
  for (int i = 0; i < 6; ++i) {
    c.Advance(absl::Milliseconds(100));
    c.SyncServer("s2");
    c.SyncServer("s3");
  }

  CHECK(c.CopiesOf(job, 0) == "s2 s3*");
}

TEST_CASE("two servers that die together are taken out in one step") {
  TestCluster c;
  const std::string job = c.Replicated(3, 3);
  c.ReportBackup("s2", job, 0, 9);
  for (int i = 0; i < 20; ++i) {
    c.Advance(absl::Milliseconds(100));
    c.SyncServer("s3");
    c.SyncWorker("w1");
  }

  CHECK(c.CopiesOf(job, 0) == "s3*");
  CHECK(c.Describe(job).placement(0).term() == 2);
  CHECK(c.Describe(job).placement(0).config() == 2);
}

TEST_CASE("with no copy in sync left the job fails and says which servers held what") {
  TestCluster c;
  const std::string job = c.Replicated(2, 2);
  c.ReportPrimary(job, 0, 1, 2, State::LAGGING);
  CHECK(c.CopiesOf(job, 0) == "s1* s2~");

  c.RegisterServer("s1");

  CHECK(c.Describe(job).state() == v1::FAILED);
  CHECK(c.Describe(job).reason() ==
        "server s1 restarted; no copy in sync is left of partition 0 (1 of 1; replicas: 2)");
}

TEST_CASE("a lagging backup is no longer waited for until it has caught up") {
  TestCluster c;
  const std::string job = c.Replicated(2, 2);

  c.ReportPrimary(job, 0, 3, 2, State::LAGGING, 1);
  CHECK(c.CopiesOf(job, 0) == "s1* s2~");
  CHECK(c.HasEvent("replica-out-of-sync", "the copy on s2 lags behind"));
  c.SyncServer("s1");
  CHECK(c.ServerDirectiveOf("s1", job)->placement(0).config() == 2);
  CHECK_FALSE(c.ServerDirectiveOf("s1", job)->placement(0).replicas(1).in_sync());
  c.ReportPrimary(job, 0, 3, 2, State::BEHIND, 2);
  CHECK(c.Describe(job).reason() ==
        "training: round 3 of 4; partition 0: 1 of 2 copies in sync, copying to s2 (entry 2 of 3)");

  c.ReportPrimary(job, 0, 3, 2, State::CAUGHT_UP, 3);
  CHECK(c.CopiesOf(job, 0) == "s1* s2");
  CHECK(c.HasEvent("replica-in-sync", "the copy on s2 has caught up"));
}

TEST_CASE("a diverged copy is made anew under another id") {
  TestCluster c;
  const std::string job = c.Replicated(2, 2);

  c.ReportPrimary(job, 0, 3, 2, State::DIVERGED);

  CHECK(c.CopiesOf(job, 0) == "s1* s2~");
  CHECK(c.Describe(job).placement(0).replicas(1).id() == 3);
  CHECK(c.HasEvent("replica-diverged", "the copy on s2 is not what the primary's is"));
  CHECK(c.HasEvent("replica-added", "partition 0: a copy is made on s2"));
}

TEST_CASE("what a deposed primary or a backup says of progress and backups is not believed") {
  TestCluster c;
  const std::string job = c.Replicated(2, 2);
  c.ReportPrimary(job, 0, 1);
  v1::ServerSyncRequest request = c.ServerRequest("s2");
  v1::PartitionReport* report = request.add_partitions();
  report->set_job(job);
  report->set_term(1);
  report->set_config(1);
  report->set_replica(2);
  report->set_version(4);
  report->set_applied_below(16);
  report->add_backups()->set_replica(1);
  report->mutable_backups(0)->set_state(State::DIVERGED);

  c.Sync(request);
  report->set_is_backup(true);
  c.Sync(request);

  CHECK(c.Describe(job).version() == 1);
  CHECK(c.Describe(job).state() == v1::RUNNING);
  CHECK(c.CopiesOf(job, 0) == "s1* s2");
}

TEST_CASE("a server that comes gets the copies that are missing, and ids are never used again") {
  TestCluster c;
  const std::string job = c.Replicated(2, 2);
  c.RegisterServer("s2");  // Its process has restarted.
  CHECK(c.CopiesOf(job, 0) == "s1* s2~");
  CHECK(c.Describe(job).placement(0).replicas(1).id() == 3);
  REQUIRE(c.ServerDirectiveOf("s2", job) != nullptr);

  c.CatchUp(job);
  CHECK(c.CopiesOf(job, 0) == "s1* s2");
  c.Restart();
  c.SyncAll();
  c.RegisterServer("s2");
  CHECK(c.Describe(job).placement(0).replicas(1).id() == 4);
}

TEST_CASE("a job starts with fewer copies than wanted when one lease brings no more servers") {
  TestCluster c;
  v1::JobSpec spec = TestCluster::BareSpec();
  spec.mutable_fleet()->set_replicas(3);
  const std::string job = c.MustSubmit(spec);
  c.RegisterServer("s1");
  c.RegisterServer("s2");
  CHECK(Says(c.Describe(job).reason(), "waiting for 3 servers: 2 registered"));
  for (int i = 0; i < 20; ++i) {
    c.Advance(absl::Milliseconds(100));
    c.SyncAll();
  }
  CHECK(c.CopiesOf(job, 0) == "s1* s2");

  c.RegisterServer("s3");

  CHECK(c.CopiesOf(job, 0) == "s1* s2 s3~");
}

TEST_CASE("a server that leaves in good order hands its partitions over in the same step") {
  TestCluster c;
  const std::string job = c.Replicated(2, 2);
  v1::ServerSyncRequest leaving = c.ServerRequest("s1");
  leaving.set_leaving(true);

  CHECK(c.StatusOf(c.Sync(leaving)).ok());

  CHECK(c.CopiesOf(job, 0) == "s2*");
  CHECK(c.Describe(job).state() == v1::RUNNING);
  CHECK(c.HasEvent("primary-changed", "server s1 left"));
}

TEST_CASE("with fewer in sync than min_in_sync the reason says what pushes wait for") {
  TestCluster c;
  v1::JobSpec spec = TestCluster::Spec();
  spec.mutable_fleet()->set_min_in_sync(2);
  const std::string job = c.Replicated(2, 2, spec);

  c.ReportPrimary(job, 0, 1, 2, State::LAGGING);

  CHECK(c.Describe(job).reason() ==
        "partition 0: 1 of 2 copies in sync (pushes wait for 2), copying to s2 (entry 0 of 1)");
}

TEST_CASE("many partitions of a dead server change in one transaction and in few events") {
  TestCluster c;
  const std::string job = c.Replicated(2, 2, TestCluster::WideSpec(40));
  const int partitions = c.Describe(job).placement_size();
  REQUIRE(partitions == 40);
  const auto before = c.Get<v1::ListEventsReply>(c.ListEvents("", 0, 0)).events_size();

  c.RegisterServer("s1");

  // 16 of 2^20 elements at a time.
  for (int p = 0; p < partitions; ++p) {
    CHECK(c.CopiesOf(job, static_cast<uint32_t>(p)) == (p < 16 ? "s2* s1~" : "s2*"));
  }
  CHECK(c.HasEvent("primary-changed", "partitions 0, 2, 4 and 17 more: s2 is the primary now"));
  const auto after = c.Get<v1::ListEventsReply>(c.ListEvents("", 0, 0)).events_size();
  // Replaced; gone, promoted; added.
  CHECK(after - before == 4);

  c.CatchUp(job);
  for (int p = 0; p < partitions; ++p) {
    CHECK(c.CopiesOf(job, static_cast<uint32_t>(p)) == "s2* s1");
  }
}

// For so long the primary says of copy 2 that it holds the log up to `index(seconds)`.
void StayBehind(TestCluster* c, const std::string& job, int seconds,
                const std::function<uint64_t(int)>& index) {
  for (int i = 0; i < 5 * seconds; ++i) {
    c->Advance(absl::Milliseconds(200));
    c->SyncAll();
    c->ReportPrimary(job, 0, 1, 2, State::BEHIND, index(i / 5));
  }
}

TEST_CASE("a copy that its primary does not reach is tried on another server after 30 s") {
  TestCluster c;
  const std::string job = c.Replicated(2, 3);
  c.ReportPrimary(job, 0, 1, 2, State::LAGGING);
  REQUIRE(c.CopiesOf(job, 0) == "s1* s2~");

  StayBehind(&c, job, 30, [](int) { return 0; });
  CHECK(c.CopiesOf(job, 0) == "s1* s2~");
  StayBehind(&c, job, 1, [](int) { return 0; });

  CHECK(c.CopiesOf(job, 0) == "s1* s3~");
  CHECK(c.HasEvent("replica-removed", "the copy on s2 is gone: it has not come nearer for 30s"));
  CHECK(c.HasEvent("replica-added", "a copy is made on s3"));
}

TEST_CASE("a copy that comes nearer is left where it is, and so is one that has no other place") {
  TestCluster c;
  const bool is_nearing = GENERATE(true, false);
  const std::string job = c.Replicated(2, is_nearing ? 3 : 2);
  c.ReportPrimary(job, 0, 1, 2, State::LAGGING);

  StayBehind(&c, job, 100, [=](int second) { return is_nearing ? second / 20 : 0; });

  CHECK(c.CopiesOf(job, 0) == "s1* s2~");
}

TEST_CASE("a stuck copy that the store would not let go is replaced later, unless it came nearer") {
  TestCluster c;
  const bool comes_nearer = GENERATE(false, true);
  const std::string job = c.Replicated(2, 3);
  c.ReportPrimary(job, 0, 1, 2, State::LAGGING);
  StayBehind(&c, job, 30, [](int) { return 0; });
  c.store().FailCommits(absl::ResourceExhaustedError("disk full"));
  StayBehind(&c, job, 1, [](int) { return 0; });
  CHECK(c.CopiesOf(job, 0) == "s1* s2~");

  if (comes_nearer) c.ReportPrimary(job, 0, 1, 2, State::BEHIND, 1);
  c.store().FailCommits(absl::OkStatus());
  c.Advance(absl::Milliseconds(200));

  CHECK(c.CopiesOf(job, 0) == (comes_nearer ? "s1* s2~" : "s1* s3~"));
}

TEST_CASE("a store that refuses the promotion is asked again, and nobody is told before") {
  TestCluster c;
  const std::string job = c.Replicated(2, 2);
  c.store().FailCommits(absl::ResourceExhaustedError("disk full"));
  c.ReportPrimary(job, 0, 1, 2, State::LAGGING);
  CHECK(c.CopiesOf(job, 0) == "s1* s2");

  c.store().FailCommits(absl::OkStatus());
  c.Advance(absl::Milliseconds(200));

  CHECK(c.CopiesOf(job, 0) == "s1* s2~");
}

TEST_CASE("a promoted primary that has not committed its tail takes nothing back") {
  TestCluster c;
  const std::string job = c.Replicated(2, 2);
  c.ReportPrimary(job, 0, 3);
  c.RegisterServer("s1");

  c.ReportPrimary(job, 0, 2);

  CHECK(c.Describe(job).version() == 3);
  CHECK(c.Describe(job).samples() == 120);
  CHECK(c.Describe(job).partitions(0).term() == 2);
  c.ReportPrimary(job, 0, 4);
  CHECK(c.Describe(job).state() == v1::EVALUATING);
}

TEST_CASE("the parameters of an ended job stay with the copies that are left") {
  TestCluster c;
  const std::string job = c.Replicated(2, 2);
  c.Cancel(job, "enough");

  c.RegisterServer("s1");

  CHECK(c.CopiesOf(job, 0) == "s2*");
  CHECK(c.Describe(job).state() == v1::CANCELLED);
}

TEST_CASE("acks: leader: a new primary's runs are granted again, and what it lacks is told") {
  for (const bool is_alone : {false, true}) {
    TestCluster c;
    v1::JobSpec spec = TestCluster::Ssp(TestCluster::Spec());
    if (is_alone) spec.mutable_fleet()->set_acks(v1::FleetSpec::LEADER);
    const std::string job = c.Replicated(2, 2, spec);
    c.ReportPrimary(job, 0, 0);
    const auto runs = [&](uint32_t want) {
      const auto reply = c.Get<v1::LeaseReply>(c.Lease("w1", job, want));
      return std::vector<uint64_t>(reply.runs().begin(), reply.runs().end());
    };
    CHECK(runs(4) == std::vector<uint64_t>{0, 1, 2, 3});
    c.ReportPrimary(job, 0, 1);  // Runs 0 and 1.
    c.Break("s1");
    for (int i = 0; i < 6; ++i) {
      c.Advance(absl::Milliseconds(100));
      c.SyncServer("s2");
      c.SyncWorker("w1");
    }
    REQUIRE(c.CopiesOf(job, 0) == "s2*");

    c.ReportPrimary(job, 0, 0);

    const std::vector<uint64_t> next = runs(2);
    CHECK(next == (is_alone ? std::vector<uint64_t>{2, 3} : std::vector<uint64_t>{4, 5}));
    CHECK(c.HasEvent("pushes-lost", "partition 0: at least 1 push") == is_alone);
  }
}

}  // namespace
}  // namespace paceline
