#include "worker/data/csv.h"

#include <catch2/catch.hpp>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"

namespace paceline {
namespace {

using Catch::Matchers::Contains;
using Header = v1::DataFiles::Header;

absl::StatusOr<Dataset> Parse(const std::string& text, const std::string& label = "last",
                              Header header = v1::DataFiles::AUTO) {
  v1::DataFiles files;
  files.set_label(label);
  files.set_header(header);
  MemorySource source(text);
  return ReadCsv(&source, "a.csv", files);
}

std::string Error(const std::string& text, const std::string& label = "last",
                  Header header = v1::DataFiles::AUTO) {
  const absl::StatusOr<Dataset> dataset = Parse(text, label, header);
  REQUIRE(absl::IsInvalidArgument(dataset.status()));
  return std::string(dataset.status().message());
}

// The features of all samples in order, with the labels behind them.
std::vector<float> Numbers(const absl::StatusOr<Dataset>& dataset) {
  INFO(dataset.status());
  REQUIRE(dataset.ok());
  std::vector<float> numbers = std::get<FloatRows>(*dataset->rows).values;
  REQUIRE(numbers.size() == dataset->samples * dataset->features);
  numbers.insert(numbers.end(), dataset->labels->begin(), dataset->labels->end());
  return numbers;
}

TEST_CASE("the label is taken from the first, the last or a named column") {
  CHECK(Numbers(Parse("1,2,3\n4,5,6\n")) == std::vector<float>{1, 2, 4, 5, 3, 6});
  CHECK(Numbers(Parse("1,2,3\n4,5,6\n", "first")) == std::vector<float>{2, 3, 5, 6, 1, 4});
  CHECK(Numbers(Parse("a,b,c\n1,2,3\n4,5,6\n", "b")) == std::vector<float>{1, 3, 4, 6, 2, 5});
}

TEST_CASE("spaces, CRLF, blank lines, quotes, signs and exponents are accepted") {
  const std::string text = " 1 ,\t-2.5e-1\r\n\r\n\"+3\" , \" 4 \" \n\n";

  CHECK(Numbers(Parse(text)) == std::vector<float>{1, 3, -0.25f, 4});
}

TEST_CASE("a header is found by a cell that is no number, and can be forced or denied") {
  CHECK(Numbers(Parse("x,1\n2,3\n")) == std::vector<float>{2, 3});
  CHECK(Numbers(Parse(",1\n2,3\n")) == std::vector<float>{2, 3});
  CHECK(Numbers(Parse("0,1\n2,3\n")) == std::vector<float>{0, 2, 1, 3});
  CHECK(Numbers(Parse("0,1\n2,3\n", "last", v1::DataFiles::YES)) == std::vector<float>{2, 3});
  CHECK_THAT(Error("x,1\n2,3\n", "last", v1::DataFiles::NO),
             Contains("a.csv:1: column 1: 'x' is not a number"));
}

TEST_CASE("a header names the features, quotes undone") {
  const absl::StatusOr<Dataset> dataset = Parse("\"a, \"\"b\"\"\",y,c\n1,2,3\n", "y");

  REQUIRE(dataset.ok());
  CHECK(dataset->feature_names == std::vector<std::string>{"a, \"b\"", "c"});
  CHECK(Parse("1,2\n")->feature_names.empty());
}

TEST_CASE("a ragged line is refused by line") {
  CHECK_THAT(Error("1,2,3\n\n4,5\n"), Contains("a.csv:3: has 2 columns; wanted 3 as in line 1"));
  CHECK_THAT(Error("a,b\n1,2,3\n"), Contains("a.csv:2: has 3 columns; wanted 2"));
}

TEST_CASE("an empty cell, a word, NaN and infinity are refused by line and column") {
  CHECK_THAT(Error("1,2\n3,\n"), Contains("a.csv:2: column 2: the cell is empty"));
  CHECK_THAT(Error("1,2\n \"\",4\n"), Contains("a.csv:2: column 1: the cell is empty"));
  CHECK_THAT(Error("1,2\n3,4x\n"), Contains("a.csv:2: column 2: '4x' is not a number"));
  CHECK_THAT(Error("1,2\n3,0x10\n"), Contains("'0x10' is not a number"));
  CHECK_THAT(Error("1,2\nnan,4\n"), Contains("a.csv:2: column 1: 'nan' is not finite"));
  CHECK_THAT(Error("1,2\n3,-inf\n"), Contains("'-inf' is not finite"));
  CHECK_THAT(Error("1,2\n3,1e39\n"), Contains("'1e39' is not finite as a 32-bit float"));
}

TEST_CASE("a quote that is not closed, and text behind one, are refused") {
  CHECK_THAT(Error("1,2\n3,\"4\n"), Contains("a.csv:2: column 2: the quote that opens here"));
  CHECK_THAT(Error("1,2\n3,\"4\"5\n"), Contains("a quoted cell is followed by '5'"));
}

TEST_CASE("a label column that is missing, double or has no header is refused") {
  CHECK_THAT(Error("a,b\n1,2\n", "c"),
             Contains("a.csv:1: no column is named 'c', the label; the header's names are 'a', "
                      "'b'"));
  CHECK_THAT(Error("a,b,a\n1,2,3\n", "a"), Contains("column 3: a second column named 'a'"));
  CHECK_THAT(Error("1,2\n", "c"), Contains("the label is column 'c', but the file has no header"));
}

TEST_CASE("a file without samples or with one column is refused") {
  CHECK_THAT(Error(""), Contains("a.csv: is empty"));
  CHECK_THAT(Error("\n \r\n"), Contains("a.csv: is empty"));
  CHECK_THAT(Error("a,b\n"), Contains("a.csv: has a header but no samples"));
  CHECK_THAT(Error("1\n2\n"), Contains("a.csv:1: has one column"));
}

TEST_CASE("a line with more columns than a sample may have is refused") {
  CHECK_THAT(Error(std::string(kFeaturesMax + 1, ',')),
             Contains("a.csv:1: has more columns than 16777216 and a label"));
}

}  // namespace
}  // namespace paceline
