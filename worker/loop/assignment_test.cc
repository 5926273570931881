#include "worker/loop/assignment.h"

#include <catch2/catch.hpp>

namespace paceline {
namespace {

v1::WorkerIdentity Worker(const char* id, uint64_t incarnation) {
  v1::WorkerIdentity worker;
  worker.set_id(id);
  worker.set_incarnation(incarnation);
  return worker;
}

v1::JobDirective Running() {
  v1::JobDirective directive;
  directive.set_job("j-1");
  directive.set_state(v1::RUNNING);
  directive.mutable_spec()->mutable_data()->set_shard_samples(4);
  directive.mutable_spec()->mutable_train()->set_epochs(2);
  directive.mutable_spec()->mutable_train()->set_shards_per_round(2);
  directive.mutable_spec()->mutable_train()->set_shards_per_push(1);
  directive.mutable_facts()->set_train_samples(11);
  directive.mutable_segment()->mutable_consistency()->mutable_sync();
  for (const char* const id : {"w0", "w1"}) {
    v1::RosterMember* const member = directive.mutable_roster()->add_members();
    *member->mutable_worker() = Worker(id, 5);
    member->set_start_clock(7);
  }
  directive.mutable_roster()->set_version(3);
  return directive;
}

TEST_CASE("a member of the roster trains, under its own incarnation only") {
  Assignment member(Worker("w1", 5));
  Assignment predecessor(Worker("w1", 4));

  CHECK(member.Update(Running(), true));
  predecessor.Update(Running(), true);

  CHECK(member.target() == Target::kTrain);
  CHECK(member.rank() == 1);
  CHECK(member.workers() == 2);
  CHECK(member.start_clock() == 7);
  CHECK(predecessor.target() == Target::kNothing);
}

TEST_CASE("work begins anew with another target or segment, not with another roster") {
  Assignment member(Worker("w0", 5));
  v1::JobDirective directive = Running();
  CHECK(member.Update(directive, true));
  directive.mutable_roster()->mutable_members()->RemoveLast();
  directive.mutable_roster()->set_version(4);
  CHECK_FALSE(member.Update(directive, true));
  CHECK(member.workers() == 1);

  directive.mutable_segment()->set_index(1);
  CHECK(member.Update(directive, true));
  directive.set_state(v1::EVALUATING);
  CHECK(member.Update(directive, true));
  CHECK(member.target() == Target::kNothing);
  directive.set_evaluate(true);
  CHECK(member.Update(directive, true));
  CHECK(member.target() == Target::kEvaluate);
}

TEST_CASE("an older roster is ignored, and nothing is done before the partitions are placed") {
  Assignment member(Worker("w0", 5));
  member.Update(Running(), false);
  CHECK(member.target() == Target::kNothing);
  member.Update(Running(), true);
  v1::JobDirective older = Running();
  older.mutable_roster()->set_version(2);
  older.mutable_roster()->clear_members();

  CHECK_FALSE(member.Update(older, true));

  CHECK(member.target() == Target::kTrain);
}

TEST_CASE("the plan has the runs of the mode") {
  Assignment member(Worker("w0", 5));
  v1::JobDirective directive = Running();
  member.Update(directive, true);
  // 3 data shards an epoch: rounds of 2 and 1.
  CHECK(member.shards_per_epoch() == 3);
  CHECK(member.Plan()->size() == 4);

  directive.mutable_segment()->mutable_consistency()->mutable_async();
  directive.mutable_segment()->set_first_shard(2);
  member.Update(directive, true);
  CHECK(member.Plan()->size() == 4);
}

TEST_CASE("a directive without samples, or with a segment beyond the end, has no plan") {
  Assignment member(Worker("w0", 5));
  v1::JobDirective directive = Running();
  directive.mutable_segment()->set_first_shard(7);
  member.Update(directive, true);
  CHECK(absl::IsInvalidArgument(member.Plan().status()));

  directive.mutable_segment()->set_first_shard(0);
  directive.clear_facts();
  member.Update(directive, true);
  CHECK(absl::IsInvalidArgument(member.Plan().status()));
}

}  // namespace
}  // namespace paceline
