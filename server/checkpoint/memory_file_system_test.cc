#include "server/checkpoint/memory_file_system.h"

#include <catch2/catch.hpp>

namespace paceline {
namespace {

using Fault = MemoryFileSystem::Fault;
using Names = std::vector<std::string>;

void Write(MemoryFileSystem* files, const std::string& path, const std::string& contents) {
  const auto temporary = files->WriteTemporary(path, {absl::string_view(contents)});
  REQUIRE(temporary.ok());
  REQUIRE(files->Rename(*temporary, path).ok());
}

TEST_CASE("a power cut takes the names that were not synced, and leaves the others") {
  MemoryFileSystem files;
  Write(&files, "old", "1");
  REQUIRE(files.SyncFolder("").ok());
  Write(&files, "new", "2");
  Write(&files, "old", "3");

  files.Restart(0);

  CHECK(files.Files() == Names{"old"});
  CHECK(*files.Read("old", 9) == "1");
}

TEST_CASE("a power cut may also take nothing, or some") {
  bool new_alone = false;
  bool old_alone = false;
  for (uint64_t seed = 1; seed < 40; ++seed) {
    MemoryFileSystem files;
    Write(&files, "a", "1");
    Write(&files, "b", "2");
    files.Restart(seed);
    if (seed == 1) CHECK(files.Files() == Names{"a", "b"});
    new_alone = new_alone || files.Files() == Names{"a"};
    old_alone = old_alone || files.Files() == Names{"b"};
  }
  CHECK(new_alone);
  CHECK(old_alone);
}

TEST_CASE("a removed name comes back unless its folder was synced") {
  MemoryFileSystem files;
  Write(&files, "f", "1");
  REQUIRE(files.SyncFolder("").ok());
  REQUIRE(files.Remove("f").ok());
  files.Restart(0);
  CHECK(files.Files() == Names{"f"});

  REQUIRE(files.Remove("f").ok());
  REQUIRE(files.SyncFolder("").ok());
  files.Restart(0);
  CHECK(files.Files().empty());
}

TEST_CASE("faults come at the operation asked for, as often as asked for") {
  MemoryFileSystem files;
  Write(&files, "f", "1");

  files.FailAt(1, Fault::kCrash);
  CHECK(files.Read("f", 1).ok());
  CHECK(absl::IsUnavailable(files.Read("f", 1).status()));
  CHECK(absl::IsUnavailable(files.Remove("f")));
  files.Restart(1);
  CHECK(files.Read("f", 1).ok());

  // Created, written, synced: full at the second.
  files.FailAt(1, Fault::kNoSpace);
  CHECK(absl::IsResourceExhausted(files.WriteTemporary("g", {"1234"}).status()));
  CHECK(files.WriteTemporary("g", {"1234"}).ok());

  files.FailAt(2, Fault::kFailedSync);
  CHECK_FALSE(files.WriteTemporary("g", {"1234"}).ok());

  files.FailAt(1, Fault::kTornWrite);
  const auto torn = files.WriteTemporary("g", {"1234"});
  REQUIRE(torn.ok());
  CHECK(*files.Read(*torn, 9) == "12");
}

TEST_CASE("bytes are flipped and files cut where asked") {
  MemoryFileSystem files;
  Write(&files, "f", "abc");
  REQUIRE(files.Flip("f", 1, 0x20).ok());
  CHECK(*files.Read("f", 9) == "aBc");
  REQUIRE(files.Truncate("f", 2).ok());
  CHECK(*files.Read("f", 9) == "aB");
  CHECK_FALSE(files.Flip("f", 2, 1).ok());
  CHECK_FALSE(files.Truncate("f", 3).ok());
  CHECK_FALSE(files.Flip("g", 0, 1).ok());
}

}  // namespace
}  // namespace paceline
