#include "cli/checkpoint_command.h"

#include <catch2/catch.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "cli/exit_code.h"
#include "server/checkpoint/checkpoint_store.h"
#include "server/checkpoint/example_checkpoint.h"
#include "server/checkpoint/memory_file_system.h"

namespace paceline::cli {
namespace {

constexpr char kJob[] = "checkpoints/example-1";
constexpr char kSecond[] = "checkpoints/example-1/manifests/0000000002.json";

// Checkpoints 1 and 2 of one job.
struct Disk {
  MemoryFileSystem files;
  std::unique_ptr<CheckpointStore> store;

  Disk() {
    REQUIRE(files.MakeFolder("checkpoints").ok());
    store = *CheckpointStore::Create(&files, kJob);
    REQUIRE(WriteExampleCheckpoint(store.get(), 1).ok());
    REQUIRE(WriteExampleCheckpoint(store.get(), 2).ok());
  }
};

CheckpointFlags Flags(const std::string& folder, bool json = false) {
  CheckpointFlags flags;
  flags.folders = {folder};
  flags.json = json;
  return flags;
}

TEST_CASE("list names what is there, from the job's folder or the one above") {
  Disk disk;
  for (const std::string folder : {"checkpoints", kJob}) {
    const auto outcome = ListCheckpoints(&disk.files, Flags(folder));
    CHECK(outcome.exit_code == kOk);
    CHECK(outcome.errors.empty());
    CHECK(absl::StrContains(
        outcome.text, "example-1  2           2023-11-14T22:13:20.000Z  20       async  adam"));
  }
  const auto json = ListCheckpoints(&disk.files, Flags(kJob, true)).text;
  const auto first = nlohmann::json::parse(json.substr(0, json.find('\n')));
  CHECK(first["checkpoint"] == 1);
  CHECK(first["usable"] == true);
  CHECK(first["bytes"] == 4 * 4 * 17);
}

TEST_CASE("verify finds damage, offers what is whole, and says so in its exit status") {
  Disk disk;
  CHECK(VerifyCheckpoints(&disk.files, Flags(kJob)).exit_code == kOk);
  REQUIRE(disk.files.Flip(kSecond, 100, 1).ok());

  const auto outcome = VerifyCheckpoints(&disk.files, Flags(kJob));
  CHECK(outcome.exit_code == kUnhealthy);
  CHECK(absl::StartsWith(outcome.errors, "checkpoint 2 cannot be used: "));
  CHECK(absl::EndsWith(outcome.errors, "; checkpoint 1 is whole\n"));
  CHECK(absl::StrContains(outcome.text, "whole"));

  const std::string json = VerifyCheckpoints(&disk.files, Flags(kJob, true)).text;
  const auto second = nlohmann::json::parse(json.substr(json.find('\n') + 1));
  CHECK(second["usable"] == false);

  CheckpointFlags one = Flags(kJob);
  one.checkpoint = 1;
  CHECK(VerifyCheckpoints(&disk.files, one).exit_code == kOk);
}

TEST_CASE("export then import gives the same parameters in a new checkpoint") {
  Disk disk;
  CheckpointFlags flags = Flags(kJob);
  flags.file = "checkpoints/model";
  flags.checkpoint = 1;
  REQUIRE(ExportCheckpoint(&disk.files, flags).exit_code == kOk);

  flags.checkpoint = 2;
  const auto outcome = ImportCheckpoint(&disk.files, flags, absl::UnixEpoch());

  CHECK(outcome.text == "checkpoint 3 is checkpoint 2 with the parameters of checkpoints/model\n");
  const auto manifest = disk.store->Verify(3);
  REQUIRE(manifest.ok());
  CHECK(SameBits(*disk.store->ReadParameters(*manifest, 0),
                 MakeExampleCheckpoint(1).images[0].parameters));
}

TEST_CASE("a damaged newest is not exported, a wrong file not imported, and nothing appears") {
  Disk disk;
  CheckpointFlags flags = Flags(kJob);
  flags.file = "checkpoints/model";
  REQUIRE(disk.files.Flip(kSecond, 100, 1).ok());
  const auto refused = ExportCheckpoint(&disk.files, flags);
  CHECK(refused.exit_code == kUnhealthy);
  CHECK(absl::IsNotFound(disk.files.Read("checkpoints/model", 1).status()));

  flags.checkpoint = 1;
  flags.file = "checkpoints/example-1/lock";
  CHECK(ImportCheckpoint(&disk.files, flags, absl::UnixEpoch()).exit_code == kUnhealthy);
  CHECK(disk.store->List()->size() == 2);
}

TEST_CASE("a folder without checkpoints is a usage error with the path") {
  Disk disk;
  const auto none = ListCheckpoints(&disk.files, Flags("elsewhere"));
  CHECK(none.exit_code == kUsage);
  CHECK(absl::StrContains(none.errors, "elsewhere"));
  REQUIRE(disk.store->Remove(1).ok());
  REQUIRE(disk.store->Remove(2).ok());
  CHECK(ListCheckpoints(&disk.files, Flags(kJob)).text == "no checkpoints\n");
  CHECK(ExportCheckpoint(&disk.files, Flags(kJob)).exit_code == kUsage);
}

}  // namespace
}  // namespace paceline::cli
