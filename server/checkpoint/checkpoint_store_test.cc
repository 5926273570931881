#include "server/checkpoint/checkpoint_store.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/checkpoint/chunk.h"
#include "server/checkpoint/example_checkpoint.h"
#include "server/checkpoint/memory_file_system.h"
#include "server/checkpoint/posix_file_system.h"

namespace paceline {
namespace {

using Numbers = std::vector<uint64_t>;

// A store in memory.
struct Disk {
  MemoryFileSystem files;
  std::unique_ptr<CheckpointStore> store;

  Disk() {
    REQUIRE(files.MakeFolder("checkpoints").ok());
    auto created = CheckpointStore::Create(&files, "checkpoints/example-1");
    REQUIRE(created.ok());
    store = *std::move(created);
  }
  size_t chunks() const {
    size_t count = 0;
    for (const std::string& path : files.Files()) count += absl::StrContains(path, "/chunks/");
    return count;
  }
};

TEST_CASE("what was written is read back, bit for bit, by whoever opens the folder") {
  Disk disk;
  REQUIRE(WriteExampleCheckpoint(disk.store.get(), 1).ok());
  REQUIRE(WriteExampleCheckpoint(disk.store.get(), 2).ok());

  const auto reader = CheckpointStore::Open(&disk.files, "checkpoints/example-1");
  REQUIRE(reader.ok());
  CHECK(*(*reader)->List() == Numbers{1, 2});
  CHECK(HoldsExampleCheckpoint(reader->get(), 1));
  CHECK(HoldsExampleCheckpoint(reader->get(), 2));
  CHECK((*reader)->NewestWhole()->checkpoint() == 2);
}

TEST_CASE("what is there already is not written again") {
  Disk disk;
  REQUIRE(WriteExampleCheckpoint(disk.store.get(), 1).ok());
  // Two partitions of four arrays, one chunk each.
  CHECK(disk.chunks() == 8);

  // Slot 1 of both partitions is the same as before.
  REQUIRE(WriteExampleCheckpoint(disk.store.get(), 2).ok());
  CHECK(disk.chunks() == 14);
}

TEST_CASE("a chunk that has rotted is mended by whoever writes the same bytes") {
  Disk disk;
  const auto chunk = disk.store->PutChunk("twelve bytes");
  REQUIRE(chunk.ok());
  const std::string path = absl::StrCat("checkpoints/example-1/chunks/",
                                        chunk->sha256().substr(0, 2), "/", chunk->sha256());
  REQUIRE(disk.files.Flip(path, 3, 1).ok());
  REQUIRE(absl::IsDataLoss(disk.store->GetChunk(*chunk).status()));

  REQUIRE(disk.store->PutChunk("twelve bytes").ok());

  CHECK(*disk.store->GetChunk(*chunk) == "twelve bytes");
}

TEST_CASE("an array is cut into chunks of 4 MiB, the last one shorter") {
  Disk disk;
  // 9 MiB and 4 bytes: two whole chunks and one of 1 MiB and 4 bytes.
  const size_t elements = (size_t{9} << 20) / 4 + 1;
  const auto block = std::make_shared<Block>(elements);
  for (size_t i = 0; i < elements; ++i) block->floats()[i] = static_cast<float>(i);
  PartitionImage image = MakeExampleCheckpoint(1).images[0];
  image.parameters = block;
  image.previous = nullptr;
  image.slots.clear();

  const auto entry = disk.store->WritePartition(image);

  REQUIRE(entry.ok());
  REQUIRE(entry->arrays_size() == 1);
  REQUIRE(entry->arrays(0).chunks_size() == 3);
  CHECK(entry->arrays(0).chunks(0).bytes() == kChunkBytes);
  CHECK(entry->arrays(0).chunks(2).bytes() == (1 << 20) + 4);
  v1::CheckpointManifest manifest;
  *manifest.add_partitions() = *entry;
  CHECK(SameBits(disk.store->ReadPartition(manifest, 0)->parameters, block));
}

TEST_CASE("a number is given once, and what has it stays as it is") {
  Disk disk;
  const auto first = WriteExampleCheckpoint(disk.store.get(), 1);
  REQUIRE(first.ok());

  v1::CheckpointManifest other = *first;
  other.set_job("another-2");
  CHECK(absl::IsAlreadyExists(disk.store->Commit(other)));

  CHECK(disk.store->Read(1)->job() == "example-1");
  for (const std::string& path : disk.files.Files()) CHECK_FALSE(absl::EndsWith(path, ".tmp"));
}

TEST_CASE("a manifest whose chunks are not all there is not committed") {
  Disk disk;
  const auto manifest = WriteExampleCheckpoint(disk.store.get(), 1);
  REQUIRE(manifest.ok());
  v1::CheckpointManifest next = *manifest;
  next.set_checkpoint(2);
  next.mutable_partitions(1)->mutable_arrays(2)->mutable_chunks(0)->set_sha256(
      std::string(64, 'a'));

  const absl::Status status = disk.store->Commit(next);

  CHECK(absl::IsDataLoss(status));
  CHECK(absl::StrContains(status.message(), "/chunks/aa/aaaa"));
  CHECK(*disk.store->List() == Numbers{1});
}

TEST_CASE("images and manifests that do not fit together are refused, and nothing is written") {
  Disk disk;
  const auto files = disk.files.Files();
  PartitionImage image = MakeExampleCheckpoint(1).images[0];
  image.slots.push_back(std::make_shared<Block>(3));
  CHECK(absl::IsInvalidArgument(disk.store->WritePartition(image).status()));
  image = MakeExampleCheckpoint(1).images[0];
  image.state.set_version(4);
  CHECK(absl::IsInvalidArgument(disk.store->WritePartition(image).status()));
  image.parameters = nullptr;
  CHECK(absl::IsInvalidArgument(disk.store->WritePartition(image).status()));
  CHECK(absl::IsInvalidArgument(disk.store->PutChunk("").status()));
  CHECK(absl::IsInvalidArgument(disk.store->PutChunk(std::string(kChunkBytes + 1, 'x')).status()));
  CHECK(absl::IsInvalidArgument(disk.store->Commit({})));
  v1::CheckpointChunk outside;
  outside.set_sha256("../../../etc/passwd");
  CHECK(absl::IsInvalidArgument(disk.store->GetChunk(outside).status()));

  CHECK(disk.files.Files().size() == files.size() + 1);  // The lock.
  CHECK(disk.store->List()->empty());
}

TEST_CASE("what is not there is said to be not there") {
  Disk disk;
  CHECK(absl::IsNotFound(CheckpointStore::Open(&disk.files, "checkpoints/other").status()));
  CHECK(absl::IsNotFound(disk.store->Read(7).status()));
  CHECK(absl::IsNotFound(disk.store->NewestWhole().status()));
  CHECK(absl::IsNotFound(disk.store->Remove(7).status()));
  const auto manifest = WriteExampleCheckpoint(disk.store.get(), 1);
  CHECK(absl::IsInvalidArgument(disk.store->ReadPartition(*manifest, 2).status()));
}

TEST_CASE("retention keeps the newest and every n-th, whole, and removes the others' chunks") {
  Disk disk;
  for (uint64_t i = 1; i <= 7; ++i) REQUIRE(WriteExampleCheckpoint(disk.store.get(), i).ok());

  const auto removed = disk.store->Retain({2, 3});

  REQUIRE(removed.ok());
  CHECK(removed->checkpoints == Numbers{1, 2, 4, 5});
  CHECK(removed->files == 4 * 6);
  CHECK(*disk.store->List() == Numbers{3, 6, 7});
  for (const uint64_t i : {3, 6, 7}) CHECK(HoldsExampleCheckpoint(disk.store.get(), i));
  // Three checkpoints of six chunks of their own and two that they share.
  CHECK(disk.chunks() == 3 * 6 + 2);
}

TEST_CASE("a damaged checkpoint is not counted as kept, and stays with its chunks until removed") {
  Disk disk;
  for (uint64_t i = 1; i <= 3; ++i) REQUIRE(WriteExampleCheckpoint(disk.store.get(), i).ok());
  const std::string newest = "checkpoints/example-1/manifests/0000000003.json";
  REQUIRE(disk.files.Flip(newest, 100, 1).ok());

  REQUIRE(disk.store->Retain({1, 0}).ok());
  CHECK(*disk.store->List() == Numbers{2, 3});
  CHECK(HoldsExampleCheckpoint(disk.store.get(), 2));
  REQUIRE(disk.files.Flip(newest, 100, 1).ok());
  CHECK(HoldsExampleCheckpoint(disk.store.get(), 3));

  REQUIRE(disk.store->Remove(3).ok());
  CHECK(*disk.store->List() == Numbers{2});
  CHECK(disk.chunks() == 8);
}

TEST_CASE("while somebody writes or restores nothing is removed; while it is, nobody writes") {
  Disk disk;
  REQUIRE(WriteExampleCheckpoint(disk.store.get(), 1).ok());
  {
    const auto hold = disk.store->Hold();
    REQUIRE(hold.ok());
    REQUIRE(disk.store->PutChunk("of no checkpoint yet").ok());
    CHECK(absl::IsUnavailable(disk.store->Collect().status()));
    CHECK(absl::IsUnavailable(disk.store->Retain({1, 0}).status()));
    CHECK(absl::IsUnavailable(disk.store->Remove(1).status()));
    CHECK(disk.chunks() == 9);
  }
  {
    const auto removing =
        disk.files.TryLock("checkpoints/example-1/lock", FileSystem::LockKind::kExclusive);
    REQUIRE(removing.ok());
    CHECK(absl::IsUnavailable(WriteExampleCheckpoint(disk.store.get(), 2).status()));
    CHECK(disk.chunks() == 9);
  }
  CHECK(disk.store->Collect()->files == 1);
  CHECK(disk.chunks() == 8);
}

// Tries again while the others hold the lock.
template <typename Call>
auto Eventually(const Call& call) {
  for (;;) {
    auto result = call();
    if (result.ok() || !absl::IsUnavailable(result.status())) return result;
    std::this_thread::yield();
  }
}

TEST_CASE("several writers and a collector at once, on a real disk: every commit is whole") {
  const std::string folder = std::string(std::getenv("TEST_TMPDIR")) + "/example-1";
  PosixFileSystem files;
  auto created = CheckpointStore::Create(&files, folder);
  REQUIRE(created.ok());
  CheckpointStore* store = created->get();

  constexpr uint64_t kWriters = 3;
  constexpr uint64_t kEach = 4;
  std::atomic<bool> done{false};
  std::atomic<uint64_t> written{0};
  std::atomic<uint64_t> failed{0};
  std::thread collector([&] {
    while (!done) {
      const auto removed = store->Collect();
      if (!removed.ok() && !absl::IsUnavailable(removed.status())) ++failed;
      std::this_thread::yield();
    }
  });
  std::vector<std::thread> writers;
  for (uint64_t w = 0; w < kWriters; ++w) {
    writers.emplace_back([&, w] {
      for (uint64_t i = 1; i <= kEach; ++i) {
        const auto wrote = Eventually([&] { return WriteExampleCheckpoint(store, w * kEach + i); });
        wrote.ok() ? ++written : ++failed;
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  done = true;
  collector.join();

  CHECK(failed == 0);
  CHECK(written == kWriters * kEach);
  for (uint64_t i = 1; i <= kWriters * kEach; ++i) CHECK(HoldsExampleCheckpoint(store, i));
  REQUIRE(store->Collect().ok());
  size_t left = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    left += absl::EndsWith(entry.path().string(), kTemporarySuffix);
  }
  CHECK(left == 0);
}

}  // namespace
}  // namespace paceline
