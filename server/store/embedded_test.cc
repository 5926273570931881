#include "server/store/embedded.h"

#include <sched.h>
#include <sqlite3.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

#include <catch2/catch.hpp>

#include "common/testing/says.h"

namespace paceline {
namespace {

std::string FreshPath() {
  const char* base = std::getenv("TEST_TMPDIR");
  std::string folder = std::string(base != nullptr ? base : "/tmp") + "/embedded-XXXXXX";
  REQUIRE(mkdtemp(folder.data()) != nullptr);
  return folder + "/store.db";
}

std::string ReadAll(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

void WriteAll(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

void Sql(const std::string& path, const char* sql) {
  sqlite3* handle = nullptr;
  REQUIRE(sqlite3_open(path.c_str(), &handle) == SQLITE_OK);
  REQUIRE(sqlite3_exec(handle, sql, nullptr, nullptr, nullptr) == SQLITE_OK);
  sqlite3_close(handle);
}

// A store with one entry, closed.
std::string MakeStore() {
  const std::string path = FreshPath();
  auto store = EmbeddedStore::Open(path);
  INFO(store.status());
  REQUIRE(store.ok());
  REQUIRE((*store)->Commit({{}, {{"job/1", "the value of job 1"}}, {}})->committed);
  return path;
}

// A folder with a disk of its own, 512 kB large, that this process alone sees. False: this process
// may not make one.
bool MountSmall(const std::string& folder) {
  const bool is_mounted = unshare(CLONE_NEWNS) == 0 &&
                          mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
                          mount("none", folder.c_str(), "tmpfs", 0, "size=512k") == 0;
  if (!is_mounted) WARN("skipped: this process may not mount a file system");
  return is_mounted;
}

TEST_CASE("what was committed is there after the file is opened again") {
  const std::string path = MakeStore();

  auto store = EmbeddedStore::Open(path);

  REQUIRE(store.ok());
  const auto range = (*store)->Range("");
  REQUIRE(range->size() == 1);
  CHECK((*range)[0].value == "the value of job 1");
  CHECK((*range)[0].revision == 1);
  CHECK((*store)->Commit({{}, {{"b", "2"}}, {}})->revision == 2);
}

TEST_CASE("what was committed survives a process that never closed the file") {
  const std::string path = FreshPath();
  const std::string copy = FreshPath();
  auto store = EmbeddedStore::Open(path);
  REQUIRE((*store)->Commit({{}, {{"a", "1"}}, {}})->committed);

  // The two files as a power cut would leave them.
  WriteAll(copy, ReadAll(path));
  WriteAll(copy + "-wal", ReadAll(path + "-wal"));
  auto after = EmbeddedStore::Open(copy);

  INFO(after.status());
  REQUIRE(after.ok());
  CHECK((*after)->Range("a")->size() == 1);
}

TEST_CASE("a file that is open elsewhere is refused as in use") {
  const std::string path = MakeStore();
  auto first = EmbeddedStore::Open(path);
  REQUIRE(first.ok());

  const absl::Status second = EmbeddedStore::Open(path).status();

  CHECK(second.code() == absl::StatusCode::kFailedPrecondition);
  CHECK(Says(second, "in use by another process"));
  CHECK((*first)->Range("")->size() == 1);
}

TEST_CASE("a file of a newer schema is refused and left alone") {
  const std::string path = MakeStore();
  Sql(path, "PRAGMA user_version = 2");
  const std::string before = ReadAll(path);

  const absl::Status status = EmbeddedStore::Open(path).status();

  CHECK(status.code() == absl::StatusCode::kFailedPrecondition);
  CHECK(Says(status, "schema 2; this one knows schema 1"));
  CHECK(ReadAll(path) == before);
}

TEST_CASE("a file that is not a store is refused and left alone") {
  const std::string text = FreshPath();
  WriteAll(text, std::string(5000, 'x'));
  const std::string other = FreshPath();
  Sql(other, "CREATE TABLE people (name TEXT)");
  const std::string before = ReadAll(other);

  const absl::Status not_sqlite = EmbeddedStore::Open(text).status();
  const absl::Status not_ours = EmbeddedStore::Open(other).status();

  CHECK(not_sqlite.code() == absl::StatusCode::kDataLoss);
  CHECK(not_ours.code() == absl::StatusCode::kDataLoss);
  CHECK(Says(not_ours, "not one of Paceline's"));
  CHECK(ReadAll(text) == std::string(5000, 'x'));
  CHECK(ReadAll(other) == before);
}

TEST_CASE("a value with a flipped bit is noticed when the file is opened") {
  const std::string path = MakeStore();
  std::string bytes = ReadAll(path);
  const size_t at = bytes.find("the value of job 1");
  REQUIRE(at != std::string::npos);
  bytes[at] ^= 1;
  WriteAll(path, bytes);

  const absl::Status status = EmbeddedStore::Open(path).status();

  CHECK(status.code() == absl::StatusCode::kDataLoss);
  CHECK(Says(status, "'job/1' does not match its checksum"));
}

TEST_CASE("a folder that does not exist is named") {
  const absl::Status status = EmbeddedStore::Open("/nonexistent/folder/store.db").status();

  CHECK(status.code() == absl::StatusCode::kUnavailable);
  CHECK(Says(status, "/nonexistent/folder/store.db"));
}

TEST_CASE("on a full disk a commit fails as a whole, and when there is room again it goes on") {
  const std::string path = FreshPath();
  const std::string folder = path.substr(0, path.rfind('/'));
  if (!MountSmall(folder)) return;
  auto store = *EmbeddedStore::Open(path);
  REQUIRE(store->Commit({{}, {{"job/1", "before"}, {"job/2", "before"}}, {}})->committed);
  const std::string filler = folder + "/filler";
  WriteAll(filler, std::string(1 << 20, 'x'));  // As much of it as fits.
  const Transaction large = {{}, {{"job/1", "after"}, {"job/3", std::string(100'000, 'y')}}, {}};

  for (int i = 0; i < 3; ++i) {
    const absl::Status status = store->Commit(large).status();
    CHECK(status.code() == absl::StatusCode::kResourceExhausted);
    CHECK(Says(status, "full"));
  }

  const auto range = store->Range("job/");
  REQUIRE(range.ok());
  REQUIRE(range->size() == 2);
  CHECK((*range)[0].value == "before");
  std::remove(filler.c_str());
  CHECK(store->Commit(large)->committed);
  store.reset();
  store = *EmbeddedStore::Open(path);
  CHECK(store->Range("job/")->size() == 3);
  CHECK((*store->Range("job/1"))[0].value == "after");
}

}  // namespace
}  // namespace paceline
