#include "worker/data/text_folder.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "worker/data/test_files.h"

namespace paceline {
namespace {

using Catch::Matchers::Contains;
using Names = std::vector<std::string>;

// An empty folder with folders for these classes.
std::string Folder(const std::string& name, const Names& classes) {
  const std::string path = TestPath(name);
  std::filesystem::remove_all(path);
  std::filesystem::create_directory(path);
  for (const std::string& c : classes) std::filesystem::create_directory(path + "/" + c);
  return path;
}

std::string Error(const std::string& path) {
  Names classes;
  const absl::StatusOr<Texts> texts = ReadTextFolder(path, &classes);
  REQUIRE_FALSE(texts.ok());
  return std::string(texts.status().message());
}

TEST_CASE("each folder is a class, and its files are samples in the order of their names") {
  const std::string path = Folder("good", {"ham", "eggs", ".cache"});
  WriteTestFile("good/ham/2.txt", "\xef\xbb\xbfsecond\n");
  WriteTestFile("good/ham/10.txt", "first");
  WriteTestFile("good/ham/.hidden", "\xff");
  WriteTestFile("good/eggs/a.txt", std::string(200000, 'x'));
  Names classes;

  const absl::StatusOr<Texts> texts = ReadTextFolder(path, &classes);

  REQUIRE(texts.ok());
  CHECK(classes == Names{"eggs", "ham"});
  CHECK(texts->labels == std::vector<float>{0, 1, 1});
  CHECK(texts->TextOf(0).size() == 200000);
  CHECK(texts->TextOf(1) == "first");
  CHECK(texts->TextOf(2) == "second\n");
}

TEST_CASE("what does not belong into such a folder is refused by its path") {
  const std::string beside = Folder("beside", {"a"});
  WriteTestFile("beside/a/1.txt", "x");
  WriteTestFile("beside/README", "x");
  const std::string other = Folder("other", {"a"});
  WriteTestFile("other/a/1.csv", "x");
  const std::string bad = Folder("bad", {"a"});
  WriteTestFile("bad/a/1.txt", "caf\xe9");
  const std::string nested = Folder("nested", {"a"});
  std::filesystem::create_directory(nested + "/a/1.txt");

  CHECK(Error(beside) ==
        beside + "/README is no folder; wanted a folder for each class and nothing beside");
  CHECK(Error(other) ==
        other + "/a/1.csv is no .txt file; wanted nothing else in a class's folder");
  CHECK(Error(Folder("empty", {"a"})) ==
        TestPath("empty") + "/a has no .txt file; wanted one a sample");
  CHECK(Error(Folder("none", {})) == TestPath("none") + ": has no samples; wanted at least one");
  CHECK_THAT(Error(bad), Contains(bad + "/a/1.txt: the text is not UTF-8 from its byte 3"));
  CHECK(Error(nested) == nested + "/a/1.txt is a directory; wanted a file");
}

TEST_CASE("a folder that is not there, or is a file, is refused by its path") {
  Names classes;

  CHECK(absl::IsNotFound(ReadTextFolder(TestPath("absent"), &classes).status()));
  CHECK_THAT(Error(TestPath("absent")), Contains("cannot read the folder " + TestPath("absent")));
  CHECK_THAT(Error(WriteTestFile("file", "x")), Contains("Not a directory"));
}

TEST_CASE("a class that the training samples do not have is refused by its first file") {
  const std::string path = Folder("classes", {"b"});
  WriteTestFile("classes/b/1.txt", "x");
  Names classes = {"a"};

  CHECK(ReadTextFolder(path, &classes).status().message() ==
        path + "/b/1.txt: no training sample is of class 'b'; wanted one of 'a'");
}

}  // namespace
}  // namespace paceline
