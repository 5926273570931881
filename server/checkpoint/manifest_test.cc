#include "server/checkpoint/manifest.h"

#include <catch2/catch.hpp>
#include <functional>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "common/base/sha256.h"
#include "server/checkpoint/example_checkpoint.h"

namespace paceline {
namespace {

using Manifest = v1::CheckpointManifest;

// As WritePartition would have said it of such an image.
v1::CheckpointPartition Held(uint32_t partition, uint64_t elements) {
  v1::CheckpointPartition held;
  held.set_partition(partition);
  held.set_elements(elements);
  held.set_version(10);
  held.mutable_state()->set_version(10);
  const auto add = [&](v1::CheckpointArray::Kind kind, uint32_t slot) {
    v1::CheckpointArray* array = held.add_arrays();
    array->set_kind(kind);
    array->set_slot(slot);
    array->add_chunks()->set_sha256(std::string(64, 'a'));
    array->mutable_chunks(0)->set_bytes(4 * elements);
  };
  add(v1::CheckpointArray::PARAMETERS, 0);
  add(v1::CheckpointArray::PREVIOUS, 0);
  add(v1::CheckpointArray::SLOT, 0);
  add(v1::CheckpointArray::SLOT, 1);
  return held;
}

Manifest Example() {
  const auto manifest = MakeManifest(MakeExampleCheckpoint(1).head, {Held(1, 1), Held(0, 16)});
  INFO(manifest.status());
  REQUIRE(manifest.ok());
  return *manifest;
}

TEST_CASE("a manifest comes back from its text as it was") {
  const Manifest manifest = Example();

  const auto read = ManifestFromText(ManifestToText(manifest));

  REQUIRE(read.ok());
  CHECK(read->SerializeAsString() == manifest.SerializeAsString());
  CHECK(read->mode() == "async");
  CHECK(read->optimizer() == "adam");
  CHECK(read->created() == "2023-11-14T22:13:20.000Z");
  CHECK(PayloadBytes(*read) == 4 * 4 * 17);
  const auto parameters = ParametersOf(*read);
  REQUIRE(parameters.size() == 3);
  CHECK(parameters[1].offset == 12);
  CHECK(parameters[2].elements == 1);
}

TEST_CASE("the checksum is that of the text without its second line") {
  const std::string text = ManifestToText(Example());
  const size_t line = text.find('\n') + 1;
  const size_t end = text.find('\n', line) + 1;
  const std::string rest = text.substr(0, line) + text.substr(end);
  CHECK(text.substr(line, end - line) ==
        absl::StrCat(" \"checksum\": \"", Sha256Hex(rest), "\",\n"));
}

TEST_CASE("partitions that were not all written, once, as long as they are, make no manifest") {
  const ManifestHead head = MakeExampleCheckpoint(1).head;
  CHECK(absl::IsInvalidArgument(MakeManifest(head, {Held(0, 16)}).status()));
  CHECK(absl::IsInvalidArgument(MakeManifest(head, {Held(0, 16), Held(0, 16)}).status()));
  CHECK(
      absl::IsInvalidArgument(MakeManifest(head, {Held(0, 16), Held(1, 1), Held(2, 1)}).status()));
  CHECK(absl::IsInvalidArgument(MakeManifest(head, {Held(0, 15), Held(1, 1)}).status()));
  ManifestHead none = head;
  none.checkpoint = 0;
  CHECK(absl::IsInvalidArgument(MakeManifest(none, {Held(0, 16), Held(1, 1)}).status()));
}

TEST_CASE("in sync all partitions are cut at one version, elsewhere each at its own") {
  ManifestHead head = MakeExampleCheckpoint(1).head;
  v1::CheckpointPartition later = Held(1, 1);
  later.set_version(11);
  later.mutable_state()->set_version(11);
  CHECK(MakeManifest(head, {Held(0, 16), later}).ok());

  head.segment.mutable_consistency()->mutable_sync();
  const auto torn = MakeManifest(head, {Held(0, 16), later});

  CHECK(torn.status().message() ==
        "manifest: partition 1 has version 11, partition 0 10; in rounds they are equal");
  CHECK(MakeManifest(head, {Held(0, 16), Held(1, 1)}).ok());
}

TEST_CASE("a whole text that says what cannot be is refused") {
  const std::vector<std::function<void(Manifest*)>> mistakes = {
      [](Manifest* m) { m->set_checkpoint(0); },
      [](Manifest* m) { m->set_checkpoint(kMaxCheckpoint + 1); },
      [](Manifest* m) { m->clear_job(); },
      [](Manifest* m) { m->clear_parameters(); },
      [](Manifest* m) { m->clear_partitions(); },
      [](Manifest* m) { m->mutable_parameters(0)->clear_name(); },
      [](Manifest* m) { m->mutable_parameters(0)->set_name("scale"); },
      [](Manifest* m) { m->mutable_parameters(0)->set_shape(0, 0); },
      [](Manifest* m) { m->mutable_parameters(0)->set_shape(0, uint64_t{1} << 63); },
      [](Manifest* m) { m->mutable_parameters(0)->set_shape(0, 4); },
      [](Manifest* m) { m->mutable_parameters(2)->add_shape(2); },
      [](Manifest* m) { m->mutable_partitions()->RemoveLast(); },
      [](Manifest* m) { m->mutable_partitions()->SwapElements(0, 1); },
      [](Manifest* m) { m->mutable_partitions(1)->set_offset(15); },
      [](Manifest* m) { m->mutable_partitions(1)->set_elements(2); },
      [](Manifest* m) { m->mutable_partitions(0)->mutable_ranges(1)->set_end(5); },
      [](Manifest* m) { m->mutable_partitions(0)->mutable_ranges(1)->set_begin(1); },
      [](Manifest* m) { m->mutable_partitions(0)->mutable_ranges(1)->set_parameter(7); },
      [](Manifest* m) { m->mutable_partitions(0)->mutable_state()->set_version(9); },
      [](Manifest* m) { m->mutable_partitions(0)->clear_arrays(); },
      [](Manifest* m) { m->mutable_partitions(0)->mutable_arrays()->RemoveLast(); },
      [](Manifest* m) { m->mutable_partitions(0)->mutable_arrays()->SwapElements(0, 1); },
      [](Manifest* m) { m->mutable_partitions(0)->mutable_arrays()->SwapElements(2, 3); },
      [](Manifest* m) { m->mutable_partitions(0)->mutable_arrays(0)->clear_chunks(); },
      [](Manifest* m) {
        m->mutable_partitions(0)->mutable_arrays(0)->mutable_chunks(0)->set_bytes(60);
      },
      [](Manifest* m) {
        auto* array = m->mutable_partitions(0)->mutable_arrays(0);
        *array->add_chunks() = array->chunks(0);
      },
      [](Manifest* m) {
        m->mutable_partitions(0)->mutable_arrays(0)->mutable_chunks(0)->set_sha256(
            "../" + std::string(61, 'a'));
      },
  };
  for (size_t i = 0; i < mistakes.size(); ++i) {
    Manifest manifest = Example();
    mistakes[i](&manifest);
    const absl::Status status = ManifestFromText(ManifestToText(manifest)).status();
    INFO("mistake " << i << ": " << status);
    CHECK(absl::IsDataLoss(status));
    CHECK(absl::StartsWith(status.message(), "manifest: "));
  }
}

TEST_CASE("whole texts with other keys, other formats or none are refused by what they are") {
  const std::string text = ManifestToText(Example());
  const auto try_with = [&](const std::string& from, const std::string& to) {
    return ManifestFromText(WithChecksum(absl::StrReplaceAll(text, {{from, to}}))).status();
  };
  CHECK(absl::IsUnimplemented(try_with("\"format_version\": 1,", "\"format_version\": 2,")));
  CHECK(absl::IsDataLoss(try_with("\"format_version\": 1,", "\"format_version\": 0,")));
  CHECK(absl::IsDataLoss(try_with("\"format_version\": 1,", "\"format_version\": x,")));
  CHECK(absl::IsDataLoss(try_with(" \"format_version\": 1,\n", "")));
  CHECK(absl::IsDataLoss(try_with("\"optimizer\"", "\"optimiser\"")));
  CHECK(absl::IsDataLoss(ManifestFromText("").status()));
  CHECK(absl::IsDataLoss(ManifestFromText(WithChecksum("{\n}\n")).status()));
}

}  // namespace
}  // namespace paceline
