#include "server/partition/checkpoint_duty.h"

#include <catch2/catch.hpp>
#include <memory>

#include "common/tensor/block.h"

namespace paceline {
namespace {

v1::JobDirective Ordered(uint64_t id, absl::optional<uint64_t> exact_version = {}) {
  v1::JobDirective directive;
  directive.set_job("job-1");
  directive.set_granted_rounds(9);
  directive.mutable_segment()->set_index(2);
  directive.mutable_checkpoint()->set_id(id);
  if (exact_version.has_value()) directive.mutable_checkpoint()->set_exact_version(*exact_version);
  return directive;
}

// Its arrays have one element each: 1, 2, 3.
InstallImage ImageAt(uint64_t index, uint64_t version) {
  InstallImage image;
  image.index = index;
  image.index_term = 4;
  image.state.set_version(version);
  for (const float value : {1.0f, 2.0f, 3.0f}) {
    auto block = std::make_shared<Block>(1);
    block->floats()[0] = value;
    image.arrays.push_back(std::move(block));
  }
  return image;
}

v1::CheckpointReport Written(uint64_t id) {
  v1::CheckpointReport report;
  report.set_id(id);
  report.set_part("abc");
  report.set_version(7);
  report.set_bytes(10);
  return report;
}

v1::CheckpointReport ReportOf(const CheckpointDuty& duty) {
  v1::PartitionReport report;
  duty.FillIn(&report);
  return report.checkpoint();
}

TEST_CASE("without an order nothing is done") {
  CheckpointDuty duty(1);
  duty.Follow(v1::JobDirective());
  CHECK_FALSE(duty.WantsImage(0));
  CHECK_FALSE(duty.TakeWork(9).has_value());
  CHECK(ReportOf(duty).id() == 0);
  CHECK_FALSE(duty.TakeNews());
}

TEST_CASE(
    "an order without a version takes the tip at once, and gives it out when it is committed") {
  CheckpointDuty duty(1);
  duty.Follow(Ordered(3));
  REQUIRE(duty.WantsImage(7));
  duty.OnImage(ImageAt(12, 7));
  CHECK_FALSE(duty.WantsImage(8));
  CHECK_FALSE(duty.TakeWork(11).has_value());

  const auto work = duty.TakeWork(12);

  REQUIRE(work.has_value());
  CHECK_FALSE(duty.TakeWork(12).has_value());
  CHECK(work->job == "job-1");
  CHECK(work->order.id() == 3);
  CHECK(work->directive.segment().index() == 2);
  CHECK(work->directive.granted_rounds() == 0);
  CHECK(work->partition == 1);
  CHECK(work->image.partition == 1);
  CHECK(work->image.version == 7);
  CHECK(work->image.index == 12);
  CHECK(work->image.term == 4);
  CHECK(work->image.parameters->floats()[0] == 1);
  CHECK(work->image.previous->floats()[0] == 2);
  REQUIRE(work->image.slots.size() == 1);
  CHECK(work->image.slots[0]->floats()[0] == 3);
}

TEST_CASE("an order for a version waits for exactly that one") {
  CheckpointDuty duty(0);
  duty.Follow(Ordered(3, 7));
  CHECK_FALSE(duty.WantsImage(5));
  CHECK_FALSE(duty.WantsImage(6));
  CHECK(duty.WantsImage(7));
  CHECK(ReportOf(duty).id() == 0);
}

TEST_CASE("an order for a version that has been passed fails") {
  CheckpointDuty duty(1);
  duty.Follow(Ordered(3, 7));
  CHECK_FALSE(duty.WantsImage(8));
  CHECK(duty.TakeNews());
  CHECK(ReportOf(duty).id() == 3);
  CHECK(ReportOf(duty).error() ==
        "partition 1 of job-1 is at version 8; checkpoint 3 wants version 7, which is no longer "
        "there whole");
  CHECK_FALSE(duty.WantsImage(7));
  duty.Follow(Ordered(3, 7));
  CHECK_FALSE(duty.WantsImage(7));
}

TEST_CASE("the outcome is reported until the order is gone") {
  CheckpointDuty duty(1);
  duty.Follow(Ordered(3));
  duty.OnDone(Written(3));  // Not asked yet.
  CHECK(ReportOf(duty).id() == 0);
  duty.OnImage(ImageAt(12, 7));
  CHECK(duty.TakeWork(12).has_value());
  duty.OnDone(Written(2));
  CHECK(ReportOf(duty).id() == 0);
  CHECK_FALSE(duty.TakeNews());
  duty.OnDone(Written(3));
  CHECK(duty.TakeNews());
  CHECK_FALSE(duty.TakeNews());
  for (int i = 0; i < 2; ++i) {
    CHECK(ReportOf(duty).id() == 3);
    CHECK(ReportOf(duty).part() == "abc");
    duty.Follow(Ordered(3));
  }
  duty.Follow(v1::JobDirective());
  CHECK(ReportOf(duty).id() == 0);
}

TEST_CASE("a newer order takes the place of one that is under way") {
  CheckpointDuty duty(1);
  duty.Follow(Ordered(3));
  duty.OnImage(ImageAt(12, 7));
  CHECK(duty.TakeWork(12).has_value());
  duty.Follow(Ordered(4));
  duty.OnDone(Written(3));
  CHECK(ReportOf(duty).id() == 0);
  CHECK(duty.WantsImage(8));
}

TEST_CASE("once all parts are there, partition 0 alone is to write the manifest") {
  for (const bool has_written : {true, false}) {
    v1::JobDirective commit = Ordered(3);
    commit.mutable_checkpoint()->add_parts("abc");
    commit.mutable_checkpoint()->add_parts("def");
    for (const uint32_t partition : {0u, 1u}) {
      CheckpointDuty duty(partition);
      if (has_written) {
        duty.Follow(Ordered(3));
        duty.OnImage(ImageAt(12, 7));
        CHECK(duty.TakeWork(12).has_value());
        duty.OnDone(Written(3));
      }
      duty.Follow(commit);
      CHECK_FALSE(duty.WantsImage(8));
      const auto work = duty.TakeWork(0);
      duty.Follow(commit);
      CHECK_FALSE(duty.TakeWork(99).has_value());
      REQUIRE(work.has_value() == (partition == 0));
      if (partition == 0) {
        CHECK(work->order.parts_size() == 2);
        CHECK(work->image.parameters == nullptr);
        v1::CheckpointReport committed;
        committed.set_id(3);
        committed.set_committed(true);
        duty.OnDone(committed);
        CHECK(ReportOf(duty).committed());
      }
      CHECK(ReportOf(duty).part() == (has_written ? "abc" : ""));
      CHECK(ReportOf(duty).bytes() == (has_written ? 10 : 0));
      CHECK(ReportOf(duty).error().empty());
    }
  }
}

TEST_CASE("a manifest that could not be written is an error beside the part") {
  CheckpointDuty duty(0);
  v1::JobDirective commit = Ordered(3);
  commit.mutable_checkpoint()->add_parts("abc");
  duty.Follow(commit);
  REQUIRE(duty.TakeWork(0).has_value());
  v1::CheckpointReport failed;
  failed.set_id(3);
  failed.set_error("no space");
  duty.OnDone(failed);
  CHECK(ReportOf(duty).error() == "no space");
  CHECK_FALSE(ReportOf(duty).committed());
}

}  // namespace
}  // namespace paceline
