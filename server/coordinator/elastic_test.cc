// What people ask of a running fleet: drain, rebalance, scale.
#include <algorithm>
#include <catch2/catch.hpp>

#include "common/testing/says.h"
#include "server/coordinator/test_cluster.h"

namespace paceline {
namespace {

v1::ScaleJobRequest Scaling(const std::string& job) {
  v1::ScaleJobRequest request;
  request.set_job(job);
  return request;
}

uint64_t ReplicasOn(TestCluster* c, const std::string& id) {
  const v1::FleetStatus fleet = c->DescribeFleet();
  const auto it = std::find_if(fleet.servers().begin(), fleet.servers().end(),
                               [&](const auto& server) { return server.server().id() == id; });
  REQUIRE(it != fleet.servers().end());
  return it->replicas();
}

TEST_CASE("a drained server's partitions move while it serves, and then it holds nothing") {
  TestCluster c;
  const std::string job = c.Replicated(1, 1);
  c.RegisterServer("s2");

  CHECK(c.Get<v1::DrainServerReply>(c.Drain("s1")).replicas() == 1);
  CHECK(c.CopiesOf(job, 0) == "s1*- s2~");
  CHECK(c.DescribeFleet().servers(0).state() == "draining");
  CHECK(c.Get<v1::DrainServerReply>(c.Drain("s1")).replicas() == 1);
  CHECK_FALSE(c.HasEvent("server-drained"));

  c.CatchUp(job);

  CHECK(c.CopiesOf(job, 0) == "s2*");
  CHECK(c.Describe(job).placement(0).term() == 2);
  CHECK(c.HasEvent("primary-changed", "s2 is the primary now: s1 gives it away"));
  CHECK(c.HasEvent("server-drained", "server s1 holds no copy"));
  CHECK(c.DescribeFleet().servers(0).state() == "drained");
  CHECK(ReplicasOn(&c, "s1") == 0);
  c.SyncServer("s1");
  CHECK(c.ServerDirectiveOf("s1", job) == nullptr);
  // Nothing new comes to it, not even after the coordinator has started anew.
  c.Restart();
  c.SyncAll();
  v1::ScaleJobRequest scaling = Scaling(job);
  scaling.set_replicas(2);
  REQUIRE(c.StatusOf(c.Scale(scaling)).ok());
  CHECK(c.CopiesOf(job, 0) == "s2*");
  CHECK(c.StatusOf(c.Drain("s1", true)).ok());
  CHECK(c.CopiesOf(job, 0) == "s2* s1~");
  CHECK(c.HasEvent("drain-cancelled"));
}

TEST_CASE("a backup in sync takes a draining primary's place; nowhere to go is no harm") {
  TestCluster c;
  const std::string job = c.Replicated(2, 2);

  CHECK(c.Get<v1::DrainServerReply>(c.Drain("s1")).replicas() == 1);
  CHECK(c.CopiesOf(job, 0) == "s1*- s2");  // Until all have heard of it.
  c.CatchUp(job);
  CHECK(c.CopiesOf(job, 0) == "s2*");
  CHECK(c.Get<v1::DrainServerReply>(c.Drain("s2")).replicas() == 1);

  CHECK(c.CopiesOf(job, 0) == "s2*-");
  CHECK(c.Describe(job).state() == v1::RUNNING);
  c.Get<v1::DrainServerReply>(c.Drain("s2", true));
  CHECK(c.CopiesOf(job, 0) == "s2*");
}

TEST_CASE("a drain that is cancelled keeps the copies and drops those it began to make") {
  TestCluster c;
  const std::string job = c.Replicated(1, 1);
  c.RegisterServer("s2");
  c.Drain("s1");
  CHECK(c.CopiesOf(job, 0) == "s1*- s2~");

  c.Drain("s1", true);
  c.CatchUp(job);

  CHECK(c.CopiesOf(job, 0) == "s1*");
  CHECK(c.StatusOf(c.Drain("s9")).code() == absl::StatusCode::kNotFound);
}

TEST_CASE("no job starts on a draining server") {
  TestCluster c;
  c.RegisterServer("s1");
  c.Drain("s1");
  const std::string job = c.MustSubmit(TestCluster::BareSpec());
  CHECK(c.Describe(job).reason() == "waiting for a server: all are draining");
  CHECK(c.Describe(job).state() == v1::WAITING);

  c.RegisterServer("s2");

  CHECK(c.CopiesOf(job, 0) == "s2*");
}

TEST_CASE("copies are spread over zones") {
  TestCluster c;
  v1::JobSpec spec = TestCluster::WideSpec(4);
  spec.mutable_fleet()->set_replicas(2);
  spec.mutable_fleet()->set_servers(4);
  c.RegisterServer("s1", "east");
  c.RegisterServer("s2", "east");
  c.RegisterServer("s3", "west");
  c.RegisterServer("s4", "west");

  const std::string job = c.MustSubmit(spec);

  for (uint32_t p = 0; p < 4; ++p) {
    const std::string copies = c.CopiesOf(job, p);
    INFO(copies);
    const bool has_east = Says(copies, "s1") || Says(copies, "s2");
    const bool has_west = Says(copies, "s3") || Says(copies, "s4");
    CHECK(has_east);
    CHECK(has_west);
  }
  CHECK(c.DescribeFleet().servers(3).zone() == "west");
  for (int s = 0; s < 4; ++s) {
    CHECK(c.DescribeFleet().servers(s).replicas() == 2);
    CHECK(c.DescribeFleet().servers(s).partitions() == 1);
    CHECK(c.DescribeFleet().servers(s).elements() == 2u << 20);
  }
}

TEST_CASE("rebalancing moves what it said it would, and no more when it is asked again") {
  TestCluster c;
  const std::string job = c.Replicated(1, 1, TestCluster::WideSpec(4));
  c.RegisterServer("s2");
  c.SyncAll();

  const v1::RebalanceReply plan = c.Rebalance(true);
  REQUIRE(plan.moves_size() == 2);
  CHECK(plan.moves(0).job() == job);
  CHECK(plan.moves(0).from() == "s1");
  CHECK(plan.moves(0).to() == "s2");
  CHECK(plan.moves(0).bytes() == 4u << 20);
  CHECK(ReplicasOn(&c, "s2") == 0);

  CHECK(c.Rebalance(false).SerializeAsString() == plan.SerializeAsString());
  for (const v1::ReplicaMove& move : plan.moves()) {
    CHECK(c.CopiesOf(job, move.partition()) == "s1*- s2~");
  }
  CHECK(c.HasEvent("rebalanced", "2 partitions on the way"));
  CHECK(c.Rebalance(false).moves_size() == 0);

  c.CatchUp(job);

  for (const v1::ReplicaMove& move : plan.moves()) {
    CHECK(c.CopiesOf(job, move.partition()) == "s2*");
  }
  CHECK(ReplicasOn(&c, "s1") == 2);
  CHECK(c.Rebalance(false).moves_size() == 0);
}

TEST_CASE("rebalancing exchanges roles where that is enough") {
  TestCluster c;
  const std::string job = c.Replicated(2, 2, TestCluster::WideSpec(4));
  c.RegisterServer("s1");
  c.CatchUp(job);
  for (uint32_t p = 0; p < 4; ++p) CHECK(c.CopiesOf(job, p) == "s2* s1");

  const v1::RebalanceReply reply = c.Rebalance(false);

  REQUIRE(reply.moves_size() == 2);
  CHECK(reply.moves(0).from() == "s2");
  CHECK(reply.moves(0).to() == "s1");
  CHECK(reply.moves(0).bytes() == 0);
  CHECK(c.CopiesOf(job, reply.moves(0).partition()) == "s2 s1*");
}

TEST_CASE("a move whose target dies ends where it began") {
  TestCluster c;
  const std::string job = c.Replicated(1, 1, TestCluster::WideSpec(2));
  c.RegisterServer("s2");
  c.SyncAll();
  const v1::RebalanceReply plan = c.Rebalance(false);
  REQUIRE(plan.moves_size() == 1);
  v1::ServerSyncRequest leaving = c.ServerRequest("s2");
  leaving.set_leaving(true);

  c.Sync(leaving);

  CHECK(c.CopiesOf(job, plan.moves(0).partition()) == "s1*");
}

TEST_CASE("a job is scaled in copies, up and down, and its spec stays as submitted") {
  TestCluster c;
  const std::string job = c.Replicated(1, 3);
  const std::string sha = c.Describe(job).spec_sha256();
  v1::ScaleJobRequest scaling = Scaling(job);
  scaling.set_replicas(3);
  scaling.set_min_in_sync(2);

  const auto reply = c.Get<v1::ScaleJobReply>(c.Scale(scaling));
  CHECK(reply.workers() == 1);
  CHECK(reply.replicas() == 3);
  CHECK(reply.min_in_sync() == 2);
  CHECK(c.CopiesOf(job, 0) == "s1* s2~ s3~");
  CHECK(c.HasEvent("job-scaled", "3 copies of each partition"));
  c.CatchUp(job);
  CHECK(c.CopiesOf(job, 0) == "s1* s2 s3");
  c.SyncAll();
  CHECK(c.ServerDirectiveOf("s1", job)->spec().fleet().min_in_sync() == 2);
  CHECK(c.ServerDirectiveOf("s3", job)->spec().fleet().replicas() == 3);
  CHECK(c.Describe(job).fleet().replicas() == 3);
  CHECK(c.Describe(job).spec().fleet().replicas() == 1);
  CHECK(c.Describe(job).spec_sha256() == sha);

  c.Restart();
  c.SyncAll();
  CHECK(c.CopiesOf(job, 0) == "s1* s2 s3");
  scaling.set_replicas(1);
  CHECK(Says(c.StatusOf(c.Scale(scaling)).message(), "fleet.min_in_sync is 2; wanted at most"));
  CHECK(c.CopiesOf(job, 0) == "s1* s2 s3");
  scaling.set_min_in_sync(1);
  CHECK(c.StatusOf(c.Scale(scaling)).ok());
  c.CatchUp(job);
  CHECK(c.CopiesOf(job, 0) == "s1*");
}

TEST_CASE("a job is scaled in workers, up and down") {
  TestCluster c;
  const std::string job = c.Running(TestCluster::Spec(1), 2);
  CHECK(c.Describe(job).roster().members_size() == 1);
  v1::ScaleJobRequest scaling = Scaling(job);

  scaling.set_workers(2);
  REQUIRE(c.StatusOf(c.Scale(scaling)).ok());
  c.SyncAll();
  c.ReportFacts("w2", job);
  CHECK(c.Describe(job).roster().members_size() == 2);

  scaling.set_workers(1);
  REQUIRE(c.StatusOf(c.Scale(scaling)).ok());
  c.SyncAll();

  REQUIRE(c.Describe(job).roster().members_size() == 1);
  CHECK(c.Describe(job).roster().members(0).worker().id() == "w1");
  CHECK(c.DirectiveOf("w2", job) == nullptr);
  CHECK(c.HasEvent("roster-changed", "w2 is let go: toy-1 wants 1 worker"));
  CHECK(c.Describe(job).state() == v1::RUNNING);
}

TEST_CASE("what cannot be scaled is refused and nothing has changed") {
  TestCluster c;
  const std::string job = c.Replicated(1, 2);
  v1::ScaleJobRequest scaling = Scaling(job);
  scaling.set_replicas(17);
  CHECK(Says(c.StatusOf(c.Scale(scaling)).message(), "fleet.replicas is 17"));
  CHECK(c.StatusOf(c.Scale(scaling)).code() == absl::StatusCode::kInvalidArgument);
  scaling.set_replicas(1);
  scaling.set_workers(0);
  CHECK(c.StatusOf(c.Scale(scaling)).code() == absl::StatusCode::kInvalidArgument);
  CHECK(c.StatusOf(c.Scale(Scaling("none-1"))).code() == absl::StatusCode::kNotFound);
  CHECK(c.Get<v1::ScaleJobReply>(c.Scale(Scaling(job))).workers() == 1);
  CHECK_FALSE(c.HasEvent("job-scaled"));

  c.Cancel(job, "");
  CHECK(c.StatusOf(c.Scale(Scaling(job))).code() == absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace paceline
