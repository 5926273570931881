#include "worker/loop/job_loop.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <functional>

#include "worker/loop/fake_fleet.h"

namespace paceline {
namespace {

v1::ConsistencySpec Sync() {
  v1::ConsistencySpec mode;
  mode.mutable_sync();
  return mode;
}

v1::ConsistencySpec Ssp(uint32_t staleness) {
  v1::ConsistencySpec mode;
  mode.mutable_ssp()->set_staleness(staleness);
  return mode;
}

v1::ConsistencySpec Quorum(uint32_t workers) {
  v1::ConsistencySpec mode;
  mode.mutable_quorum()->set_workers(workers);
  return mode;
}

v1::ConsistencySpec Async() {
  v1::ConsistencySpec mode;
  mode.mutable_async();
  return mode;
}

v1::ConsistencySpec AsyncRefusing(uint64_t max_staleness) {
  v1::ConsistencySpec mode;
  mode.mutable_async()->set_max_staleness(max_staleness);
  return mode;
}

FakeFleetOptions With(v1::ConsistencySpec mode, uint64_t seed = 1) {
  FakeFleetOptions options;
  options.consistency = std::move(mode);
  options.seed = seed;
  return options;
}

void CheckEachShardOnce(const FakeFleet& fleet) {
  CHECK(fleet.violations() == std::vector<std::string>{});
  for (const std::vector<int>& applied : fleet.applied()) {
    CHECK(std::all_of(applied.begin(), applied.end(), [](int times) { return times == 1; }));
  }
}

void CheckFinishes(FakeFleet* fleet) {
  const bool finished = fleet->RunToEnd();
  CHECK(finished);
  CheckEachShardOnce(*fleet);
}

const v1::ConsistencySpec kModes[] = {Sync(), Ssp(0), Ssp(2), Async(), AsyncRefusing(1)};

TEST_CASE("every mode applies every data shard once, with any number of workers") {
  for (const v1::ConsistencySpec& mode : kModes) {
    for (const int workers : {1, 2, 3, 8}) {
      INFO(mode.ShortDebugString() << ", " << workers << " workers");
      FakeFleet fleet(With(mode));
      for (int i = 0; i < workers; ++i) fleet.Start("w" + std::to_string(i));

      CheckFinishes(&fleet);
    }
  }
}

TEST_CASE("the first worker evaluates each epoch, and one evaluates the end") {
  for (const v1::ConsistencySpec& mode : kModes) {
    INFO(mode.ShortDebugString());
    FakeFleetOptions options = With(mode);
    options.epochs = 3;
    FakeFleet fleet(options);
    fleet.Start("w0");
    fleet.Start("w1");
    CheckFinishes(&fleet);

    std::vector<uint32_t> epochs;
    for (const v1::Evaluation& evaluation : fleet.evaluations()) {
      epochs.push_back(evaluation.epoch());
    }
    CHECK(epochs == std::vector<uint32_t>{1, 2, 3});
    CHECK(fleet.evaluations().back().final());
    CHECK(fleet.evaluations().back().weights_sha256() == "hash");
    // 13 data shards are 3 rounds of up to 5, or 7 pushes of up to 2.
    if (mode.has_sync()) CHECK(fleet.evaluations()[0].version() == 3);
    CHECK(fleet.evaluations().back().version() == (mode.has_sync() ? 9 : 21));
  }
}

TEST_CASE("lost, late and repeated messages change nothing") {
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    for (const v1::ConsistencySpec& mode : kModes) {
      INFO("seed " << seed << ", " << mode.ShortDebugString());
      FakeFleetOptions options = With(mode, seed);
      options.loss = 0.1f;
      FakeFleet fleet(options);
      for (const char* const worker : {"w0", "w1", "w2"}) fleet.Start(worker);

      CheckFinishes(&fleet);
    }
  }
}

TEST_CASE("the norm over all partitions is summed and settled") {
  for (const float loss : {0.0f, 0.1f}) {
    for (const v1::ConsistencySpec& mode : kModes) {
      INFO(mode.ShortDebugString());
      FakeFleetOptions options = With(mode, 5);
      options.clip_global_norm = true;
      options.loss = loss;
      FakeFleet fleet(options);
      for (int i = 0; i < 6; ++i) fleet.Start("w" + std::to_string(i));

      CheckFinishes(&fleet);
    }
  }
}

// Runs a job of three workers in which `event` happens when `steps` versions and a few moments more
// have passed, for many moments.
void AtEveryMoment(const v1::ConsistencySpec& mode, bool clip,
                   const std::function<void(FakeFleet*)>& event) {
  for (int moment = 0; moment < 60; ++moment) {
    INFO("moment " << moment << ", " << mode.ShortDebugString());
    FakeFleetOptions options = With(mode, 100 + moment);
    options.clip_global_norm = clip;
    FakeFleet fleet(options);
    for (const char* const worker : {"w0", "w1", "w2"}) fleet.Start(worker);
    int events = 0;
    fleet.RunUntil([&] { return events++ > moment * 7; });
    event(&fleet);

    CheckFinishes(&fleet);
  }
}

TEST_CASE("a worker may die at any moment") {
  for (const v1::ConsistencySpec& mode : kModes) {
    AtEveryMoment(mode, false, [](FakeFleet* fleet) { fleet->Kill("w0"); });
  }
  AtEveryMoment(Sync(), true, [](FakeFleet* fleet) { fleet->Kill("w1"); });
}

TEST_CASE("a worker may join, and two may die, at any moment") {
  for (const v1::ConsistencySpec& mode : kModes) {
    AtEveryMoment(mode, false, [](FakeFleet* fleet) {
      fleet->Start("v0");
      fleet->Kill("w0");
      fleet->Kill("w2");
    });
  }
  AtEveryMoment(Sync(), true, [](FakeFleet* fleet) {
    fleet->Kill("w0");
    fleet->Kill("w1");
    fleet->Start("v0");
  });
}

TEST_CASE("all workers may die and one come back under the same name") {
  for (const v1::ConsistencySpec& mode : kModes) {
    AtEveryMoment(mode, mode.has_sync(), [](FakeFleet* fleet) {
      for (const char* const worker : {"w0", "w1", "w2"}) fleet->Kill(worker);
      fleet->RunUntil([] { return false; }, absl::Milliseconds(50));
      fleet->Start("w1");
    });
  }
}

TEST_CASE("the mode may change at any moment") {
  for (const v1::ConsistencySpec& from : kModes) {
    AtEveryMoment(from, false, [&](FakeFleet* fleet) {
      fleet->ChangeMode(from.has_sync() ? Ssp(1) : Sync());
      fleet->RunUntil([] { return false; }, absl::Milliseconds(40));
      fleet->Kill("w1");
    });
  }
}

TEST_CASE("a push that is too stale is computed anew") {
  FakeFleetOptions options = With(AsyncRefusing(0), 3);
  options.epochs = 4;
  FakeFleet fleet(options);
  for (int i = 0; i < 4; ++i) fleet.Start("w" + std::to_string(i));

  CheckFinishes(&fleet);

  CHECK(fleet.refused_stale() > 0);
}

TEST_CASE("ssp: a clock holds as many runs as the coordinator says") {
  FakeFleetOptions options = With(Ssp(0));
  options.runs_per_clock = 3;
  for (const int workers : {1, 3}) {
    INFO(workers << " workers");
    FakeFleet fleet(options);
    for (int i = 0; i < workers; ++i) fleet.Start("w" + std::to_string(i));

    CheckFinishes(&fleet);

    // 2 epochs of 7 runs. Alone, with the next run always in hand, the first clock would hold one,
    // the next four three each and the last what is left.
    if (workers == 1) CHECK(fleet.Report("w0").clock() >= 6);
    if (workers == 1) CHECK(fleet.Report("w0").clock() < 14);
  }
}

TEST_CASE("the report counts samples, bytes and time") {
  FakeFleet fleet(With(Sync()));
  fleet.Start("w0");
  CheckFinishes(&fleet);

  const v1::WorkerJobReport report = fleet.Report("w0");

  CHECK(report.clock() == 6);
  CHECK(report.samples() == 26);
  // 160000 bytes of parameters; rounds of 5, 5 and 3 leaves are one piece each for one worker.
  CHECK(report.bytes_pushed() == 6 * 160000);
  CHECK(report.bytes_pulled() == 8 * 160000);
  CHECK(report.compute_s() > 0);
  CHECK(report.transfer_s() > 0);
  CHECK(report.error().empty());
}

TEST_CASE("workers that wait compute what a slow one owes, and it goes on with the next round") {
  for (const bool clip : {false, true}) {
    for (uint64_t seed = 1; seed <= 20; ++seed) {
      INFO("seed " << seed);
      absl::Duration passed[2];
      for (const bool speculate : {false, true}) {
        FakeFleetOptions options = With(Sync(), seed);
        options.speculate = speculate;
        options.clip_global_norm = clip;
        options.slowness["w2"] = 100;
        FakeFleet fleet(options);
        for (const char* worker : {"w0", "w1", "w2"}) fleet.Start(worker);
        CheckFinishes(&fleet);
        CHECK((fleet.calls_for_help() > 0) == speculate);
        CHECK((fleet.abandoned() > 0) == speculate);
        passed[speculate] = fleet.passed();
      }
      // The slow one needs about 300 ms for its part of a round.
      CHECK(2 * passed[1] < passed[0]);
    }
  }
}

TEST_CASE("help, losses and deaths together still apply every data shard once") {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    INFO("seed " << seed);
    FakeFleetOptions options = With(Sync(), seed);
    options.loss = 0.05f;
    options.clip_global_norm = seed % 2 == 0;
    options.slowness["w1"] = 50;
    FakeFleet fleet(options);
    for (const char* worker : {"w0", "w1", "w2"}) fleet.Start(worker);
    fleet.RunUntil([&] { return fleet.version() >= 2; });
    fleet.Kill(seed % 3 == 0 ? "w0" : "w1");
    CheckFinishes(&fleet);
  }
}

// ---- By hand: one loop, no fleet ----

struct Hand {
  absl::Time now = absl::UnixEpoch();
  v1::WorkerIdentity self;
  v1::JobDirective job;
  std::unique_ptr<JobLoop> loop;

  explicit Hand(v1::ConsistencySpec mode) {
    self.set_id("w0");
    self.set_incarnation(1);
    loop = std::make_unique<JobLoop>(self, JobLoopOptions());
    job.set_job("j-1");
    job.set_state(v1::RUNNING);
    v1::ParameterSpec* const parameter = job.mutable_spec()->mutable_model()->add_parameters();
    parameter->set_name("a");
    parameter->add_shape(4);
    job.mutable_spec()->mutable_optimizer()->mutable_sgd();
    job.mutable_spec()->mutable_data()->set_shard_samples(1);
    job.mutable_spec()->mutable_train()->set_epochs(1);
    job.mutable_spec()->mutable_train()->set_shards_per_round(4);
    job.mutable_spec()->mutable_train()->set_shards_per_push(4);
    job.mutable_facts()->set_train_samples(8);
    *job.mutable_segment()->mutable_consistency() = std::move(mode);
    *job.mutable_roster()->add_members()->mutable_worker() = self;
    job.mutable_roster()->set_version(1);
    job.add_placement()->set_address("s:1");
    job.set_granted_rounds(2);
  }

  bool Silent() {
    return loop->TakeCalls().empty() && loop->TakeCancels().empty() && !loop->TakeCompute() &&
           !loop->TakeLease() && !loop->TakeEvaluate();
  }

  // Answers the one call that is open with parameters of `version`.
  void Reply(uint64_t version) {
    const std::vector<ParameterCall> calls = loop->TakeCalls();
    REQUIRE(calls.size() == 1);
    CallResult result;
    result.header.set_version(version);
    result.parameters = std::make_shared<Block>(calls[0].elements);
    loop->OnCallDone(now, calls[0].id, result);
  }

  static ComputedPiece Computed(const ComputePiece& piece) {
    ComputedPiece computed;
    computed.piece.set_first_shard(piece.first_shard);
    computed.piece.set_shards(piece.shards);
    computed.piece.set_weight(piece.shards);
    auto gradient = std::make_shared<Block>(4);
    std::fill(gradient->floats().begin(), gradient->floats().end(), 1.0f);
    computed.gradient = gradient;
    return computed;
  }
};

TEST_CASE("off the roster, before the grant and after the end there is nothing to do") {
  Hand hand(Sync());
  v1::JobDirective stranger = hand.job;
  stranger.mutable_roster()->mutable_members(0)->mutable_worker()->set_incarnation(9);
  hand.loop->OnDirective(hand.now, stranger);
  CHECK(hand.Silent());
  CHECK(hand.loop->NextTick() == absl::InfiniteFuture());

  hand.job.set_granted_rounds(0);
  hand.loop->OnDirective(hand.now, hand.job);
  hand.Reply(0);
  CHECK(hand.Silent());
  CHECK(hand.loop->Doing() == "waiting for the grant of round 0");
  hand.job.set_granted_rounds(1);
  hand.loop->OnDirective(hand.now, hand.job);
  CHECK(hand.loop->TakeCompute().has_value());

  hand.job.set_state(v1::CANCELLED);
  hand.loop->OnDirective(hand.now, hand.job);
  CHECK(hand.Silent());
  CHECK(hand.loop->NextTick() == absl::InfiniteFuture());
}

TEST_CASE("a refusal for good is reported and ends the work") {
  Hand hand(Sync());
  hand.loop->OnDirective(hand.now, hand.job);
  hand.Reply(0);
  const auto request = hand.loop->TakeCompute();
  hand.loop->OnComputed(hand.now, request->id,
                        std::vector<ComputedPiece>{Hand::Computed(request->pieces[0])});
  const std::vector<ParameterCall> calls = hand.loop->TakeCalls();
  REQUIRE(calls.size() == 1);

  hand.loop->OnCallDone(hand.now, calls[0].id,
                        {absl::InvalidArgumentError("element 3 is NaN"), {}, nullptr});

  CHECK(hand.Silent());
  CHECK(hand.loop->NextTick() == absl::InfiniteFuture());
  CHECK_THAT(hand.loop->Report(hand.now).error(), Catch::Contains("element 3 is NaN"));
}

TEST_CASE("a computation that fails is reported") {
  Hand hand(Async());
  hand.loop->OnDirective(hand.now, hand.job);
  hand.Reply(0);
  const auto lease = hand.loop->TakeLease();
  REQUIRE(lease.has_value());
  v1::LeaseReply runs;
  runs.add_runs(0);
  hand.loop->OnLease(hand.now, lease->id, runs);
  const auto request = hand.loop->TakeCompute();
  REQUIRE(request.has_value());

  hand.loop->OnComputed(hand.now, request->id, absl::DataLossError("shard 2 is unreadable"));

  CHECK(hand.loop->Report(hand.now).error() == "shard 2 is unreadable");
  CHECK(hand.loop->NextTick() == absl::InfiniteFuture());
}

TEST_CASE("a server that says CANCELLED while the job goes on is asked again") {
  Hand hand(Sync());
  hand.loop->OnDirective(hand.now, hand.job);
  const std::vector<ParameterCall> calls = hand.loop->TakeCalls();
  hand.loop->OnCallDone(hand.now, calls[0].id,
                        {absl::CancelledError("shutting down"), {}, nullptr});
  CHECK(hand.Silent());
  REQUIRE(hand.loop->NextTick() < hand.now + absl::Seconds(2));

  hand.now = hand.loop->NextTick();
  hand.loop->OnTick(hand.now);

  CHECK(hand.loop->TakeCalls().size() == 1);
}

TEST_CASE("a new roster while a round waits adds the leaves that were not sent") {
  Hand hand(Sync());
  v1::RosterMember* const other = hand.job.mutable_roster()->add_members();
  other->mutable_worker()->set_id("w1");
  hand.loop->OnDirective(hand.now, hand.job);
  hand.Reply(0);
  const auto first = hand.loop->TakeCompute();
  REQUIRE(first->pieces.size() == 1);
  CHECK(first->pieces[0].first_shard == 0);
  CHECK(first->pieces[0].shards == 2);
  hand.loop->OnComputed(hand.now, first->id,
                        std::vector<ComputedPiece>{Hand::Computed(first->pieces[0])});
  const std::vector<ParameterCall> exchange = hand.loop->TakeCalls();

  hand.job.mutable_roster()->mutable_members()->RemoveLast();
  hand.job.mutable_roster()->set_version(2);
  hand.loop->OnDirective(hand.now, hand.job);
  const auto second = hand.loop->TakeCompute();
  REQUIRE(second.has_value());
  CHECK(second->pieces[0].first_shard == 2);
  CHECK(second->pieces[0].shards == 2);
  hand.loop->OnComputed(hand.now, second->id,
                        std::vector<ComputedPiece>{Hand::Computed(second->pieces[0])});

  const std::vector<ParameterCall> push = hand.loop->TakeCalls();
  REQUIRE(push.size() == 1);
  CHECK(push[0].method == Method::kPush);
  CHECK(push[0].push.clock() == 0);
  CallResult result;
  result.header.set_version(1);
  result.parameters = std::make_shared<Block>(4);
  hand.loop->OnCallDone(hand.now, exchange[0].id, result);
  CHECK(hand.loop->TakeCancels() == std::vector<uint64_t>{push[0].id});
  CHECK(hand.loop->TakeCompute()->pieces[0].first_shard == 4);
}

// A second worker, so that there is somebody to help, and half of the four leaves to compute.
std::optional<ComputeRequest> BeginHalf(Hand* hand) {
  hand->job.mutable_roster()->add_members()->mutable_worker()->set_id("w1");
  hand->job.mutable_segment()->mutable_consistency()->mutable_sync()->set_speculate(true);
  hand->loop->OnDirective(hand->now, hand->job);
  hand->Reply(0);
  return hand->loop->TakeCompute();
}

TEST_CASE("who computes for long hears that the round is over, and goes on with the next") {
  Hand hand(Sync());
  const auto first = BeginHalf(&hand);
  REQUIRE(first.has_value());
  CHECK(hand.loop->NextTick() == hand.now + absl::Milliseconds(50));

  hand.now += absl::Milliseconds(50);
  hand.loop->OnTick(hand.now);
  const std::vector<ParameterCall> watch = hand.loop->TakeCalls();
  REQUIRE(watch.size() == 1);
  CHECK(watch[0].pull.exact_version() == 1);
  CHECK_FALSE(watch[0].pull.offers_help());
  CallResult over;
  over.header.set_version(1);
  over.parameters = std::make_shared<Block>(4);
  hand.loop->OnCallDone(hand.now, watch[0].id, over);

  CHECK(hand.loop->TakeAbandoned() == first->id);
  CHECK_FALSE(hand.loop->TakeCompute().has_value());
  hand.loop->OnAbandoned(hand.now, first->id, 1);
  const auto second = hand.loop->TakeCompute();
  REQUIRE(second.has_value());
  CHECK(second->pieces[0].first_shard == 4);
  CHECK(hand.loop->Report(hand.now).samples() == 1);
}

TEST_CASE("what was computed while it watched is pushed beside, with an offer of help") {
  Hand hand(Sync());
  const auto request = BeginHalf(&hand);
  hand.now += absl::Milliseconds(50);
  hand.loop->OnTick(hand.now);
  const std::vector<ParameterCall> watch = hand.loop->TakeCalls();

  hand.loop->OnComputed(hand.now, request->id,
                        std::vector<ComputedPiece>{Hand::Computed(request->pieces[0])});

  const std::vector<ParameterCall> calls = hand.loop->TakeCalls();
  REQUIRE(calls.size() == 2);
  CHECK(calls[0].method == Method::kPush);
  CHECK(calls[1].pull.offers_help());
  CHECK(hand.loop->TakeCancels() == std::vector<uint64_t>{watch[0].id});
}

TEST_CASE("nobody offers help alone, where speculation is off, or where workers have weights") {
  const auto offers = [](auto change) {
    Hand hand(Sync());
    hand.job.mutable_roster()->add_members()->mutable_worker()->set_id("w1");
    hand.job.mutable_segment()->mutable_consistency()->mutable_sync()->set_speculate(true);
    change(&hand.job);
    hand.loop->OnDirective(hand.now, hand.job);
    hand.Reply(0);
    const auto request = hand.loop->TakeCompute();
    hand.loop->OnComputed(hand.now, request->id,
                          std::vector<ComputedPiece>{Hand::Computed(request->pieces[0])});
    return hand.loop->TakeCalls()[0].push.offers_help();
  };
  CHECK(offers([](v1::JobDirective*) {}));
  CHECK_FALSE(offers([](v1::JobDirective* job) {
    job->mutable_segment()->mutable_consistency()->mutable_sync()->set_speculate(false);
  }));
  CHECK_FALSE(offers([](v1::JobDirective* job) {
    job->mutable_spec()->mutable_merge()->set_rule(v1::MergeSpec::WORKER);
  }));
  CHECK_FALSE(offers(
      [](v1::JobDirective* job) { job->mutable_roster()->mutable_members()->RemoveLast(); }));
}

TEST_CASE("the final evaluation stays in the report until the job has ended") {
  Hand hand(Sync());
  hand.job.set_state(v1::EVALUATING);
  hand.job.set_evaluate(true);
  hand.loop->OnDirective(hand.now, hand.job);
  hand.Reply(2);
  const auto request = hand.loop->TakeEvaluate();
  REQUIRE(request.has_value());
  CHECK(request->final);
  CHECK(request->version == 2);
  hand.loop->OnEvaluated(hand.now, request->id, v1::Evaluation());

  hand.loop->OnReported(hand.loop->Report(hand.now));
  hand.loop->OnDirective(hand.now, hand.job);

  CHECK(hand.Silent());
  CHECK(hand.loop->Report(hand.now).evaluations_size() == 1);
  hand.job.set_state(v1::FINISHED);
  hand.loop->OnDirective(hand.now, hand.job);
  CHECK(hand.loop->Report(hand.now).evaluations_size() == 0);
}

TEST_CASE("a job that has gone back is evaluated anew at its end") {
  Hand hand(Sync());
  hand.job.set_state(v1::EVALUATING);
  hand.job.set_evaluate(true);
  hand.loop->OnDirective(hand.now, hand.job);
  hand.Reply(2);
  const auto first = hand.loop->TakeEvaluate();
  REQUIRE(first.has_value());
  hand.loop->OnEvaluated(hand.now, first->id, v1::Evaluation());
  REQUIRE(hand.loop->Report(hand.now).evaluations_size() == 1);

  hand.job.mutable_segment()->set_index(1);
  hand.loop->OnDirective(hand.now, hand.job);

  CHECK(hand.loop->Report(hand.now).evaluations_size() == 0);
  hand.Reply(2);
  CHECK(hand.loop->TakeEvaluate().has_value());
}

TEST_CASE("who comes late to a quorum goes on with the newest round, and watches nothing") {
  Hand hand(Quorum(1));
  hand.job.mutable_facts()->set_train_samples(16);
  hand.job.set_granted_rounds(4);
  hand.job.mutable_roster()->add_members()->mutable_worker()->set_id("w1");
  hand.loop->OnDirective(hand.now, hand.job);
  hand.Reply(0);
  const auto request = hand.loop->TakeCompute();
  REQUIRE(request.has_value());
  CHECK(hand.loop->NextTick() == absl::InfiniteFuture());
  hand.loop->OnComputed(hand.now, request->id,
                        std::vector<ComputedPiece>{Hand::Computed(request->pieces[0])});
  const std::vector<ParameterCall> exchange = hand.loop->TakeCalls();
  CHECK_FALSE(exchange[0].push.offers_help());

  CallResult late;
  late.header.set_version(2);
  late.header.set_duplicate(true);
  late.parameters = std::make_shared<Block>(4);
  hand.loop->OnCallDone(hand.now, exchange[0].id, late);

  const auto next = hand.loop->TakeCompute();
  REQUIRE(next.has_value());
  CHECK(next->pieces[0].first_shard == 8);
}

TEST_CASE("a quorum goes on without a slow worker, which is never stuck") {
  for (const float loss : {0.0f, 0.1f}) {
    FakeFleetOptions options = With(Quorum(3), 3);
    options.epochs = 8;
    options.loss = loss;
    options.slowness["slow"] = 20;
    FakeFleet fleet(options);
    for (const char* worker : {"a", "b", "c", "slow"}) fleet.Start(worker);

    INFO("loss " << loss << ", slow: " << fleet.Doing("slow"));
    REQUIRE(fleet.RunToEnd());
    CheckEachShardOnce(fleet);
    CHECK(fleet.Report("slow").samples() > 0);
  }
}

TEST_CASE("an epoch that a quorum began without its first worker is evaluated all the same") {
  FakeFleetOptions options = With(Quorum(2), 5);
  options.epochs = 6;
  options.slowness["a"] = 8;
  FakeFleet fleet(options);
  for (const char* worker : {"a", "b", "c"}) fleet.Start(worker);
  REQUIRE(fleet.RunToEnd());
  CHECK(fleet.evaluations().size() > 1);
}

}  // namespace
}  // namespace paceline
