// Whatever happens to the bytes of a checkpoint, it is refused by name and the one before it
// offered.
#include <catch2/catch.hpp>
#include <memory>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "server/checkpoint/checkpoint_store.h"
#include "server/checkpoint/example_checkpoint.h"
#include "server/checkpoint/manifest.h"
#include "server/checkpoint/memory_file_system.h"

namespace paceline {
namespace {

constexpr char kSecond[] = "checkpoints/example-1/manifests/0000000002.json";
constexpr size_t kAll = size_t{1} << 30;

// Checkpoints 1 and 2.
struct Two {
  MemoryFileSystem files;
  std::unique_ptr<CheckpointStore> store;
  v1::CheckpointManifest second;

  Two() {
    REQUIRE(files.MakeFolder("checkpoints").ok());
    store = *CheckpointStore::Create(&files, "checkpoints/example-1");
    REQUIRE(WriteExampleCheckpoint(store.get(), 1).ok());
    second = *WriteExampleCheckpoint(store.get(), 2);
  }
  std::string PathOf(const v1::CheckpointChunk& chunk) const {
    return absl::StrCat("checkpoints/example-1/chunks/", chunk.sha256().substr(0, 2), "/",
                        chunk.sha256());
  }
  // Of array `array` of partition 0; all but 3 are the second's alone.
  std::string Chunk(int array) const {
    return PathOf(second.partitions(0).arrays(array).chunks(0));
  }

  // Refused with the path in the message; checkpoint 1 offered.
  void CheckRefused(const std::string& path, absl::StatusCode code, const std::string& what) {
    const absl::Status status = store->VerifyOrOffer(2).status();
    INFO(status);
    CHECK(status.code() == code);
    CHECK(absl::StartsWith(status.message(), "checkpoint 2 cannot be used: "));
    CHECK(absl::StrContains(status.message(), path));
    CHECK(absl::StrContains(status.message(), what));
    CHECK(absl::EndsWith(status.message(), "; checkpoint 1 is whole"));
    CHECK(store->NewestWhole()->checkpoint() == 1);
    CHECK(HoldsExampleCheckpoint(store.get(), 1));
  }
  void Replace(const std::string& path, const std::string& contents) {
    const auto temporary = files.WriteTemporary(path, {absl::string_view(contents)});
    REQUIRE(temporary.ok());
    REQUIRE(files.Rename(*temporary, path).ok());
  }
};

TEST_CASE("any one byte of any file flipped is refused") {
  Two two;
  std::vector<std::string> paths = {kSecond};
  for (const auto& partition : two.second.partitions()) {
    for (const auto& array : partition.arrays()) paths.push_back(two.PathOf(array.chunks(0)));
  }
  REQUIRE(paths.size() == 9);
  uint64_t flipped = 0;
  for (const std::string& path : paths) {
    const size_t bytes = two.files.Read(path, kAll)->size();
    for (size_t i = 0; i < bytes; ++i) {
      for (const uint8_t mask : {0x01, 0x20, 0xff}) {
        REQUIRE(two.files.Flip(path, i, mask).ok());
        const absl::Status status = two.store->Verify(2).status();
        if (!absl::IsDataLoss(status) || !absl::StrContains(status.message(), path)) {
          FAIL(path << " byte " << i << " mask " << int{mask} << ": " << status);
        }
        REQUIRE(two.files.Flip(path, i, mask).ok());
        ++flipped;
      }
    }
  }
  CHECK(flipped > 5000);
  CHECK(HoldsExampleCheckpoint(two.store.get(), 2));
}

TEST_CASE("a manifest cut off anywhere is refused") {
  Two two;
  const std::string text = *two.files.Read(kSecond, kAll);
  for (size_t bytes = 0; bytes < text.size(); ++bytes) {
    two.Replace(kSecond, text.substr(0, bytes));
    const absl::Status status = two.store->Read(2).status();
    if (!absl::IsDataLoss(status)) FAIL(bytes << " bytes: " << status);
  }
  two.CheckRefused(kSecond, absl::StatusCode::kDataLoss, "it is cut off");
  two.Replace(kSecond, text + "\n");
  two.CheckRefused(kSecond, absl::StatusCode::kDataLoss, "do not end as a manifest does");
}

TEST_CASE("each damage is named with the file, what was seen and what was wanted") {
  Two two;
  const std::string chunk = two.Chunk(0);

  SECTION("a chunk is missing") {
    REQUIRE(two.files.Remove(chunk).ok());
    two.CheckRefused(chunk, absl::StatusCode::kDataLoss, "is missing");
  }
  SECTION("a chunk is cut off") {
    REQUIRE(two.files.Truncate(chunk, 60).ok());
    two.CheckRefused(chunk, absl::StatusCode::kDataLoss, "has 60 bytes, wanted 64");
  }
  SECTION("a chunk is too long") {
    two.Replace(chunk, std::string(65, 'x'));
    two.CheckRefused(chunk, absl::StatusCode::kDataLoss, "is longer than the 64 bytes wanted");
  }
  SECTION("a chunk is flipped") {
    REQUIRE(two.files.Flip(chunk, 7, 4).ok());
    two.CheckRefused(chunk, absl::StatusCode::kDataLoss, "its SHA-256 is ");
  }
  SECTION("the manifest of another checkpoint") {
    const std::string first = absl::StrReplaceAll(kSecond, {{"2.json", "1.json"}});
    two.Replace(kSecond, *two.files.Read(first, kAll));
    two.CheckRefused(kSecond, absl::StatusCode::kDataLoss,
                     "it is the manifest of checkpoint 1, wanted 2");
  }
  SECTION("a newer format") {
    const std::string text = *two.files.Read(kSecond, kAll);
    two.Replace(kSecond, WithChecksum(absl::StrReplaceAll(
                             text, {{"\"format_version\": 1,", "\"format_version\": 2,"}})));
    two.CheckRefused(kSecond, absl::StatusCode::kUnimplemented,
                     "it has format 2, release 0.1.0 reads formats up to 1");
  }
  SECTION("a restore that has begun finds it too") {
    REQUIRE(two.files.Flip(chunk, 7, 4).ok());
    CHECK(absl::IsDataLoss(two.store->ReadPartition(two.second, 0).status()));
    CHECK(two.store->ReadPartition(two.second, 1).ok());
  }
}

TEST_CASE("with nothing whole before it, the refusal says so") {
  Two two;
  REQUIRE(two.files.Flip(kSecond, 200, 1).ok());
  REQUIRE(two.store->Remove(1).ok());

  const absl::Status status = two.store->VerifyOrOffer(2).status();

  CHECK(absl::EndsWith(status.message(), "; no earlier checkpoint is whole"));
}

}  // namespace
}  // namespace paceline
