#include "common/job/yaml_tree.h"

#include <catch2/catch.hpp>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace paceline {
namespace {

using Kind = YamlNode::Kind;

std::string ErrorOf(absl::string_view text) {
  const auto tree = ParseYamlTree(text, "job.yaml");
  REQUIRE(absl::IsInvalidArgument(tree.status()));
  return std::string(tree.status().message());
}

TEST_CASE("a tree keeps kinds, order and lines") {
  const auto tree = ParseYamlTree("a: 1\nb:\n  - x\n  - 'y'\nc: ~\n", "job.yaml").value();

  REQUIRE(tree->kind == Kind::kMapping);
  REQUIRE(tree->entries.size() == 3);
  CHECK(tree->entries[0].value->scalar == "1");
  CHECK(tree->entries[1].line == 2);
  const YamlNode& list = *tree->entries[1].value;
  REQUIRE(list.items.size() == 2);
  CHECK(list.items[1]->line == 4);
  CHECK_FALSE(list.items[0]->quoted);
  CHECK(list.items[1]->quoted);
  CHECK(tree->entries[2].value->kind == Kind::kNull);
  CHECK(tree->nodes == 6);
  CHECK(tree->depth == 3);
}

TEST_CASE("an empty text is a null") {
  CHECK(ParseYamlTree("", "job.yaml").value()->kind == Kind::kNull);
  CHECK(ParseYamlTree("# nothing\n", "job.yaml").value()->kind == Kind::kNull);
}

TEST_CASE("an alias is what its anchor names") {
  const auto tree = ParseYamlTree("a: &x {k: 1}\nb: *x\n", "job.yaml").value();

  CHECK(tree->entries[1].value->entries[0].value->scalar == "1");
}

TEST_CASE("what is not one YAML document of names and values is refused with its line") {
  CHECK(ErrorOf("a: 1\na: 2\n") == "job.yaml:2: key 'a' is here twice, first in line 1");
  CHECK(ErrorOf("a: 1\n? [b]\n: 2\n") == "job.yaml:2: a key is a list or a mapping; wanted a name");
  CHECK(ErrorOf("a: 1\n: 2\n") == "job.yaml:2: a key is empty; wanted a name");
  CHECK(ErrorOf("a: 1\n---\nb: 2\n") == "job.yaml holds more than one YAML document; wanted one");
  CHECK(ErrorOf("a: !!binary aGk=\n") ==
        "job.yaml:1: tag 'tag:yaml.org,2002:binary'; wanted a value without one");
  CHECK(ErrorOf("a: {b: 1\n").find("job.yaml:2: not YAML: ") == 0);
  CHECK(ErrorOf("a: [1\n}").find("not YAML: ") != std::string::npos);
  CHECK(ErrorOf("a: *nobody\n").find("job.yaml:1: not YAML: ") == 0);
  CHECK(ErrorOf("a: &x {b: *x}\n") == "job.yaml:1: an alias to what it is itself part of");
}

TEST_CASE("bytes that are not text are refused with their line") {
  CHECK(ErrorOf("a: 1\nb: \xff\n") == "job.yaml:2: byte 0xff is not text; wanted YAML in UTF-8");
  CHECK(ErrorOf(std::string("a\0b", 3)) ==
        "job.yaml:1: byte 0x00 is not text; wanted YAML in UTF-8");
  // Overlong, a surrogate, beyond Unicode, cut off.
  for (const char* bytes :
       {"\xc0\xaf", "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82"}) {
    CHECK(absl::IsInvalidArgument(ParseYamlTree(bytes, "job.yaml").status()));
  }
  CHECK(ParseYamlTree("a: gr\xc3\xbc\xc3\x9f \xf0\x9f\x9a\xb4", "job.yaml").ok());
}

TEST_CASE("a text too long, too deep or too wide is refused") {
  CHECK(ErrorOf(std::string(kYamlBytesMax + 1, ' ')) ==
        "job.yaml has 1048577 bytes; wanted at most 1048576");
  CHECK(ErrorOf(std::string(33, '[') + std::string(33, ']')) ==
        "job.yaml:1: nested deeper than 32");
  CHECK(ParseYamlTree(std::string(32, '[') + std::string(32, ']'), "job.yaml").ok());
  CHECK_FALSE(ParseYamlTree(std::string(100'000, '['), "job.yaml").ok());
  std::string wide = "[";
  for (size_t i = 0; i < kYamlNodesMax; ++i) wide += "1,";
  CHECK(ErrorOf(wide + "]") == "job.yaml:1: more than 100000 values");
}

TEST_CASE("aliases count as if they were written out") {
  // Ten times ten times ... : 10^9 values in 300 bytes.
  std::string bomb = "a0: &a0 [1,1,1,1,1,1,1,1,1,1]\n";
  for (int i = 1; i < 9; ++i) {
    absl::StrAppend(&bomb, "a", i, ": &a", i, " [");
    for (int j = 0; j < 10; ++j) absl::StrAppend(&bomb, j > 0 ? "," : "", "*a", i - 1);
    absl::StrAppend(&bomb, "]\n");
  }
  CHECK(ErrorOf(bomb).find("more than 100000 values") != std::string::npos);

  std::string chain = "- &a0 [1]\n";
  for (int i = 1; i < 40; ++i) absl::StrAppend(&chain, "- &a", i, " [*a", i - 1, "]\n");
  CHECK(ErrorOf(chain).find("nested deeper than 32") != std::string::npos);
}

}  // namespace
}  // namespace paceline
