#include "cli/checkpoint_choice.h"

#include <catch2/catch.hpp>

#include "absl/strings/match.h"
#include "server/checkpoint/example_checkpoint.h"
#include "server/checkpoint/memory_file_system.h"

namespace paceline::cli {
namespace {

constexpr char kJob[] = "/c/example-1";

// Checkpoints 1 and 2 of the job example-1.
struct Disk {
  MemoryFileSystem files;
  std::unique_ptr<CheckpointStore> store;

  Disk() {
    REQUIRE(files.MakeFolder("/c").ok());
    store = *CheckpointStore::Create(&files, kJob);
    REQUIRE(WriteExampleCheckpoint(store.get(), 1).ok());
    REQUIRE(WriteExampleCheckpoint(store.get(), 2).ok());
  }
};

TEST_CASE("a checkpoint is named by its folder, with or without its number") {
  CHECK(ParseCheckpointName("a/b-1")->folder == "a/b-1");
  CHECK(ParseCheckpointName("a/b-1")->checkpoint == 0);
  CHECK(ParseCheckpointName("a/b-1/:12")->folder == "a/b-1");
  CHECK(ParseCheckpointName("a/b-1/:12")->checkpoint == 12);
  // A colon of the folder's own.
  CHECK(ParseCheckpointName("a:b")->folder == "a:b");
  CHECK(ParseCheckpointName("/")->folder == "/");

  for (const char* wrong :
       {"", ":7", "a:0", "a:10000000000", "a:99999999999999999999", "s3://b/a:7"}) {
    INFO(wrong);
    CHECK(absl::IsInvalidArgument(ParseCheckpointName(wrong).status()));
  }
}

TEST_CASE("the newest is chosen, or the one that is asked for") {
  Disk disk;
  const auto newest = ChooseCheckpoint(&disk.files, {kJob, 0});
  REQUIRE(newest.ok());
  CHECK(newest->manifest.checkpoint() == 2);
  CHECK(VersionOf(newest->manifest) == 20);

  const auto first = ChooseToRestore(&disk.files, {"/c", 1});
  REQUIRE(first.ok());
  CHECK(first->manifest.checkpoint() == 1);
  CHECK(first->newest == 2);
  CHECK(first->store->folder() == kJob);
}

TEST_CASE("a damaged one is refused, and the one before it named, not taken") {
  Disk disk;
  REQUIRE(disk.files.Flip("/c/example-1/manifests/0000000002.json", 100, 1).ok());

  const auto refused = ChooseToRestore(&disk.files, {kJob, 0});

  CHECK(absl::IsDataLoss(refused.status()));
  CHECK(absl::StartsWith(refused.status().message(), "checkpoint 2 cannot be used: "));
  CHECK(absl::EndsWith(refused.status().message(), "; checkpoint 1 is whole"));
}

TEST_CASE("no checkpoint, no folder and too many jobs are told with the path") {
  Disk disk;
  CHECK(absl::IsNotFound(ChooseToRestore(&disk.files, {kJob, 3}).status()));
  CHECK(absl::IsNotFound(ChooseToRestore(&disk.files, {"/elsewhere", 0}).status()));

  REQUIRE(CheckpointStore::Create(&disk.files, "/c/other-1").ok());
  const auto empty = ChooseToRestore(&disk.files, {"/c/other-1", 0});
  CHECK(absl::IsNotFound(empty.status()));
  const auto several = ChooseToRestore(&disk.files, {"/c", 0});
  CHECK(several.status().message() ==
        "\"/c\" holds the checkpoints of 2 jobs; name one of /c/example-1, /c/other-1");
}

TEST_CASE("servers are told the folder above, the job and the number") {
  Disk disk;
  const v1::CheckpointManifest manifest = ChooseCheckpoint(&disk.files, {kJob, 0})->manifest;

  const auto origin = OriginOf(manifest, "/srv/../c/example-1");

  REQUIRE(origin.ok());
  CHECK(origin->path() == "/c");
  CHECK(origin->job() == "example-1");
  CHECK(origin->id() == 2);
  // Servers look for the job's name.
  CHECK(absl::IsInvalidArgument(OriginOf(manifest, "/c/renamed").status()));
}

}  // namespace
}  // namespace paceline::cli
