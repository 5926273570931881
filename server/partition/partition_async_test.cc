// ssp, async and bare parameters: pushes that are applied on arrival.
#include <catch2/catch.hpp>

#include "absl/strings/str_cat.h"
#include "server/partition/partition.h"
#include "server/partition/partition_testing.h"

namespace paceline {
namespace {

// Runs of one data shard, 100 in an epoch.
RigOptions Runs(v1::ConsistencySpec consistency) {
  RigOptions options;
  options.work = {100, 100, 1, 1};
  options.consistency = std::move(consistency);
  return options;
}

TEST_CASE("a push is applied on arrival and counts once, whoever repeats it") {
  PartitionRig rig(Runs(AsyncSpec()));
  const v1::PushHeader header = rig.Header("w1", 0, 5, 1, 2);
  const uint64_t first = rig.Exchange(header, {2, 4});
  const uint64_t again = rig.Exchange(header, {2, 4});
  // The run is granted anew to w2, because w1 was thought dead.
  const uint64_t other = rig.Exchange(rig.Header("w2", 9, 5, 1, 2), {2, 4});

  CHECK(rig.ParametersOf(first) == std::vector<float>{-1, -2});
  CHECK(rig.ParametersOf(again) == std::vector<float>{-1, -2});
  CHECK(rig.ParametersOf(other) == std::vector<float>{-1, -2});
  CHECK_FALSE(rig.Find(first)->header.duplicate());
  CHECK(rig.Find(again)->header.duplicate());
  CHECK(rig.Find(other)->header.duplicate());
  CHECK(rig.log().size() == 1);
  CHECK(rig.Report().pushes_duplicate() == 2);
  CHECK(rig.Report().samples() == 1);
}

TEST_CASE("the sum of what was acknowledged is in the parameters, exactly") {
  // Dyadic gradients and lr 1: float32 sums are exact in any order.
  PartitionRig rig(Runs(AsyncSpec()));
  float wanted = 0;
  for (uint64_t i = 0; i < 100; ++i) {
    const uint64_t shard = i * 37 % 100;
    const float value = static_cast<float>(shard % 16) / 64;
    const v1::PushHeader header = rig.Header(absl::StrCat("w", 1 + i % 3), i, shard, 1);
    for (uint64_t copy = 0; copy <= i % 3; ++copy) {
      REQUIRE(rig.StatusOf(rig.Push(header, {value, -value})).ok());
    }
    wanted -= value;
  }
  CHECK(rig.Newest() == std::vector<float>{wanted, -wanted});
  CHECK(rig.Report().applied_below() == 100);
  CHECK(rig.Report().applied_size() == 0);
  CHECK(rig.Report().version() == 100);
  CHECK(rig.partition().TakeNews());
}

TEST_CASE("staleness is counted in powers of two") {
  PartitionRig rig(Runs(AsyncSpec()));
  for (uint64_t i = 0; i < 6; ++i) {
    v1::PushHeader header = rig.Header("w1", i, i, 1);
    header.set_base_version(0);  // Staleness i: 0, 1, 2, 3, 4, 5.
    const uint64_t call = rig.Push(header, {1, 1});
    CHECK(rig.Find(call)->header.staleness() == i);
    CHECK(rig.log()[i].staleness == i);
  }
  const v1::PartitionReport report = rig.Report();
  REQUIRE(report.staleness_size() == 4);
  CHECK(report.staleness(0) == 1);  // 0.
  CHECK(report.staleness(1) == 1);  // 1.
  CHECK(report.staleness(2) == 2);  // 2, 3.
  CHECK(report.staleness(3) == 2);  // 4, 5.
  CHECK(report.staleness_max() == 5);
}

TEST_CASE("a push that is too stale is refused, changes nothing, and may come again") {
  PartitionRig rig(Runs(AsyncSpec(1)));
  for (uint64_t i = 0; i < 2; ++i) rig.Push(rig.Header("w1", i, i, 1), {1, 1});
  v1::PushHeader stale = rig.Header("w2", 0, 2, 1);
  stale.set_base_version(0);

  const uint64_t refused = rig.Exchange(stale, {1, 1});
  CHECK(absl::IsAborted(rig.StatusOf(refused)));
  CHECK(rig.Newest() == std::vector<float>{-2, -2});
  CHECK(rig.Report().pushes_refused_stale() == 1);
  CHECK(rig.Report().applied_below() == 2);

  stale.set_base_version(1);
  CHECK(rig.StatusOf(rig.Exchange(stale, {1, 1})).ok());
  CHECK(rig.Newest() == std::vector<float>{-3, -3});
}

TEST_CASE("a repetition is acknowledged however stale it has become") {
  PartitionRig rig(Runs(AsyncSpec(0)));
  const v1::PushHeader first = rig.Header("w1", 0, 0, 1);
  rig.Push(first, {1, 1});
  rig.Push(rig.Header("w1", 1, 1, 1), {1, 1});
  const uint64_t again = rig.Push(first, {1, 1});
  CHECK(rig.StatusOf(again).ok());
  CHECK(rig.Find(again)->header.duplicate());
}

TEST_CASE("a push that is too stale is damped by one over one plus its staleness") {
  PartitionRig rig(Runs(AsyncSpec(1, v1::AsyncMode::DAMP)));
  for (uint64_t i = 0; i < 3; ++i) rig.Push(rig.Header("w1", i, i, 1), {0, 0});
  v1::PushHeader stale = rig.Header("w2", 0, 3, 1, 2);
  stale.set_base_version(0);

  const uint64_t damped = rig.Exchange(stale, {16, 8});

  CHECK(rig.ParametersOf(damped) == std::vector<float>{-2, -1});  // 16 / 2 / (1 + 3).
  CHECK(rig.Report().pushes_damped() == 1);
  CHECK(rig.log().back().gradient_scale == 0.125);
}

TEST_CASE("a gradient from a version to come is refused and changes nothing") {
  PartitionRig rig(Runs(AsyncSpec()));
  v1::PushHeader header = rig.Header("w1", 0, 0, 1);
  header.set_base_version(1);
  CHECK(absl::IsInvalidArgument(rig.StatusOf(rig.Push(header, {1, 1}))));
  CHECK(rig.partition().version() == 0);
}

TEST_CASE("ssp answers an exchange exactly when the slowest member has come far enough") {
  // Staleness 1: the read at clock c needs everybody's clock c - 2.
  PartitionRig rig(Runs(SspSpec(1)));
  uint64_t shard = 0;
  const auto exchange = [&](const std::string& worker, uint64_t clock) {
    return rig.Exchange(rig.Header(worker, clock, shard++, 1), {1, 1});
  };
  CHECK_FALSE(rig.IsParked(exchange("w1", 0)));  // Reads at 1.
  const uint64_t ahead = exchange("w1", 1);      // Reads at 2: needs w2's clock 0.
  CHECK(rig.IsParked(ahead));
  const v1::PartitionReport report = rig.Report();
  REQUIRE(report.waits_size() == 1);
  CHECK(report.waits(0).what() == "clock 0 of w2");
  CHECK(report.version() == 2);  // Applied all the same.

  CHECK_FALSE(rig.IsParked(exchange("w2", 0)));

  CHECK(rig.ParametersOf(ahead) == std::vector<float>{-3, -3});
  CHECK(rig.Report().lead_max() == 2);
}

TEST_CASE("an ssp push without parameters waits for nobody, a pull waits for its clock") {
  PartitionRig rig(Runs(SspSpec(0)));
  CHECK_FALSE(rig.IsParked(rig.Push(rig.Header("w1", 0, 0, 1), {1, 1})));
  CHECK_FALSE(rig.IsParked(rig.Push(rig.Header("w1", 1, 1, 1), {1, 1})));
  CHECK_FALSE(rig.IsParked(rig.Pull({}, 0)));
  const uint64_t pull = rig.Pull({}, 1);
  CHECK(rig.IsParked(pull));
  rig.Push(rig.Header("w2", 0, 2, 1), {1, 1});
  CHECK_FALSE(rig.IsParked(pull));
}

TEST_CASE("ssp waits no longer for a member that left, is idle, or starts later") {
  for (int change = 0; change < 3; ++change) {
    PartitionRig rig(Runs(SspSpec(0)));
    const uint64_t parked = rig.Exchange(rig.Header("w1", 0, 0, 1), {1, 1});
    CHECK(rig.IsParked(parked));
    v1::Roster* const roster = rig.directive().mutable_roster();
    if (change == 0) roster->mutable_members()->RemoveLast();
    if (change == 1) roster->mutable_members(1)->set_idle(true);
    if (change == 2) roster->mutable_members(1)->set_start_clock(1);
    REQUIRE(rig.Direct().ok());
    CHECK(rig.IsParked(parked));  // The same version of the roster is no news.

    roster->set_version(2);
    REQUIRE(rig.Direct().ok());

    CHECK(rig.ParametersOf(parked) == std::vector<float>{-1, -1});
  }
}

TEST_CASE("ssp: a run that another has applied still ends the clock of who repeats it") {
  // w2 computes at clock 0 what w1 had pushed before it died; nobody may wait for w2's clock 0.
  PartitionRig rig(Runs(SspSpec(0)));
  rig.Push(rig.Header("w1", 0, 0, 1), {1, 1});
  const uint64_t w2 = rig.Exchange(rig.Header("w2", 0, 0, 1), {1, 1});
  CHECK(rig.StatusOf(w2).ok());
  CHECK(rig.Find(w2)->header.duplicate());
  CHECK(rig.partition().version() == 1);
}

TEST_CASE("ssp: an uncommitted push ends no clock, nor does its repetition") {
  RigOptions options = Runs(SspSpec(0));
  options.commits_at_once = false;
  PartitionRig rig(options);
  const uint64_t w1 = rig.Exchange(rig.Header("w1", 0, 0, 1), {1, 1});
  const uint64_t w2 = rig.Exchange(rig.Header("w2", 0, 0, 1), {1, 1});
  const uint64_t reader = rig.Pull({}, 1);
  for (const uint64_t call : {w1, w2, reader}) CHECK(rig.IsParked(call));
  CHECK(rig.Report().waits(0).what() == "entry 1 is not committed");

  rig.CommitAll();

  for (const uint64_t call : {w1, w2, reader}) {
    CHECK(rig.ParametersOf(call) == std::vector<float>{-1, -1});
  }
}

TEST_CASE("several uncommitted pushes build on each other and are published in order") {
  RigOptions options = Runs(AsyncSpec());
  options.commits_at_once = false;
  PartitionRig rig(options);
  const uint64_t first = rig.Exchange(rig.Header("w1", 0, 0, 1), {1, 1});
  const uint64_t second = rig.Exchange(rig.Header("w2", 0, 1, 1), {2, 2});
  CHECK(rig.log()[1].staleness == 1);
  CHECK(rig.Newest() == std::vector<float>{0, 0});

  PartitionPrimary::Answers answers;
  rig.partition().OnLogProgress(rig.now_, 1, &answers);
  REQUIRE(answers.size() == 1);
  CHECK(answers[0].call == first);
  CHECK(answers[0].parameters->floats()[0] == -1);

  rig.CommitAll();
  CHECK(rig.ParametersOf(second) == std::vector<float>{-3, -3});
}

TEST_CASE("bare parameters: a push is known by worker, incarnation and clock") {
  PartitionRig rig(RigOptions{});
  v1::PushHeader header = rig.Header("w1", 4, 0, 0);
  rig.Push(header, {1, 1});
  CHECK(rig.Find(rig.Push(header, {1, 1}))->header.duplicate());
  header.set_clock(3);
  CHECK(rig.Find(rig.Push(header, {1, 1}))->header.duplicate());
  CHECK(rig.Newest() == std::vector<float>{-1, -1});

  header.mutable_worker()->set_incarnation(2);  // Restarted: counts anew.
  CHECK_FALSE(rig.Find(rig.Push(header, {1, 1}))->header.duplicate());
  CHECK(rig.Newest() == std::vector<float>{-2, -2});

  header.mutable_worker()->set_incarnation(1);  // The one before it, still in flight.
  header.set_clock(5);
  CHECK(absl::IsFailedPrecondition(rig.StatusOf(rig.Push(header, {1, 1}))));
  CHECK(rig.Newest() == std::vector<float>{-2, -2});
}

TEST_CASE("with clip_global_norm a push is scaled by the norm that the worker sends along") {
  // Gradient / weight = {3, 4} here, {0, 12} elsewhere: norm 13, clipped to 6.5.
  RigOptions options = Runs(AsyncSpec());
  options.optimizer.set_clip_global_norm(6.5f);
  PartitionRig rig(options);
  v1::PushHeader header = rig.Header("w1", 0, 0, 1, 2);
  header.set_square_norm(169);
  rig.Push(header, {6, 8});
  CHECK(rig.Newest() == std::vector<float>{-1.5, -2});
}

RigOptions Alone(v1::ConsistencySpec consistency, uint64_t ahead) {
  RigOptions options = Runs(std::move(consistency));
  options.commits_at_once = false;
  options.ahead = ahead;
  return options;
}

TEST_CASE("acks: leader: pushes are acknowledged and shown as they are applied, up to a number") {
  PartitionRig rig(Alone(AsyncSpec(), 2));
  const uint64_t first = rig.Exchange(rig.Header("w1", 0, 0, 1), {1, 1});
  const uint64_t second = rig.Push(rig.Header("w2", 0, 1, 1), {2, 2});
  const uint64_t third = rig.Exchange(rig.Header("w1", 1, 2, 1), {4, 4});

  CHECK(rig.ParametersOf(first) == std::vector<float>{-1, -1});
  CHECK(rig.Find(first)->header.version() == 1);
  CHECK(rig.StatusOf(second).ok());
  CHECK(rig.IsParked(third));
  CHECK(rig.IsParked(rig.Push(rig.Header("w1", 1, 2, 1), {4, 4})));  // A repetition of it.
  CHECK(rig.Newest() == std::vector<float>{-7, -7});
  // The coordinator hears of nothing that could be lost.
  CHECK(rig.Report().version() == 0);
  CHECK(rig.Report().applied_size() == 0);
  CHECK(rig.Report().waits(0).what() == "entry 3 is not committed");

  rig.CommitAll();
  CHECK(rig.ParametersOf(third) == std::vector<float>{-7, -7});
  CHECK(rig.Report().version() == 3);
}

TEST_CASE("acks: leader: a clock is over for the others once it is acknowledged") {
  PartitionRig rig(Alone(SspSpec(0), 1));
  const uint64_t fast = rig.Exchange(rig.Header("w1", 0, 0, 1), {1, 1});
  CHECK(rig.IsParked(fast));
  rig.Exchange(rig.Header("w2", 0, 1, 1), {2, 2});
  CHECK(rig.IsParked(fast));  // The second may not be acknowledged yet.
  rig.CommitAll();
  CHECK(rig.ParametersOf(fast) == std::vector<float>{-3, -3});

  PartitionRig wide(Alone(SspSpec(0), 2));
  const uint64_t waits = wide.Exchange(wide.Header("w1", 0, 0, 1), {1, 1});
  CHECK(wide.IsParked(waits));
  const uint64_t frees = wide.Exchange(wide.Header("w2", 0, 1, 1), {2, 2});
  CHECK(wide.ParametersOf(waits) == std::vector<float>{-3, -3});
  CHECK(wide.ParametersOf(frees) == std::vector<float>{-3, -3});
}

TEST_CASE("acks: leader: a push on a version that a lost primary made is as fresh as can be") {
  PartitionRig rig(Alone(AsyncSpec(0), 8));
  v1::PushHeader header = rig.Header("w1", 0, 0, 1);
  header.set_base_version(7);
  const uint64_t push = rig.Push(header, {1, 1});
  CHECK(rig.StatusOf(push).ok());
  CHECK(rig.Find(push)->header.staleness() == 0);
  CHECK(rig.log()[0].base_version == 0);

  PartitionRig all(Runs(AsyncSpec(0)));
  CHECK(absl::IsInvalidArgument(all.StatusOf(all.Push(header, {1, 1}))));
}

TEST_CASE("acks: leader: an exact version is one that is committed") {
  PartitionRig rig(Alone(AsyncSpec(), 8));
  rig.Push(rig.Header("w1", 0, 0, 1), {1, 1});
  const uint64_t exact = rig.Pull(1);
  CHECK(rig.IsParked(exact));
  rig.CommitAll();
  CHECK(rig.ParametersOf(exact) == std::vector<float>{-1, -1});
}

}  // namespace
}  // namespace paceline
