#include "server/partition/backup.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "server/partition/partition_testing.h"
#include "server/replica/entry_codec.h"
#include "server/replica/install_image.h"

namespace paceline {
namespace {

constexpr size_t kElements = 2;

std::shared_ptr<const StateShape> Shape() {
  PartitionSpec spec;
  spec.job = "job-1";
  spec.optimizer = SgdWith(1);
  spec.segment_elements = {kElements};
  spec.elements = kElements;
  auto shape = StateShape::Create(spec, 256);
  REQUIRE(shape.ok());
  return *shape;
}

std::shared_ptr<Block> Filled(size_t elements, float value) {
  auto block = std::make_shared<Block>(elements);
  std::fill(block->floats().begin(), block->floats().end(), value);
  return block;
}

LogEntry EntryOf(uint64_t index, uint64_t term) {
  LogEntry entry;
  entry.term = term;
  entry.index = entry.step = index;
  entry.gradient = Filled(kElements, 1);
  return entry;
}

// An Append of term `term` that brings entries of the given terms after `previous`.
struct Append {
  uint64_t term = 1;
  uint64_t previous = 0;
  uint64_t previous_term = 0;
  std::vector<uint64_t> entries;
  uint64_t committed = 0;

  v1::AppendHeader Header() const {
    v1::AppendHeader header;
    header.mutable_key()->set_term(term);
    header.set_previous_index(previous);
    header.set_previous_term(previous_term);
    header.set_committed(committed);
    header.set_dtype(v1::FLOAT32);
    for (const uint64_t entry_term : entries) {
      *header.add_entries() = EncodeEntry(
          EntryOf(previous + 1 + static_cast<uint64_t>(header.entries_size()), entry_term));
    }
    return header;
  }
};

struct Rig {
  explicit Rig(bool from_seed = true) : backup(Shape(), 1, StandingOf(from_seed)) {}

  static PartitionBackup::Standing StandingOf(bool from_seed) {
    PartitionBackup::Standing standing;
    if (from_seed) standing.state = ReplicatedState::FromSeed(Shape(), Filled(kElements, 0));
    return standing;
  }
  absl::StatusOr<v1::ReplicaReply> Send(const Append& append) {
    return backup.OnAppend(append.Header(), Filled(append.entries.size() * kElements, 1));
  }
  uint64_t version() const { return backup.Report().version(); }

  PartitionBackup backup;
};

TEST_CASE("entries are held, and applied once they are committed") {
  Rig rig;
  CHECK(rig.Send({1, 0, 0, {1, 1, 1}, 0})->last_index() == 3);
  CHECK(rig.version() == 0);
  CHECK(rig.Send({1, 3, 1, {}, 2})->last_index() == 3);
  CHECK(rig.version() == 2);
  // More than it has cannot be committed for it.
  CHECK(rig.Send({1, 3, 1, {1}, 99})->last_index() == 4);
  CHECK(rig.version() == 4);
}

TEST_CASE("repeated and late calls change nothing") {
  Rig rig;
  rig.Send({1, 0, 0, {1, 1, 1}, 0}).IgnoreError();
  CHECK(rig.Send({1, 0, 0, {1}, 0})->last_index() == 3);
  CHECK(rig.backup.last_index() == 3);
}

TEST_CASE("what does not follow is not taken, and nothing is dropped") {
  Rig rig;
  rig.Send({1, 0, 0, {1, 1}, 1}).IgnoreError();
  const auto reply = rig.Send({1, 5, 1, {1}, 0});
  CHECK(reply->last_index() == 1);
  CHECK_FALSE(reply->wants_install());
  CHECK(rig.backup.last_index() == 2);
}

TEST_CASE("a new primary's entries replace those that contradict them") {
  Rig rig;
  rig.Send({1, 0, 0, {1, 1, 1}, 1}).IgnoreError();
  CHECK(rig.Send({2, 1, 1, {}, 1})->last_index() == 1);
  CHECK(rig.backup.last_index() == 3);
  CHECK(rig.Send({2, 1, 1, {2}, 1})->last_index() == 2);
  CHECK(rig.backup.last_index() == 2);
  // What is not known to be in the new log is not applied.
  CHECK(rig.version() == 1);
}

TEST_CASE("an older term is refused") {
  Rig rig;
  rig.backup.OnTerm(3);
  CHECK(absl::IsFailedPrecondition(rig.Send({2, 0, 0, {2}, 0}).status()));
  CHECK(rig.backup.last_index() == 0);
  CHECK(rig.Send({3, 0, 0, {3}, 0})->last_index() == 1);
}

TEST_CASE("a wrong frame is refused and changes nothing") {
  Rig rig;
  rig.Send({1, 0, 0, {1}, 0}).IgnoreError();
  const auto refuses = [&](auto change, size_t elements) {
    v1::AppendHeader header = Append{2, 1, 1, {1, 1}, 1}.Header();
    change(&header);
    const auto reply = rig.backup.OnAppend(header, Filled(elements, 1));
    CHECK(rig.backup.term() == 1);
    CHECK(rig.backup.last_index() == 1);
    CHECK(rig.version() == 0);
    return absl::IsInvalidArgument(reply.status());
  };
  const size_t right = 2 * kElements;
  CHECK(refuses([](v1::AppendHeader*) {}, right + 1));
  CHECK(refuses([](v1::AppendHeader*) {}, 0));
  CHECK(refuses([](v1::AppendHeader* h) { h->set_dtype(v1::DTYPE_UNSPECIFIED); }, right));
  CHECK(refuses([](v1::AppendHeader* h) { h->mutable_entries(1)->set_index(7); }, right));
  CHECK(refuses([](v1::AppendHeader* h) { h->mutable_entries(1)->set_step(7); }, right));
  CHECK(refuses([](v1::AppendHeader* h) { h->mutable_entries(0)->set_term(9); }, right));
  CHECK(refuses([](v1::AppendHeader* h) { h->set_previous_index(~uint64_t{0}); }, right));
  CHECK(refuses(
      [](v1::AppendHeader* h) {
        h->mutable_entries(0)->set_step(5);
        h->mutable_entries(1)->set_step(6);
      },
      right));
}

// An image after three entries, as a primary sends it.
InstallImage ImageOf() {
  auto state = ReplicatedState::FromSeed(Shape(), Filled(kElements, 0));
  for (uint64_t index = 1; index <= 3; ++index) state->Append(EntryOf(index, 1));
  return state->TakeImage();
}

v1::InstallHeader FrameOf(const InstallImage& image, uint32_t array) {
  v1::InstallHeader header;
  header.mutable_key()->set_term(1);
  header.set_index(image.index);
  header.set_index_term(image.index_term);
  header.set_array(array);
  header.set_arrays(static_cast<uint32_t>(image.arrays.size()));
  if (array == 0) *header.mutable_state() = image.state;
  header.set_dtype(v1::FLOAT32);
  return header;
}

TEST_CASE("a copy without state wants an install, and follows the log after it") {
  Rig rig(/*from_seed=*/false);
  CHECK(rig.Send({1, 3, 1, {1}, 3})->wants_install());
  const InstallImage image = ImageOf();

  // Array 1 before array 0: from the start, please.
  CHECK(rig.backup.OnInstall(FrameOf(image, 1), Filled(kElements, -2))->wants_install());
  CHECK_FALSE(rig.backup.OnInstall(FrameOf(image, 0), Filled(kElements, -3))->wants_install());
  CHECK_FALSE(rig.backup.OnInstall(FrameOf(image, 0), Filled(kElements, -3))->wants_install());
  CHECK(rig.backup.OnInstall(FrameOf(image, 1), Filled(kElements, -2))->last_index() == 3);
  CHECK(rig.backup.OnInstall(FrameOf(image, 1), Filled(kElements, -2))->last_index() == 3);

  CHECK(rig.version() == 3);
  CHECK(rig.Send({1, 3, 1, {1}, 4})->last_index() == 4);
  CHECK(rig.version() == 4);
}

TEST_CASE("a wrong array is refused and changes nothing") {
  Rig rig(/*from_seed=*/false);
  const InstallImage image = ImageOf();
  v1::InstallHeader header = FrameOf(image, 0);
  CHECK(absl::IsInvalidArgument(rig.backup.OnInstall(header, Filled(1, 0)).status()));
  CHECK(absl::IsInvalidArgument(rig.backup.OnInstall(header, nullptr).status()));
  header.set_arrays(5);
  CHECK(absl::IsInvalidArgument(rig.backup.OnInstall(header, Filled(kElements, 0)).status()));
  header = FrameOf(image, 0);
  header.set_array(9);
  CHECK(absl::IsInvalidArgument(rig.backup.OnInstall(header, Filled(kElements, 0)).status()));
  CHECK_FALSE(rig.backup.has_state());
}

// A primary of term 1 that stepped down: entry 1 is committed, 2 and 3 are applied and are not.
PartitionBackup::Standing SteppedDown() {
  PartitionBackup::Standing standing;
  standing.state = ReplicatedState::FromSeed(Shape(), Filled(kElements, 0));
  for (uint64_t index = 1; index <= 3; ++index) {
    standing.state->Append(EntryOf(index, 1));
    if (index > 1) standing.uncommitted.push_back(EntryOf(index, 1));
  }
  standing.state->Publish(1);
  return standing;
}

TEST_CASE("a primary that stepped down goes on if the new log has what it applied") {
  Rig rig;
  PartitionBackup backup(Shape(), 2, SteppedDown());
  const auto send = [&](const Append& append) {
    return backup.OnAppend(append.Header(), Filled(append.entries.size() * kElements, 1));
  };
  CHECK(send({2, 1, 1, {1, 1, 2}, 1})->last_index() == 4);
  CHECK(send({2, 4, 2, {}, 4})->last_index() == 4);
  CHECK(backup.Report().version() == 4);
}

TEST_CASE("if it has not, it waits for an install and can still be primary again") {
  PartitionBackup backup(Shape(), 2, SteppedDown());
  const Append other{2, 1, 1, {1, 2}, 1};
  const auto reply = backup.OnAppend(other.Header(), Filled(2 * kElements, 1));
  CHECK(reply->wants_install());
  CHECK(reply->last_index() == 1);

  const PartitionBackup::Standing standing = backup.Promote();
  CHECK(standing.state->tip_version() == 3);
  CHECK(standing.state->version() == 1);
  CHECK(standing.uncommitted.size() == 2);
}

}  // namespace
}  // namespace paceline
