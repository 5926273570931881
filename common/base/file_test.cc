#include "common/base/file.h"

#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <iterator>
#include <string>

namespace paceline {
namespace {

class Folder {
 public:
  Folder() {
    std::string path = std::filesystem::temp_directory_path() / "paceline-file-XXXXXX";
    REQUIRE(mkdtemp(path.data()) != nullptr);
    path_ = path;
  }
  ~Folder() { std::filesystem::remove_all(path_); }

  std::string At(const std::string& name) const { return path_ / name; }
  int Count() const {
    return static_cast<int>(std::distance(std::filesystem::directory_iterator(path_), {}));
  }

 private:
  std::filesystem::path path_;
};

TEST_CASE("a file is written, read back and replaced, and nothing else is left") {
  const Folder folder;
  const std::string path = folder.At("port");

  REQUIRE(WriteFileAtomically(path, "127.0.0.1:1\n").ok());
  CHECK(*ReadFile(path, 100) == "127.0.0.1:1\n");
  REQUIRE(WriteFileAtomically(path, std::string(100000, 'x')).ok());
  CHECK(*ReadFile(path, 100000) == std::string(100000, 'x'));

  CHECK(folder.Count() == 1);
  struct stat facts;
  REQUIRE(stat(path.c_str(), &facts) == 0);
  CHECK((facts.st_mode & 0777) == 0644);
}

TEST_CASE("a folder that is not there is an error with the path, and nothing is written") {
  const Folder folder;
  const absl::Status status = WriteFileAtomically(folder.At("absent/port"), "x");

  CHECK(absl::IsNotFound(status));
  CHECK(std::string(status.message()).find("absent/port") != std::string::npos);
  CHECK(folder.Count() == 0);
}

TEST_CASE("a write that cannot take the place of what is there leaves it, and no scrap") {
  const Folder folder;
  std::filesystem::create_directory(folder.At("port"));

  CHECK_FALSE(WriteFileAtomically(folder.At("port"), "x").ok());

  CHECK(std::filesystem::is_directory(folder.At("port")));
  CHECK(folder.Count() == 1);
}

TEST_CASE("reading what is absent or too large is an error") {
  const Folder folder;
  CHECK(absl::IsNotFound(ReadFile(folder.At("none"), 10).status()));
  REQUIRE(WriteFileAtomically(folder.At("f"), "12345").ok());
  CHECK(absl::IsResourceExhausted(ReadFile(folder.At("f"), 4).status()));
  CHECK(*ReadFile(folder.At("f"), 5) == "12345");
}

}  // namespace
}  // namespace paceline
