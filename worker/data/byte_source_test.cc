#include "worker/data/byte_source.h"

#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <string>

#include "absl/status/status.h"
#include "worker/data/test_files.h"

namespace paceline {
namespace {

using Catch::Matchers::Contains;

std::string ReadAll(ByteSource* source, size_t step) {
  std::string all;
  std::string part(step, '\0');
  for (;;) {
    const auto room = absl::MakeSpan(reinterpret_cast<uint8_t*>(&part[0]), step);
    const absl::StatusOr<size_t> count = source->Read(room);
    REQUIRE(count.ok());
    if (*count == 0) return all;
    all += part.substr(0, *count);
  }
}

std::string OpenError(const std::string& path) {
  const auto file = OpenFile(path);
  REQUIRE_FALSE(file.ok());
  return std::string(file.status().message());
}

TEST_CASE("bytes come out as they went in, from memory and from a file") {
  const std::string bytes("a\0b\r\nc", 6);
  MemorySource memory(bytes);
  auto file = OpenFile(WriteTestFile("bytes", bytes));
  REQUIRE(file.ok());

  CHECK(ReadAll(&memory, 4) == bytes);
  CHECK(ReadAll(file->get(), 4) == bytes);
  CHECK(ReadAll(file->get(), 4).empty());
}

TEST_CASE("a missing file is not found, by its path") {
  const std::string path = TestPath("missing");

  CHECK(absl::IsNotFound(OpenFile(path).status()));
  CHECK_THAT(OpenError(path), Contains("cannot open " + path));
}

TEST_CASE("a directory, a pipe and a path with a zero byte are no files") {
  const std::string pipe = TestPath("pipe");
  unlink(pipe.c_str());
  REQUIRE(mkfifo(pipe.c_str(), 0600) == 0);

  CHECK_THAT(OpenError(TestPath("")), Contains("is a directory; wanted a file"));
  CHECK_THAT(OpenError(pipe), Contains(pipe + " is a pipe, socket or device; wanted a file"));
  CHECK_THAT(OpenError(std::string("/tmp\0x", 6)), Contains("'/tmp\\x00x' is not the path"));
  CHECK_THAT(OpenError(""), Contains("'' is not the path"));
}

TEST_CASE("a file that may not be read, and a name that is too long, say so by path") {
  const std::string path = WriteTestFile("closed", "bytes");
  REQUIRE(chmod(path.c_str(), 0) == 0);

  CHECK_THAT(OpenError(TestPath(std::string(300, 'n'))), Contains("File name too long"));
  if (access(path.c_str(), R_OK) == 0) {
    WARN("SKIPPED: this user may read every file, so none is unreadable");
  } else {
    CHECK(absl::IsPermissionDenied(OpenFile(path).status()));
    CHECK_THAT(OpenError(path), Contains("cannot open " + path));
  }
}

}  // namespace
}  // namespace paceline
