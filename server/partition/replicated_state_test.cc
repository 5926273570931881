#include "server/partition/replicated_state.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "server/partition/partition_testing.h"

namespace paceline {
namespace {

constexpr size_t kElements = 3;

std::shared_ptr<const StateShape> MomentumShape() {
  PartitionSpec spec;
  spec.job = "job-1";
  spec.optimizer = SgdWith(1);
  spec.optimizer.mutable_momentum()->set_learning_rate(0.5f);
  spec.optimizer.mutable_momentum()->set_momentum(0.5f);
  spec.segment_elements = {kElements};
  spec.elements = kElements;
  spec.work = {10, 100, 1, 1};
  auto shape = StateShape::Create(spec, 2);
  REQUIRE(shape.ok());
  return *shape;
}

std::shared_ptr<Block> Filled(float value) {
  auto block = std::make_shared<Block>(kElements);
  std::fill(block->floats().begin(), block->floats().end(), value);
  return block;
}

LogEntry EntryOf(uint64_t index) {
  LogEntry entry;
  entry.term = 1;
  entry.index = entry.step = index;
  entry.shards = {{index - 1, 1}};
  entry.samples = 4;
  entry.gradient = Filled(static_cast<float>(index));
  return entry;
}

v1::InstallHeader HeaderOf(const InstallImage& image) {
  v1::InstallHeader header;
  header.set_index(image.index);
  header.set_index_term(image.index_term);
  header.set_arrays(static_cast<uint32_t>(image.arrays.size()));
  *header.mutable_state() = image.state;
  return header;
}

std::vector<std::shared_ptr<Block>> Copies(const InstallImage& image) {
  std::vector<std::shared_ptr<Block>> copies;
  for (const BlockRef& array : image.arrays) {
    copies.push_back(array == nullptr ? nullptr : std::make_shared<Block>(kElements));
    if (array == nullptr) continue;
    std::copy(array->floats().begin(), array->floats().end(), copies.back()->floats().begin());
  }
  return copies;
}

TEST_CASE("what is appended is not seen before it is published") {
  auto state = ReplicatedState::FromSeed(MomentumShape(), Filled(0));
  state->Append(EntryOf(1));
  state->Append(EntryOf(2));
  CHECK(state->version() == 0);
  CHECK(state->tip_version() == 2);
  CHECK(state->dedupe().applied().below() == 0);
  CHECK(state->dedupe().appended().below() == 2);

  CHECK(state->Publish(1));
  CHECK_FALSE(state->Publish(1));

  CHECK(state->version() == 1);
  CHECK(state->committed_index() == 1);
  CHECK(state->Kept(0) != nullptr);
  CHECK(state->Kept(1)->floats()[0] != 0);
  CHECK(state->Kept(2) == nullptr);
}

TEST_CASE("an image of the tip goes on like the original, to the last bit") {
  for (uint64_t published = 0; published <= 3; ++published) {
    auto state = ReplicatedState::FromSeed(MomentumShape(), Filled(1));
    for (uint64_t index = 1; index <= 3; ++index) state->Append(EntryOf(index));
    state->Publish(published);
    const InstallImage image = state->TakeImage();
    auto other = ReplicatedState::FromImage(MomentumShape(), HeaderOf(image), Copies(image));
    REQUIRE(other.ok());
    CHECK((*other)->version() == 3);
    CHECK((*other)->Kept(2) != nullptr);

    for (ReplicatedState* one : {state.get(), other->get()}) {
      one->Append(EntryOf(4));
      one->Publish(4);
    }
    CHECK(state->newest_digest()->index() == 4);
    CHECK(state->newest_digest()->value() == (*other)->newest_digest()->value());
    v1::PartitionReport report;
    v1::PartitionReport other_report;
    state->FillIn(&report);
    (*other)->FillIn(&other_report);
    CHECK(report.SerializeAsString() == other_report.SerializeAsString());
    CHECK(report.samples() == 16);
  }
}

TEST_CASE("digests are made when due, and differ when a bit does") {
  auto state = ReplicatedState::FromSeed(MomentumShape(), Filled(0));
  auto other = ReplicatedState::FromSeed(MomentumShape(), Filled(0));
  state->Append(EntryOf(1));
  CHECK_FALSE(state->newest_digest().has_value());
  LogEntry wrong = EntryOf(1);
  wrong.gradient = Filled(1.0001f);
  other->Append(wrong);
  state->Append(EntryOf(2));
  other->Append(EntryOf(2));
  REQUIRE(state->DigestAt(2).has_value());
  CHECK_FALSE(state->DigestAt(1).has_value());
  CHECK(state->DigestAt(2)->value() != other->DigestAt(2)->value());
}

TEST_CASE("an image of another shape is refused") {
  auto state = ReplicatedState::FromSeed(MomentumShape(), Filled(0));
  v1::InstallHeader header = HeaderOf(state->TakeImage());
  CHECK(ReplicatedState::CheckImage(*MomentumShape(), header).ok());
  header.set_arrays(7);
  CHECK(absl::IsInvalidArgument(ReplicatedState::CheckImage(*MomentumShape(), header)));
}

TEST_CASE("an image knows what was dropped and what of it was carried") {
  auto state = ReplicatedState::FromSeed(MomentumShape(), Filled(0));
  LogEntry entry = EntryOf(1);
  entry.shards = {{0, 4}};
  entry.dropped = {{2, 2}};
  state->Append(entry);
  entry = EntryOf(2);
  entry.shards = {{4, 4}};
  entry.carried = {{2, 1}};
  state->Append(entry);
  const InstallImage image = state->TakeImage();
  auto other = ReplicatedState::FromImage(MomentumShape(), HeaderOf(image), Copies(image));
  REQUIRE(other.ok());
  state->Publish(2);
  for (const ReplicatedState* one : {state.get(), other->get()}) {
    v1::PartitionReport report;
    one->FillIn(&report);
    CHECK(report.applied_below() == 8);
    CHECK(report.shards_dropped() == 2);
    CHECK(report.shards_carried() == 1);
    CHECK_FALSE(one->dropped().Contains({2, 1}));
    CHECK(one->dropped().Contains({3, 1}));
  }

  v1::InstallHeader wrong = HeaderOf(image);
  wrong.mutable_state()->mutable_dropped(0)->set_version(3);
  CHECK(absl::IsInvalidArgument(ReplicatedState::CheckImage(*MomentumShape(), wrong)));
}

}  // namespace
}  // namespace paceline
