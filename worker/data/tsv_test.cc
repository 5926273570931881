#include "worker/data/tsv.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace paceline {
namespace {

using Names = std::vector<std::string>;

v1::DataFiles Files(const std::string& text = "first", const std::string& label = "last") {
  v1::DataFiles files;
  files.set_text(text);
  files.set_label(label);
  return files;
}

absl::StatusOr<Texts> Parse(const std::string& bytes, const v1::DataFiles& files,
                            Names classes = {}) {
  MemorySource source(bytes);
  return ReadTsv(&source, "a.tsv", files, &classes);
}

std::string Error(const std::string& bytes, const v1::DataFiles& files = Files()) {
  const absl::StatusOr<Texts> texts = Parse(bytes, files);
  REQUIRE(absl::IsInvalidArgument(texts.status()));
  return std::string(texts.status().message());
}

TEST_CASE("the first column is the text and the last one the class, and quotes mean nothing") {
  const absl::StatusOr<Texts> texts =
      Parse("He said \"no\t7\t spam \r\n\nA text\t8\tham\n", Files());

  REQUIRE(texts.ok());
  CHECK(texts->samples() == 2);
  CHECK(texts->TextOf(0) == "He said \"no");
  CHECK(texts->TextOf(1) == "A text");
  CHECK(texts->labels == std::vector<float>{1, 0});
}

TEST_CASE("columns are found by their names in a header") {
  const std::string bytes = "label\tid\tbody\nham\t1\tHello\n";

  CHECK(Parse(bytes, Files("body", "first"))->TextOf(0) == "Hello");
  CHECK(Parse(bytes, Files("last", "label"))->samples() == 1);
  v1::DataFiles by_place = Files("last", "first");
  CHECK(Parse(bytes, by_place)->samples() == 2);
  by_place.set_header(v1::DataFiles::YES);
  CHECK(Parse(bytes, by_place)->samples() == 1);
}

TEST_CASE("columns that are not there, there twice, or the same are refused") {
  v1::DataFiles headless = Files("body");
  headless.set_header(v1::DataFiles::NO);

  CHECK(Error("a\tb\n", Files("body")) == "a.tsv:1: no column is named 'body', the text");
  CHECK(Error("a\ta\tb\n", Files("b", "a")) ==
        "a.tsv:1: more than one column is named 'a', the label");
  CHECK(Error("a\tb\n", Files("a", "first")) == "a.tsv:1: text and label are both column 1");
  CHECK(Error("a\tb\n", headless) ==
        "a.tsv:1: the text is column 'body', but the file has no header; wanted 'first' or "
        "'last'");
}

TEST_CASE("a line that is no sample is refused by its number") {
  CHECK(Error("") == "a.tsv: has no samples; wanted at least one");
  CHECK(Error("text\tlabel\n", Files("text", "label")) ==
        "a.tsv: has no samples; wanted at least one");
  CHECK(Error("only a text\n") ==
        "a.tsv:1: has one column; wanted a text and a label with a tab between them");
  CHECK(Error("a\tb\n\na\tb\tc\n") == "a.tsv:3: has 3 columns; line 1 has 2");
  CHECK(Error("a\tb\na\t\n") == "a.tsv:2: the label is empty");
  CHECK(Error("a\tb\n  \tb\n") == "a.tsv:2: the text is blank");
  CHECK(Error("a\tb\n\xff\tb\n").find("a.tsv:2: the text is not UTF-8") == 0);
}

TEST_CASE("a class that the training samples do not have is refused by its line") {
  CHECK(Parse("x\ta\ny\tc\n", Files(), {"a", "b"}).status().message() ==
        "a.tsv:2: no training sample is of class 'c'; wanted one of 'a', 'b'");
}

}  // namespace
}  // namespace paceline
