#include "worker/data/libsvm.h"

#include <catch2/catch.hpp>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"

namespace paceline {
namespace {

using Catch::Matchers::Contains;

absl::StatusOr<Dataset> Parse(const std::string& text, uint64_t features = 0) {
  MemorySource source(text);
  return ReadLibsvm(&source, "a.svm", features);
}

std::string Error(const std::string& text, uint64_t features = 0) {
  const absl::StatusOr<Dataset> dataset = Parse(text, features);
  REQUIRE(absl::IsInvalidArgument(dataset.status()));
  return std::string(dataset.status().message());
}

TEST_CASE("samples are kept sparse and gathered dense") {
  const absl::StatusOr<Dataset> dataset =
      Parse("+1 1:0.5 3:-2e1\r\n# a comment\n\n-1\n0 2:7 # and another\n");

  REQUIRE(dataset.ok());
  CHECK(dataset->samples == 3);
  CHECK(dataset->features == 3);
  CHECK(*dataset->labels == std::vector<float>{1, -1, 0});
  CHECK(std::get<SparseRows>(*dataset->rows).values.size() == 3);
  std::vector<float> dense(9);
  std::vector<float> labels(3);
  dataset->Gather({0, 1, 2}, absl::MakeSpan(dense), absl::MakeSpan(labels));
  CHECK(dense == std::vector<float>{0.5f, 0, -20, 0, 0, 0, 0, 7, 0});
}

TEST_CASE("a count of features given is kept, and bounds the indices") {
  CHECK(Parse("1 2:1\n", 5)->features == 5);
  CHECK(Parse("1 5:1\n", 5)->features == 5);
  CHECK_THAT(Error("1 2:1\n1 6:1\n", 5),
             Contains("a.svm:2: index 6 is above 5, the count of features"));
}

TEST_CASE("indices that are 0, no whole number, too large or not increasing are refused") {
  CHECK_THAT(Error("1 1:1\n1 0:1\n"), Contains("a.svm:2: '0:1': indices start at 1"));
  CHECK_THAT(Error("1 -1:1\n"), Contains("'-1:1' is not index:value"));
  CHECK_THAT(Error("1 +1:1\n"), Contains("'+1:1' is not index:value"));
  CHECK_THAT(Error("1 :1\n"), Contains("':1' is not index:value"));
  CHECK_THAT(Error("1 1.0:1\n"), Contains("'1.0:1' is not index:value"));
  CHECK_THAT(Error("1 99999999999999999999:1\n"), Contains("is not index:value"));
  CHECK_THAT(Error("1 16777217:1\n"),
             Contains("a.svm:1: index 16777217 is above 16777216, the most accepted"));
  CHECK_THAT(Error("1 3:1 2:1\n"), Contains("a.svm:1: index 2 follows 3; indices increase"));
  CHECK_THAT(Error("1 3:1 3:1\n"), Contains("index 3 follows 3"));
}

TEST_CASE("pairs without a colon and values that are not finite numbers are refused") {
  CHECK_THAT(Error("1 3\n"), Contains("a.svm:1: '3' is not index:value"));
  CHECK_THAT(Error("1 qid:3\n"), Contains("'qid:3' is not index:value"));
  CHECK_THAT(Error("1 3:\n"), Contains("the value '' is not a number"));
  CHECK_THAT(Error("1 3:x\n"), Contains("the value 'x' is not a number"));
  CHECK_THAT(Error("1 3:nan\n"), Contains("the value 'nan' is not finite"));
  CHECK_THAT(Error("1 3:1e99\n"), Contains("the value '1e99' is not finite"));
}

TEST_CASE("labels that are not finite numbers are refused") {
  CHECK_THAT(Error("1 1:1\nx 1:1\n"), Contains("a.svm:2: the label 'x' is not a number"));
  CHECK_THAT(Error("1:1 2:1\n"), Contains("a.svm:1: the label '1:1' is not a number"));
  CHECK_THAT(Error("inf 1:1\n"), Contains("the label 'inf' is not finite"));
}

TEST_CASE("files without samples or features, and too many features, are refused") {
  CHECK_THAT(Error(""), Contains("a.svm: has no samples"));
  CHECK_THAT(Error("# nothing\n"), Contains("a.svm: has no samples"));
  CHECK_THAT(Error("1\n0\n"), Contains("a.svm: names no feature in any line"));
  CHECK_THAT(Error("1 1:1\n", kFeaturesMax + 1), Contains("features is 16777217"));
}

}  // namespace
}  // namespace paceline
