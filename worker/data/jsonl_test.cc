#include "worker/data/jsonl.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace paceline {
namespace {

using Catch::Matchers::Contains;

absl::StatusOr<Texts> Parse(const std::string& bytes, const std::string& label = "label",
                            std::vector<std::string> classes = {}) {
  v1::DataFiles files;
  files.set_text("text");
  files.set_label(label);
  MemorySource source(bytes);
  return ReadJsonl(&source, "a.jsonl", files, &classes);
}

std::string Error(const std::string& bytes) {
  const absl::StatusOr<Texts> texts = Parse(bytes);
  REQUIRE(absl::IsInvalidArgument(texts.status()));
  return std::string(texts.status().message());
}

TEST_CASE("text and label are read in any order, escapes and all, and other keys are skipped") {
  const absl::StatusOr<Texts> texts = Parse(
      "{\"text\": \"a\\tb \\u00e9\\n\", \"label\": \"pos\"}\r\n\n"
      "{\"x\": {\"text\": 1, \"y\": [null, \"z\", {}]}, \"label\":\"neg\" ,\"text\":\"c\", \"n\": "
      "1.5, \"t\": true}\n");

  REQUIRE(texts.ok());
  CHECK(texts->samples() == 2);
  CHECK(texts->TextOf(0) == "a\tb \xc3\xa9\n");
  CHECK(texts->TextOf(1) == "c");
  CHECK(texts->labels == std::vector<float>{1, 0});
}

TEST_CASE("a label may be a whole number, which stands for its digits") {
  const absl::StatusOr<Texts> texts =
      Parse("{\"text\":\"a\",\"stars\":5}\n{\"text\":\"b\",\"stars\":\"5\"}\n", "stars");

  REQUIRE(texts.ok());
  CHECK(texts->labels == std::vector<float>{0, 0});
}

TEST_CASE("a line that is not one object with a text and a label is refused by its number") {
  CHECK(Error("") == "a.jsonl: has no samples; wanted at least one");
  CHECK_THAT(Error("{\"text\":\"a\",\"label\":\"b\"}\n{\"text\":\n"),
             Contains("a.jsonl:2: is not JSON from its byte "));
  CHECK_THAT(Error("{\"text\":\"a\",\"label\":\"b\"} {}\n"), Contains("a.jsonl:1: is not JSON"));
  CHECK_THAT(Error("{\"text\":\"\xff\",\"label\":\"b\"}\n"), Contains("a.jsonl:1: is not JSON"));
  CHECK(Error("[1]\n") == "a.jsonl:1: is an array; wanted an object");
  CHECK(Error("\"a\"\n") == "a.jsonl:1: is a string; wanted an object");
  CHECK(Error("3\n") == "a.jsonl:1: is a number; wanted an object");
  CHECK(Error("{\"label\":\"b\"}\n") == "a.jsonl:1: has no key 'text'");
  CHECK(Error("{\"text\":\"b\"}\n") == "a.jsonl:1: has no key 'label'");
  CHECK(Error("{\"text\":\"a\",\"text\":\"a\",\"label\":\"b\"}\n") ==
        "a.jsonl:1: the key 'text' comes twice");
  CHECK(Error("{\"text\":7}\n") == "a.jsonl:1: the text is a number; wanted a string");
  CHECK(Error("{\"text\":{}}\n") == "a.jsonl:1: the text is an object; wanted a string");
  CHECK(Error("{\"label\":[]}\n") ==
        "a.jsonl:1: the label is an array; wanted a string or a whole number");
  CHECK(Error("{\"label\":1.5}\n") ==
        "a.jsonl:1: the label is a fraction; wanted a string or a whole number");
  CHECK(Error("{\"label\":null}\n") ==
        "a.jsonl:1: the label is null; wanted a string or a whole number");
  CHECK(Error("{\"text\":\"\",\"label\":\"b\"}\n") == "a.jsonl:1: the text is blank");
}

TEST_CASE("a line of many open brackets is refused and harms nobody") {
  CHECK_THAT(Error("{\"a\":" + std::string(1 << 20, '[') + "\n"), Contains("is not JSON"));
}

TEST_CASE("a class that the training samples do not have is refused by its line") {
  CHECK(Parse("{\"text\":\"a\",\"label\":\"b\"}\n", "label", {"a"}).status().message() ==
        "a.jsonl:1: no training sample is of class 'b'; wanted one of 'a'");
}

}  // namespace
}  // namespace paceline
