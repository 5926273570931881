// A fault at every operation of a disk, one after the other: what is listed is whole.
#include <catch2/catch.hpp>
#include <memory>

#include "absl/strings/match.h"
#include "server/checkpoint/checkpoint_store.h"
#include "server/checkpoint/example_checkpoint.h"
#include "server/checkpoint/memory_file_system.h"

namespace paceline {
namespace {

using Fault = MemoryFileSystem::Fault;
using Numbers = std::vector<uint64_t>;

constexpr char kFolder[] = "checkpoints/example-1";
constexpr uint64_t kForever = uint64_t{1} << 40;

// A disk with the checkpoints 1..`checkpoints`.
struct Disk {
  MemoryFileSystem files;
  std::unique_ptr<CheckpointStore> store;

  explicit Disk(uint64_t checkpoints) {
    REQUIRE(files.MakeFolder("checkpoints").ok());
    REQUIRE(files.SyncFolder("").ok());
    files.Restart(1);
    Open();
    for (uint64_t i = 1; i <= checkpoints; ++i) {
      REQUIRE(WriteExampleCheckpoint(store.get(), i).ok());
    }
  }
  void Open() {
    auto created = CheckpointStore::Create(&files, kFolder);
    REQUIRE(created.ok());
    store = *std::move(created);
  }
  // Everything that is listed is whole, `kept` is listed, and nothing but `kept` and `maybe`.
  void CheckListed(const Numbers& kept, uint64_t maybe) {
    Numbers listed = *store->List();
    for (const uint64_t checkpoint : listed) {
      if (!HoldsExampleCheckpoint(store.get(), checkpoint)) {
        FAIL("checkpoint " << checkpoint << " is listed and not whole");
      }
    }
    Numbers with = kept;
    with.push_back(maybe);
    if (listed != kept && listed != with) FAIL("listed: " << Catch::Detail::stringify(listed));
  }
  void CheckNoLeftovers() {
    REQUIRE(store->Collect().ok());
    for (const std::string& path : files.Files()) {
      if (absl::EndsWith(path, kTemporarySuffix)) FAIL(path << " is left");
    }
  }
};

// Operations of one WriteExampleCheckpoint after another.
uint64_t OperationsOfAWrite() {
  Disk disk(1);
  const uint64_t before = disk.files.operations();
  REQUIRE(WriteExampleCheckpoint(disk.store.get(), 2).ok());
  return disk.files.operations() - before;
}

TEST_CASE("power lost at any operation of a write: the new checkpoint is whole or absent") {
  const uint64_t operations = OperationsOfAWrite();
  CHECK(operations > 40);
  uint64_t shown = 0;
  for (uint64_t k = 0; k < operations; ++k) {
    for (uint64_t seed = 0; seed < 6; ++seed) {
      INFO("operation " << k << ", seed " << seed);
      Disk disk(1);
      disk.files.FailAt(k, Fault::kCrash);
      CHECK_FALSE(WriteExampleCheckpoint(disk.store.get(), 2).ok());
      disk.files.Restart(seed);

      disk.Open();
      disk.CheckListed({1}, 2);
      shown += disk.store->List()->size() == 2;
      REQUIRE(WriteExampleCheckpoint(disk.store.get(), 3).ok());
      CHECK(HoldsExampleCheckpoint(disk.store.get(), 3));
      disk.CheckNoLeftovers();
    }
  }
  CHECK(shown > 0);  // After the rename and before the folder's sync: some power cuts keep it.
}

TEST_CASE("power lost at any moment after a write: the checkpoint stays") {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    Disk disk(2);
    disk.files.Restart(seed);
    disk.Open();
    disk.CheckListed({1, 2}, 2);
  }
}

TEST_CASE("power lost while the folders are made: they can be made after it") {
  for (uint64_t k = 0; k < 270; k += 3) {
    for (uint64_t seed = 0; seed < 3; ++seed) {
      MemoryFileSystem files;
      REQUIRE(files.MakeFolder("checkpoints").ok());
      REQUIRE(files.SyncFolder("").ok());
      files.FailAt(k, Fault::kCrash);
      CheckpointStore::Create(&files, kFolder).status().IgnoreError();
      files.Restart(seed);
      REQUIRE((files.MakeFolder("checkpoints").ok()));

      const auto store = CheckpointStore::Create(&files, kFolder);
      REQUIRE(store.ok());
      REQUIRE(WriteExampleCheckpoint(store->get(), 1).ok());
      CHECK(HoldsExampleCheckpoint(store->get(), 1));
    }
  }
}

// One fault at each operation of a write, for one operation or for all that follow.
void FaultAtEveryOperation(Fault fault, absl::StatusCode expected) {
  const uint64_t operations = OperationsOfAWrite();
  uint64_t refused = 0;
  uint64_t as_expected = 0;
  for (uint64_t k = 0; k < operations; ++k) {
    for (const uint64_t count : {uint64_t{1}, kForever}) {
      INFO("operation " << k << ", " << count << " operations");
      Disk disk(1);
      disk.files.FailAt(k, fault, count);
      const absl::Status status = WriteExampleCheckpoint(disk.store.get(), 2).status();
      disk.files.FailAt(0, Fault::kNone);
      refused += !status.ok();
      as_expected += status.code() == expected;

      disk.CheckListed({1}, 2);
      if (status.ok()) CHECK(disk.store->List()->size() == 2);
      // The same disk, once it is well again.
      REQUIRE(WriteExampleCheckpoint(disk.store.get(), 3).ok());
      CHECK(HoldsExampleCheckpoint(disk.store.get(), 3));
      disk.CheckNoLeftovers();
    }
  }
  CHECK(refused > operations / 2);
  CHECK(as_expected > operations / 4);
}

TEST_CASE(
    "no space left at any operation: an error that says so, and nothing half-written listed") {
  FaultAtEveryOperation(Fault::kNoSpace, absl::StatusCode::kResourceExhausted);
}

TEST_CASE("a sync that fails at any operation") {
  Disk probe(1);
  const uint64_t operations = OperationsOfAWrite();
  uint64_t refused = 0;
  for (uint64_t k = 0; k < operations; ++k) {
    Disk disk(1);
    disk.files.FailAt(k, Fault::kFailedSync);
    refused += !WriteExampleCheckpoint(disk.store.get(), 2).ok();
    disk.CheckListed({1}, 2);
    // What the failed sync was for may be lost now; what is listed still is not.
    disk.files.Restart(0);
    disk.Open();
    disk.CheckListed({1}, 2);
  }
  // One of each chunk, of the manifest, of the folders.
  CHECK(refused >= 6 + 1 + 1);
}

TEST_CASE("a write that is torn and says OK, at any operation") {
  const uint64_t operations = OperationsOfAWrite();
  uint64_t refused = 0;
  for (uint64_t k = 0; k < operations; ++k) {
    INFO("operation " << k);
    Disk disk(1);
    disk.files.FailAt(k, Fault::kTornWrite);
    refused += !WriteExampleCheckpoint(disk.store.get(), 2).ok();
    disk.CheckListed({1}, 2);
  }
  // One of each new chunk and of the manifest.
  CHECK(refused == 6 + 1);
}

TEST_CASE("power lost at any operation of a removal: what is listed after it is whole") {
  uint64_t operations = 0;
  {
    Disk disk(4);
    const uint64_t before = disk.files.operations();
    REQUIRE(disk.store->Retain({1, 0}).ok());
    operations = disk.files.operations() - before;
  }
  for (uint64_t k = 0; k < operations; ++k) {
    // All of the folders' listing is alike.
    if (k > 40 && k + 40 < operations && k % 7 != 0) continue;
    for (uint64_t seed = 0; seed < 4; ++seed) {
      INFO("operation " << k << ", seed " << seed);
      Disk disk(4);
      disk.files.FailAt(k, Fault::kCrash);
      CHECK_FALSE(disk.store->Retain({1, 0}).ok());
      disk.files.Restart(seed);

      disk.Open();
      const Numbers listed = *disk.store->List();
      REQUIRE_FALSE(listed.empty());
      CHECK(listed.back() == 4);
      for (const uint64_t checkpoint : listed) {
        if (!HoldsExampleCheckpoint(disk.store.get(), checkpoint)) {
          FAIL("checkpoint " << checkpoint << " is listed and not whole");
        }
      }
      REQUIRE(disk.store->Retain({1, 0}).ok());
      CHECK(*disk.store->List() == Numbers{4});
      CHECK(HoldsExampleCheckpoint(disk.store.get(), 4));
    }
  }
}

}  // namespace
}  // namespace paceline
