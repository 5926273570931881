// What every FileSystem does, tried on each.
#include "server/checkpoint/file_system.h"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <memory>

#include "absl/strings/match.h"
#include "server/checkpoint/memory_file_system.h"
#include "server/checkpoint/posix_file_system.h"

namespace paceline {
namespace {

using Names = std::vector<std::string>;
using LockKind = FileSystem::LockKind;

// An empty folder of each kind of disk.
struct Place {
  MemoryFileSystem memory;
  PosixFileSystem posix;
  FileSystem* files = nullptr;
  std::string folder;

  explicit Place(bool is_posix) {
    files = is_posix ? static_cast<FileSystem*>(&posix) : &memory;
    folder = "contract";
    if (is_posix) {
      std::string path = std::string(std::getenv("TEST_TMPDIR")) + "/contract-XXXXXX";
      REQUIRE(mkdtemp(path.data()) != nullptr);
      folder = path;
    } else {
      REQUIRE(memory.MakeFolder(folder).ok());
    }
  }
  std::string At(const std::string& name) const { return folder + "/" + name; }
};

TEST_CASE("a file is written aside, then takes its name, and is read back") {
  Place place(GENERATE(false, true));
  FileSystem& files = *place.files;

  const auto temporary = files.WriteTemporary(place.At("f"), {"one ", "", "two"});
  REQUIRE(temporary.ok());
  CHECK(absl::EndsWith(*temporary, kTemporarySuffix));
  CHECK(absl::StartsWith(*temporary, place.At("f.")));
  CHECK(absl::IsNotFound(files.Read(place.At("f"), 100).status()));

  REQUIRE(files.Rename(*temporary, place.At("f")).ok());
  CHECK(files.SyncFolder(place.folder).ok());
  CHECK(*files.Read(place.At("f"), 7) == "one two");
  CHECK(*files.Size(place.At("f")) == 7);
  CHECK(*files.List(place.folder) == Names{"f"});
  CHECK(absl::IsResourceExhausted(files.Read(place.At("f"), 6).status()));
}

TEST_CASE("two files written aside for one name are two files") {
  Place place(GENERATE(false, true));
  const auto a = place.files->WriteTemporary(place.At("f"), {"a"});
  const auto b = place.files->WriteTemporary(place.At("f"), {"b"});
  REQUIRE((a.ok() && b.ok()));
  CHECK(*a != *b);
  CHECK(*place.files->Read(*a, 1) == "a");
}

TEST_CASE("renaming replaces what is there, renaming anew leaves it") {
  Place place(GENERATE(false, true));
  FileSystem& files = *place.files;
  REQUIRE(files.Rename(*files.WriteTemporary(place.At("f"), {"old"}), place.At("f")).ok());

  const std::string next = *files.WriteTemporary(place.At("f"), {"new"});
  CHECK(absl::IsAlreadyExists(files.RenameNew(next, place.At("f"))));
  CHECK(*files.Read(place.At("f"), 10) == "old");
  CHECK(*files.Read(next, 10) == "new");

  CHECK(files.Rename(next, place.At("f")).ok());
  CHECK(*files.Read(place.At("f"), 10) == "new");
  CHECK(files.RenameNew(place.At("f"), place.At("g")).ok());
  CHECK(*files.List(place.folder) == Names{"g"});
}

TEST_CASE("folders are made once or again; names come in order") {
  Place place(GENERATE(false, true));
  FileSystem& files = *place.files;
  CHECK(files.MakeFolder(place.At("b")).ok());
  CHECK(files.MakeFolder(place.At("b")).ok());
  CHECK(files.MakeFolder(place.At("a")).ok());
  CHECK(files.MakeFolder(place.At("a/in")).ok());
  CHECK(*files.List(place.folder) == Names{"a", "b"});

  CHECK(absl::IsNotFound(files.MakeFolder(place.At("c/d"))));
  REQUIRE(files.Rename(*files.WriteTemporary(place.At("f"), {"x"}), place.At("f")).ok());
  CHECK_FALSE(files.MakeFolder(place.At("f")).ok());
}

TEST_CASE("what is not there is NotFound, with the path") {
  Place place(GENERATE(false, true));
  FileSystem& files = *place.files;
  const std::string none = place.At("none");
  for (const absl::Status& status :
       {files.Read(none, 1).status(), files.Size(none).status(), files.List(none).status(),
        files.Remove(none), files.Rename(none, place.At("f")), files.SyncFolder(none),
        files.WriteTemporary(none + "/f", {"x"}).status(),
        files.TryLock(none + "/lock", LockKind::kShared).status()}) {
    INFO(status);
    CHECK(absl::IsNotFound(status));
    CHECK(absl::StrContains(status.message(), "none"));
  }
  CHECK(files.List(place.folder)->empty());
}

TEST_CASE("a lock is shared, or held alone, until it goes") {
  Place place(GENERATE(false, true));
  FileSystem& files = *place.files;
  const std::string path = place.At("lock");

  auto a = files.TryLock(path, LockKind::kShared);
  auto b = files.TryLock(path, LockKind::kShared);
  REQUIRE((a.ok() && b.ok()));
  CHECK(absl::IsUnavailable(files.TryLock(path, LockKind::kExclusive).status()));
  a->reset();
  CHECK(absl::IsUnavailable(files.TryLock(path, LockKind::kExclusive).status()));
  b->reset();

  auto alone = files.TryLock(path, LockKind::kExclusive);
  REQUIRE(alone.ok());
  CHECK(absl::IsUnavailable(files.TryLock(path, LockKind::kShared).status()));
  CHECK(absl::IsUnavailable(files.TryLock(path, LockKind::kExclusive).status()));
  alone->reset();
  CHECK(files.TryLock(path, LockKind::kShared).ok());
}

}  // namespace
}  // namespace paceline
