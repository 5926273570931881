// sync: rounds, whoever sends what and when.
#include <algorithm>
#include <catch2/catch.hpp>
#include <limits>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "common/base/random.h"
#include "common/job/round_plan.h"
#include "server/partition/partition.h"
#include "server/partition/partition_testing.h"

namespace paceline {
namespace {

constexpr size_t kElements = 2;

// Rounds of `leaves` data shards, ten of them, two in an epoch.
RigOptions SyncRounds(uint64_t leaves) {
  RigOptions options;
  options.work = {2 * leaves, 10 * leaves, leaves, 1};
  options.consistency = SyncSpec();
  return options;
}

float LeafValue(uint64_t shard, size_t element) {
  const RandomStream stream(3, absl::StrCat("leaf", element));
  const float size = static_cast<float>(uint64_t{1} << (stream.Bits(shard) % 24));
  return (stream.Uniform(shard + 1000) - 0.5f) * size;
}

// The definition: a node is its left child plus its right child. `base`: the round's first shard.
std::vector<float> NodeValue(uint64_t base, TreeNode node) {
  std::vector<float> sum(kElements);
  if (node.count == 1) {
    for (size_t i = 0; i < kElements; ++i) sum[i] = LeafValue(base + node.first, i);
    return sum;
  }
  const uint64_t left = LeftLeaves(node.count);
  const auto a = NodeValue(base, {node.first, left});
  const auto b = NodeValue(base, {node.first + left, node.count - left});
  for (size_t i = 0; i < kElements; ++i) sum[i] = a[i] + b[i];
  return sum;
}

struct Sent {
  v1::PushHeader header;
  std::vector<float> gradients;
};

// What a worker pushes for those nodes of the round that starts from version `clock`.
Sent PushOf(const PartitionRig& rig, const std::string& worker, uint64_t clock, uint64_t leaves,
            const std::vector<TreeNode>& nodes) {
  Sent sent{rig.Header(worker, clock), {}};
  const uint64_t base = clock * leaves;
  for (const TreeNode node : nodes) {
    v1::Piece* const piece = sent.header.add_pieces();
    piece->set_first_shard(base + node.first);
    piece->set_shards(static_cast<uint32_t>(node.count));
    piece->set_weight(static_cast<double>(node.count));
    piece->set_samples(node.count);
    piece->set_correct(1);
    const auto value = NodeValue(base, node);
    sent.gradients.insert(sent.gradients.end(), value.begin(), value.end());
  }
  return sent;
}

uint64_t Exchange(PartitionRig* rig, const Sent& sent) {
  return rig->Exchange(sent.header, sent.gradients);
}

// One worker does two rounds alone.
std::vector<float> Alone(uint64_t leaves) {
  PartitionRig rig(SyncRounds(leaves));
  for (uint64_t round = 0; round < 2; ++round) {
    Exchange(&rig, PushOf(rig, "w1", round, leaves, {{0, leaves}}));
  }
  return rig.Newest();
}

TEST_CASE("two rounds give the same bits for every split over workers in any order of arrival") {
  for (uint64_t leaves = 1; leaves <= 9; ++leaves) {
    const std::vector<float> wanted = Alone(leaves);
    for (uint32_t workers = 1; workers <= 9; ++workers) {
      std::vector<uint32_t> order(workers);
      std::iota(order.begin(), order.end(), 0);
      for (int shuffle = 0; shuffle < 6; ++shuffle) {
        PartitionRig rig(SyncRounds(leaves));
        for (uint64_t round = 0; round < 2; ++round) {
          std::vector<uint64_t> calls;
          for (const uint32_t rank : order) {
            const auto nodes = CompleteSubtrees(leaves, LeavesOf(leaves, rank, workers));
            const std::string worker = absl::StrCat("w", rank + 1);
            calls.push_back(nodes.empty()
                                ? rig.Pull(round + 1)
                                : Exchange(&rig, PushOf(rig, worker, round, leaves, nodes)));
          }
          for (const uint64_t call : calls) REQUIRE(rig.StatusOf(call).ok());
          for (const uint64_t call : calls) {
            CHECK(rig.Find(call)->header.version() == round + 1);
            CHECK_FALSE(rig.Find(call)->header.duplicate());
          }
        }
        CHECK(rig.Newest() == wanted);
        CHECK(rig.Report().samples() == 2 * leaves);
        CHECK(rig.Report().applied_below() == 2 * leaves);
        std::next_permutation(order.begin(), order.end());
        if (shuffle == 3) std::reverse(order.begin(), order.end());
      }
    }
  }
}

TEST_CASE("repeated, overlapping and replaced pieces change no bit and count once") {
  constexpr uint64_t kLeaves = 7;
  PartitionRig rig(SyncRounds(kLeaves));
  for (uint64_t round = 0; round < 2; ++round) {
    const Sent first = PushOf(rig, "w1", round, kLeaves, {{1, 1}, {4, 2}});
    const uint64_t a = Exchange(&rig, first);
    const uint64_t b = Exchange(&rig, first);                                        // Repeated.
    const uint64_t c = Exchange(&rig, PushOf(rig, "w2", round, kLeaves, {{0, 4}}));  // Replaces.
    const uint64_t d = Exchange(&rig, PushOf(rig, "w3", round, kLeaves, {{2, 2}}));  // Inside.
    CHECK(rig.IsParked(a));
    const uint64_t e = Exchange(&rig, PushOf(rig, "w2", round, kLeaves, {{6, 1}}));
    for (const uint64_t call : {a, b, c, d, e}) REQUIRE(rig.StatusOf(call).ok());
    CHECK(rig.Find(b)->header.duplicate());
    CHECK(rig.Find(d)->header.duplicate());
    CHECK_FALSE(rig.Find(c)->header.duplicate());
  }

  CHECK(rig.Newest() == Alone(kLeaves));
  const v1::PartitionReport report = rig.Report();
  CHECK(report.samples() == 2 * kLeaves);
  CHECK(report.pushes_applied() == 6);
  CHECK(report.pushes_duplicate() == 4);
}

TEST_CASE("the weights, the step and the bits of an update are exact on dyadic numbers") {
  // lr 1, gradient sum {1, 2} + {3, 4} with weights 1 and 3: minus {4, 6} / 4.
  PartitionRig rig(SyncRounds(2));
  rig.Push(rig.Header("w1", 0, 0, 1, 1), {1, 2});
  rig.Push(rig.Header("w2", 0, 1, 1, 3), {3, 4});

  CHECK(rig.Newest() == std::vector<float>{-1, -1.5});
  REQUIRE(rig.log().size() == 1);
  const LogEntry& entry = rig.log()[0];
  CHECK(entry.kind == LogEntry::Kind::kRound);
  CHECK(entry.step == 1);
  CHECK(entry.weight == 4);
  CHECK(entry.gradient_scale == 0.25);
  CHECK(entry.shards.size() == 1);
  CHECK(entry.shards[0].count == 2);
  CHECK(entry.gradient->floats()[entry.gradient_begin] == 4);
}

TEST_CASE("a late push is a duplicate, answered with its version while that is kept") {
  PartitionRig rig(SyncRounds(1));
  for (uint64_t round = 0; round < 3; ++round) {
    rig.Push(rig.Header("w1", round, round, 1), {1, 1});
  }

  const uint64_t kept = rig.Exchange(rig.Header("w2", 1, 1, 1), {9, 9});
  REQUIRE(rig.StatusOf(kept).ok());
  CHECK(rig.Find(kept)->header.duplicate());
  CHECK(rig.Find(kept)->header.version() == 2);
  CHECK(rig.ParametersOf(kept) == std::vector<float>{-2, -2});

  const uint64_t gone = rig.Exchange(rig.Header("w2", 0, 0, 1), {9, 9});
  CHECK(absl::IsAborted(rig.StatusOf(gone)));
  const uint64_t push = rig.Push(rig.Header("w2", 0, 0, 1), {9, 9});
  CHECK(rig.StatusOf(push).ok());
  CHECK(rig.Newest() == std::vector<float>{-3, -3});
}

TEST_CASE("a push for a round that has not begun is refused and changes nothing") {
  PartitionRig rig(SyncRounds(1));
  const uint64_t early = rig.Exchange(rig.Header("w1", 1, 1, 1), {1, 1});
  CHECK(absl::IsFailedPrecondition(rig.StatusOf(early)));
  CHECK(rig.partition().version() == 0);
  CHECK(rig.Report().applied_size() == 0);
}

TEST_CASE("reads give the newest, the one before, the one to come, or say that it is gone") {
  PartitionRig rig(SyncRounds(1));
  const uint64_t next = rig.Pull(1);
  CHECK(rig.IsParked(next));
  for (uint64_t round = 0; round < 3; ++round) {
    rig.Push(rig.Header("w1", round, round, 1), {1, 1});
  }

  CHECK(rig.ParametersOf(next) == std::vector<float>{-1, -1});
  CHECK(rig.ParametersOf(rig.Pull()) == std::vector<float>{-3, -3});
  CHECK(rig.ParametersOf(rig.Pull(2)) == std::vector<float>{-2, -2});
  CHECK(absl::IsAborted(rig.StatusOf(rig.Pull(1))));
  CHECK(rig.IsParked(rig.Pull(4)));
}

TEST_CASE("an answer says for how long it was kept waiting") {
  PartitionRig rig(SyncRounds(2));
  const uint64_t first = rig.Exchange(rig.Header("w1", 0, 0, 1), {1, 1});
  rig.now_ += absl::Milliseconds(30);
  const uint64_t last = rig.Exchange(rig.Header("w2", 0, 1, 1), {1, 1});

  CHECK(rig.Find(first)->header.held_us() == 30000);
  CHECK(rig.Find(last)->header.held_us() == 0);
}

TEST_CASE("a cancelled call is forgotten, what it pushed stays") {
  PartitionRig rig(SyncRounds(2));
  const uint64_t gone = rig.Exchange(rig.Header("w1", 0, 0, 1), {2, 2});
  rig.Cancel(gone);

  const uint64_t other = rig.Exchange(rig.Header("w2", 0, 1, 1), {2, 2});

  CHECK(rig.IsParked(gone));
  CHECK(rig.ParametersOf(other) == std::vector<float>{-2, -2});
}

TEST_CASE("there is room for a bounded count of parked calls") {
  PartitionRig rig(SyncRounds(1));
  for (size_t i = 0; i < PartitionPrimary::kParkedMax; ++i) rig.Pull(1);

  CHECK(absl::IsResourceExhausted(rig.StatusOf(rig.Pull(1))));

  CHECK(rig.StatusOf(1) == absl::UnknownError("parked"));
  rig.Push(rig.Header("w1", 0, 0, 1), {1, 1});
  CHECK(rig.partition().version() == 1);
  CHECK(rig.StatusOf(1).ok());
  CHECK(rig.StatusOf(rig.Pull(1)).ok());
}

TEST_CASE("who waits for a round is told for which data shards and for whom") {
  PartitionRig rig(SyncRounds(4));
  rig.Exchange(rig.Header("w1", 0, 0, 2), {1, 1});
  rig.now_ += absl::Seconds(3);

  const v1::PartitionReport report = rig.Report();

  REQUIRE(report.waits_size() == 1);
  CHECK(report.waits(0).worker() == "w1");
  CHECK(report.waits(0).what() == "round 0: data shards 2..3 missing");
  REQUIRE(report.waits(0).on_size() == 1);
  CHECK(report.waits(0).on(0) == "w2");
  CHECK(report.waits(0).seconds() == 3);
}

TEST_CASE("the coordinator is to hear when the granted rounds or all rounds are applied") {
  PartitionRig rig(SyncRounds(1));
  rig.directive().set_granted_rounds(2);
  REQUIRE(rig.Direct().ok());
  std::vector<uint64_t> news;
  for (uint64_t round = 0; round < 10; ++round) {
    rig.Push(rig.Header("w1", round, round, 1), {1, 1});
    if (rig.partition().TakeNews()) news.push_back(round + 1);
  }
  CHECK(news == std::vector<uint64_t>{2, 10});
}

TEST_CASE("until the log has committed, nothing is published or acknowledged") {
  RigOptions options = SyncRounds(1);
  options.commits_at_once = false;
  PartitionRig rig(options);
  const uint64_t first = rig.Push(rig.Header("w1", 0, 0, 1), {1, 1});
  const uint64_t again = rig.Exchange(rig.Header("w1", 0, 0, 1), {1, 1});
  CHECK(rig.IsParked(first));
  CHECK(rig.IsParked(again));
  CHECK(rig.Newest() == std::vector<float>{0, 0});
  CHECK(rig.Report().samples() == 0);
  CHECK(rig.Report().applied_below() == 0);

  rig.CommitAll();

  CHECK(rig.StatusOf(first).ok());
  CHECK(rig.Find(again)->header.duplicate());
  CHECK(rig.ParametersOf(again) == std::vector<float>{-1, -1});
  CHECK(rig.log().size() == 1);
  CHECK(rig.Report().applied_below() == 1);
}

TEST_CASE("a change of mode is followed at its cut, and old pushes no longer count") {
  PartitionRig rig(SyncRounds(1));
  rig.Push(rig.Header("w1", 0, 0, 1), {1, 1});
  const uint64_t parked = rig.Pull(2);
  const v1::PushHeader old = rig.Header("w1", 1, 1, 1);

  v1::Segment* const segment = rig.directive().mutable_segment();
  segment->set_index(1);
  *segment->mutable_consistency() = AsyncSpec();
  segment->set_first_version(1);
  segment->set_first_shard(1);
  REQUIRE(rig.Direct().ok());

  CHECK(absl::IsFailedPrecondition(rig.StatusOf(parked)));
  CHECK(absl::IsFailedPrecondition(rig.StatusOf(rig.Push(old, {1, 1}))));
  CHECK(rig.StatusOf(rig.Push(rig.Header("w1", 7, 5, 1), {1, 1})).ok());
  CHECK(rig.Newest() == std::vector<float>{-2, -2});
  CHECK(rig.Report().segment() == 1);
  CHECK(rig.Report().applied_below() == 1);
  REQUIRE(rig.Report().applied_size() == 1);
  CHECK(rig.Report().applied(0).first() == 5);
}

TEST_CASE("a segment that starts elsewhere is refused and the old one goes on") {
  PartitionRig rig(SyncRounds(1));
  rig.Push(rig.Header("w1", 0, 0, 1), {1, 1});
  const uint64_t parked = rig.Pull(2);
  const v1::JobDirective before = rig.directive();
  v1::Segment* const segment = rig.directive().mutable_segment();
  segment->set_index(1);
  segment->set_first_version(2);
  segment->set_first_shard(2);

  CHECK(absl::IsFailedPrecondition(rig.Direct()));

  rig.directive() = before;
  CHECK(rig.IsParked(parked));
  CHECK(rig.StatusOf(rig.Push(rig.Header("w1", 1, 1, 1), {1, 1})).ok());
  CHECK(rig.StatusOf(parked).ok());
}

TEST_CASE("once the job is being evaluated, repetitions are acknowledged and nothing is applied") {
  PartitionRig rig(SyncRounds(1));
  rig.Push(rig.Header("w1", 0, 0, 1), {1, 1});
  rig.directive().set_state(v1::EVALUATING);
  REQUIRE(rig.Direct().ok());

  CHECK(rig.StatusOf(rig.Push(rig.Header("w1", 0, 0, 1), {1, 1})).ok());
  CHECK(absl::IsFailedPrecondition(rig.StatusOf(rig.Push(rig.Header("w1", 1, 1, 1), {1, 1}))));
  CHECK(rig.Newest() == std::vector<float>{-1, -1});
}

TEST_CASE("an ended partition answers all calls, parked and to come, with the reason") {
  PartitionRig rig(SyncRounds(1));
  const uint64_t parked = rig.Pull(1);
  PartitionPrimary::Answers answers;
  rig.partition().End(absl::CancelledError("job-1 was cancelled"), &answers);

  REQUIRE(answers.size() == 1);
  CHECK(answers[0].call == parked);
  CHECK(absl::IsCancelled(answers[0].status));
  CHECK(absl::IsCancelled(rig.StatusOf(rig.Pull())));
  CHECK(absl::IsCancelled(rig.StatusOf(rig.Push(rig.Header("w1", 0, 0, 1), {1, 1}))));
  CHECK(rig.partition().version() == 0);
}

TEST_CASE("a gradient that is not finite is refused by name and leaves the round as it was") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  PartitionRig rig(SyncRounds(2));
  const uint64_t waiting = rig.Exchange(rig.Header("w1", 0, 0, 1), {2, 2});

  const uint64_t refused = rig.Exchange(rig.Header("w2", 0, 1, 1), {1, nan});

  CHECK(absl::IsInvalidArgument(rig.StatusOf(refused)));
  CHECK_THAT(std::string(rig.StatusOf(refused).message()),
             Catch::Contains("w2") && Catch::Contains("nan") && Catch::Contains("element 1"));
  CHECK(rig.partition().TakeNews());
  CHECK(rig.Report().pushes_invalid() == 1);
  CHECK_THAT(rig.Report().last_invalid(), Catch::StartsWith("w2: ") && Catch::Contains("nan"));
  CHECK(rig.IsParked(waiting));
  rig.Push(rig.Header("w2", 0, 1, 1), {2, 2});
  CHECK(rig.ParametersOf(waiting) == std::vector<float>{-2, -2});
}

TEST_CASE("a message of another term, segment or incarnation is refused and changes nothing") {
  PartitionRig rig(SyncRounds(1));
  const v1::PushHeader right = rig.Header("w1", 0, 0, 1);
  for (int wrong = 0; wrong < 4; ++wrong) {
    v1::PushHeader header = right;
    if (wrong == 0) header.mutable_key()->set_term(0);
    if (wrong == 1) header.mutable_key()->set_term(2);
    if (wrong == 2) header.mutable_key()->set_segment(1);
    if (wrong == 3) {
      rig.directive().mutable_roster()->set_version(2);
      rig.directive().mutable_roster()->mutable_members(0)->mutable_worker()->set_incarnation(4);
      REQUIRE(rig.Direct().ok());
      header.mutable_worker()->set_incarnation(3);
    }
    CHECK(absl::IsFailedPrecondition(rig.StatusOf(rig.Push(header, {1, 1}))));
  }
  CHECK(rig.partition().version() == 0);
  CHECK(rig.Report().pushes_invalid() == 0);

  const uint64_t parked = rig.Pull(1);
  REQUIRE(rig.Direct(2).ok());
  CHECK(absl::IsFailedPrecondition(rig.StatusOf(parked)));
  CHECK(rig.Report().term() == 2);
}

}  // namespace
}  // namespace paceline
