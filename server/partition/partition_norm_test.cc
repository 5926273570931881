// sync with clip_global_norm: two phases, the same result for any partitioning.
#include <catch2/catch.hpp>
#include <limits>
#include <numeric>

#include "server/partition/partition.h"
#include "server/partition/partition_testing.h"

namespace paceline {
namespace {

constexpr uint64_t kBlock = 4096;

RigOptions Clipped(std::vector<uint64_t> segment_elements) {
  RigOptions options;
  options.work = {2, 20, 2, 1};
  options.consistency = SyncSpec();
  options.optimizer.set_clip_global_norm(0.75f);
  options.segment_elements = std::move(segment_elements);
  return options;
}

// Data shard k's gradient over elements [begin, begin + count).
std::vector<float> GradientOf(uint64_t shard, uint64_t begin, uint64_t count) {
  std::vector<float> gradient(count);
  for (uint64_t i = 0; i < count; ++i) {
    gradient[i] = static_cast<float>((begin + i) % 97) / 97.0f - 0.3f * static_cast<float>(shard);
  }
  return gradient;
}

double Sum(const google::protobuf::RepeatedField<double>& norms, double start) {
  return std::accumulate(norms.begin(), norms.end(), start);
}

TEST_CASE("two partitions that settle give the bits of one, and the norm is clipped") {
  PartitionRig whole(Clipped({3 * kBlock + 5}));
  PartitionRig left(Clipped({kBlock}));
  PartitionRig right(Clipped({2 * kBlock + 5}));
  const auto push = [](PartitionRig* rig, uint64_t shard, uint64_t begin, uint64_t count) {
    return rig->Exchange(rig->Header("w1", 0, shard, 1), GradientOf(shard, begin, count));
  };
  for (uint64_t shard = 0; shard < 2; ++shard) {
    push(&whole, shard, 0, 3 * kBlock + 5);
    push(&left, shard, 0, kBlock);
    push(&right, shard, kBlock, 2 * kBlock + 5);
  }

  const auto& all = whole.Find(2)->header;
  const auto& first = left.Find(2)->header;
  const auto& second = right.Find(2)->header;
  REQUIRE(all.awaiting_norm());
  CHECK(all.square_norms_size() == 4);
  CHECK(first.square_norms_size() == 1);
  CHECK(second.square_norms_size() == 3);
  const double total = Sum(second.square_norms(), Sum(first.square_norms(), 0));
  CHECK(total == Sum(all.square_norms(), 0));
  CHECK(total > 0.75 * 0.75);

  const uint64_t settled = whole.Settle(0, total);
  std::vector<float> wanted = whole.ParametersOf(settled);
  REQUIRE(wanted.size() == 3 * kBlock + 5);
  std::vector<float> got = left.ParametersOf(left.Settle(0, total));
  const std::vector<float> rest = right.ParametersOf(right.Settle(0, total));
  got.insert(got.end(), rest.begin(), rest.end());
  CHECK(got == wanted);
  double square = 0;
  for (const float x : got) square += static_cast<double>(x) * x;
  CHECK(std::sqrt(square) == Approx(0.75));  // lr 1 from 0: the step is the clipped gradient.
}

TEST_CASE("a reduced round answers everybody who waits for it, and who comes later") {
  PartitionRig rig(Clipped({2}));
  const uint64_t reader = rig.Pull(1);
  const uint64_t w1 = rig.Exchange(rig.Header("w1", 0, 0, 1), {3, 0});
  CHECK(rig.IsParked(w1));
  const uint64_t w2 = rig.Push(rig.Header("w2", 0, 1, 1), {0, 4});
  const uint64_t again = rig.Exchange(rig.Header("w1", 0, 0, 1), {3, 0});

  for (const uint64_t call : {reader, w1, w2, again}) {
    REQUIRE(rig.StatusOf(call).ok());
    const auto& header = rig.Find(call)->header;
    CHECK(header.awaiting_norm());
    CHECK(header.version() == 0);
    REQUIRE(header.square_norms_size() == 1);
    CHECK(header.square_norms(0) == 6.25);  // (3, 4) over weight 2.
    CHECK(rig.Find(call)->parameters == nullptr);
  }
  CHECK(rig.partition().version() == 0);
  CHECK(rig.Newest() == std::vector<float>{0, 0});
}

TEST_CASE("the first Settle of a round decides, later ones read what it brought") {
  PartitionRig rig(Clipped({2}));
  rig.Exchange(rig.Header("w1", 0, 0, 2, 2), {3, 4});

  const uint64_t first = rig.Settle(0, 2.25);  // Norm 1.5: half.
  const uint64_t second = rig.Settle(0, 100);

  CHECK(rig.ParametersOf(first) == std::vector<float>{-0.75, -1});
  CHECK(rig.ParametersOf(second) == std::vector<float>{-0.75, -1});
  CHECK(rig.Find(first)->header.version() == 1);
  CHECK(rig.Find(second)->header.duplicate());
  CHECK(rig.log().size() == 1);
}

TEST_CASE("a settled round still tells its norms to who has to settle another partition") {
  // w1 died after settling here; w2 needs this partition's norms to settle the others.
  PartitionRig rig(Clipped({2}));
  rig.Exchange(rig.Header("w1", 0, 0, 2, 2), {3, 4});
  rig.Settle(0, 6.25);

  const uint64_t late = rig.Exchange(rig.Header("w2", 0, 1, 1), {0, 4});
  const uint64_t read = rig.Pull(1);

  for (const uint64_t call : {late, read}) {
    const auto& header = rig.Find(call)->header;
    CHECK_FALSE(header.awaiting_norm());
    CHECK(header.version() == 1);
    REQUIRE(header.square_norms_size() == 1);
    CHECK(header.square_norms(0) == 6.25);
    CHECK(rig.Find(call)->parameters != nullptr);
  }
}

TEST_CASE("a Settle that is wrong or too early is refused and changes nothing") {
  PartitionRig rig(Clipped({2}));
  CHECK(absl::IsFailedPrecondition(rig.StatusOf(rig.Settle(0, 1))));
  rig.Exchange(rig.Header("w1", 0, 0, 2, 2), {3, 4});
  CHECK(absl::IsFailedPrecondition(rig.StatusOf(rig.Settle(1, 1))));
  CHECK(absl::IsInvalidArgument(rig.StatusOf(rig.Settle(0, -1))));
  CHECK(absl::IsInvalidArgument(
      rig.StatusOf(rig.Settle(0, std::numeric_limits<double>::quiet_NaN()))));
  CHECK(absl::IsInvalidArgument(rig.StatusOf(rig.Settle(99, 1))));
  CHECK(rig.partition().version() == 0);
  CHECK(rig.Report().pushes_invalid() == 3);

  RigOptions unclipped = Clipped({2});
  unclipped.optimizer.clear_clip_global_norm();
  PartitionRig other(unclipped);
  CHECK(absl::IsInvalidArgument(other.StatusOf(other.Settle(0, 1))));
}

TEST_CASE("a push repeated while its round waits for the norm leaves nothing to the next round") {
  RigOptions options = Clipped({2});
  options.work = {3, 6, 2, 1};  // Rounds of 2 and 1 data shards.
  PartitionRig rig(options);
  rig.Exchange(rig.Header("w1", 0, 0, 2, 2), {3, 4});
  const uint64_t again = rig.Exchange(rig.Header("w1", 0, 0, 2, 2), {3, 4});
  CHECK(rig.Find(again)->header.awaiting_norm());
  rig.Settle(0, 0.25);

  const uint64_t next = rig.Exchange(rig.Header("w1", 1, 2, 1, 1), {3, 4});

  REQUIRE(rig.StatusOf(next).ok());
  CHECK(rig.Find(next)->header.awaiting_norm());
  CHECK(rig.ParametersOf(rig.Settle(1, 0.25)).size() == 2);
  CHECK(rig.partition().version() == 2);
}

TEST_CASE("a settled round waits for its commit") {
  RigOptions options = Clipped({2});
  options.commits_at_once = false;
  PartitionRig rig(options);
  rig.Exchange(rig.Header("w1", 0, 0, 2, 2), {3, 4});
  const uint64_t first = rig.Settle(0, 0.25);
  const uint64_t second = rig.Settle(0, 0.25);
  const uint64_t push = rig.Exchange(rig.Header("w2", 0, 1, 1), {0, 4});
  for (const uint64_t call : {first, second, push}) CHECK(rig.IsParked(call));

  rig.CommitAll();

  for (const uint64_t call : {first, second, push}) {
    CHECK(rig.ParametersOf(call) == std::vector<float>{-1.5, -2});
  }
}

}  // namespace
}  // namespace paceline
