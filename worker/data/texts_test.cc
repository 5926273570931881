#include "worker/data/texts.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

namespace paceline {
namespace {

using Catch::Matchers::Contains;
using Names = std::vector<std::string>;

std::string Message(const absl::Status& status) {
  REQUIRE(absl::IsInvalidArgument(status));
  return std::string(status.message());
}

TEST_CASE("classes are numbered in the order of their names, whatever came first") {
  Names classes;
  TextsBuilder builder("a.tsv", &classes);
  REQUIRE(builder.Add("one", "late").ok());
  REQUIRE(builder.Add("two", "early").ok());
  REQUIRE(builder.Add("three", "late").ok());

  const absl::StatusOr<Texts> texts = builder.Finish();

  REQUIRE(texts.ok());
  CHECK(classes == Names{"early", "late"});
  CHECK(texts->labels == std::vector<float>{1, 0, 1});
  CHECK(texts->samples() == 3);
  CHECK(texts->TextOf(0) == "one");
  CHECK(texts->TextOf(2) == "three");
  CHECK(texts->origin == "a.tsv");
}

TEST_CASE("evaluation samples keep the training classes' numbers and bring no others") {
  Names classes = {"a", "b", "c"};
  TextsBuilder builder("e.tsv", &classes);

  CHECK(Message(builder.Add("x", "d")) ==
        "no training sample is of class 'd'; wanted one of 'a', 'b', 'c'");
  REQUIRE(builder.Add("x", "c").ok());

  CHECK(builder.Finish()->labels == std::vector<float>{2});
  CHECK(classes == Names{"a", "b", "c"});
}

TEST_CASE("of many classes an error names the first ones") {
  Names classes;
  for (char c = 'a'; c <= 'z'; ++c) classes.emplace_back(1, c);
  TextsBuilder builder("e.tsv", &classes);

  CHECK_THAT(Message(builder.Add("x", "1")), Contains("'i', 'j', ..."));
}

TEST_CASE("a text that is blank or not UTF-8, and a class without a name, are refused") {
  Names classes;
  TextsBuilder builder("a.tsv", &classes);

  CHECK(Message(builder.Add(" \t", "c")) == "the text is blank");
  CHECK(Message(builder.Add("x", "")) == "the label is empty");
  CHECK(Message(builder.Add("caf\xe9 au lait", "c")) ==
        "the text is not UTF-8 from its byte 3 on (counted from 0): '\\xe9 au'");
  CHECK(Message(builder.Finish().status()) == "a.tsv: has no samples; wanted at least one");
  CHECK(classes.empty());
}

}  // namespace
}  // namespace paceline
