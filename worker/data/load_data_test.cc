#include "worker/data/load_data.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "worker/data/test_files.h"

namespace paceline {
namespace {

using Catch::Matchers::Contains;

v1::DataSpec Spec(v1::DataSpec::Format format) {
  v1::DataSpec spec;
  spec.set_format(format);
  return spec;
}

v1::DataFiles CsvFile(const std::string& name, const std::string& text) {
  v1::DataFiles files;
  files.set_path(WriteTestFile(name, text));
  files.set_label("last");
  return files;
}

v1::DataSpec IdxSpec(const std::string& images, const std::string& labels) {
  v1::DataSpec spec = Spec(v1::DataSpec::IDX);
  spec.mutable_train()->set_images(WriteTestFile("images", images));
  spec.mutable_train()->set_labels(WriteTestFile("labels", labels));
  return spec;
}

v1::DataSpec CsvSpec(const std::string& train, const std::string& eval) {
  v1::DataSpec spec = Spec(v1::DataSpec::CSV);
  *spec.mutable_train() = CsvFile("train.csv", train);
  *spec.mutable_eval() = CsvFile("eval.csv", eval);
  return spec;
}

v1::DataSpec LibsvmSpec(const std::string& train, const std::string& eval) {
  v1::DataSpec spec = Spec(v1::DataSpec::LIBSVM);
  spec.mutable_train()->set_path(WriteTestFile("train.svm", train));
  spec.mutable_eval()->set_path(WriteTestFile("eval.svm", eval));
  return spec;
}

std::string Error(const v1::DataSpec& spec) {
  const absl::StatusOr<LoadedData> loaded = LoadData(spec);
  REQUIRE_FALSE(loaded.ok());
  return std::string(loaded.status().message());
}

std::string Fingerprint(const v1::DataSpec& spec) {
  const absl::StatusOr<LoadedData> loaded = LoadData(spec);
  INFO(loaded.status());
  REQUIRE(loaded.ok());
  return loaded->facts.fingerprint();
}

TEST_CASE("idx files load, and compressing them does not change the fingerprint") {
  const std::string images = IdxBytes({3, 2, 2}, "abcdefghijkl");
  const std::string labels = IdxBytes({3}, std::string("\0\1\2", 3));

  const absl::StatusOr<LoadedData> loaded = LoadData(IdxSpec(images, labels));

  REQUIRE(loaded.ok());
  CHECK(loaded->facts.features() == 4);
  CHECK(loaded->facts.train_samples() == 3);
  CHECK(loaded->facts.eval_samples() == 0);
  CHECK(loaded->facts.fingerprint().size() == 64);
  CHECK(loaded->eval.samples == 0);
  CHECK(Fingerprint(IdxSpec(Gzip(images), Gzip(labels))) == loaded->facts.fingerprint());
  CHECK(Fingerprint(IdxSpec(IdxBytes({3, 2, 2}, "abcdefghijkm"), labels)) !=
        loaded->facts.fingerprint());
}

TEST_CASE("csv files load with their evaluation samples") {
  const absl::StatusOr<LoadedData> loaded = LoadData(CsvSpec("a,b,y\n1,2,0\n", "3,4,1\n5,6,0\n"));

  REQUIRE(loaded.ok());
  CHECK(loaded->facts.features() == 2);
  CHECK(loaded->facts.train_samples() == 1);
  CHECK(loaded->facts.eval_samples() == 2);
  CHECK(loaded->eval.LabelOf(0) == 1);
}

TEST_CASE("what a file says, not how it is written, makes the fingerprint") {
  CHECK(Fingerprint(CsvSpec("1,2\n", "3,4\n")) == Fingerprint(CsvSpec("x,y\n1.0, 2\r\n", "3,4")));
  CHECK(Fingerprint(CsvSpec("1,2\n", "3,4\n")) != Fingerprint(CsvSpec("1,2\n", "3,5\n")));
  CHECK(Fingerprint(CsvSpec("1,2\n3,4\n", "5,6\n")) != Fingerprint(CsvSpec("1,2\n", "3,4\n5,6\n")));
}

TEST_CASE("libsvm evaluation samples have the training samples' features") {
  const absl::StatusOr<LoadedData> loaded = LoadData(LibsvmSpec("1 4:1\n", "0 1:1\n"));
  v1::DataSpec unequal = LibsvmSpec("1 4:1\n", "0 1:1\n");
  unequal.mutable_eval()->set_features(5);

  REQUIRE(loaded.ok());
  CHECK(loaded->eval.features == 4);
  CHECK_THAT(Error(LibsvmSpec("1 4:1\n", "0 1:1\n0 5:1\n")),
             Contains("eval.svm:2: index 5 is above 4"));
  CHECK_THAT(Error(unequal), Contains("eval.features is 5, but"));
}

TEST_CASE("features given for a libsvm file hold for both files") {
  v1::DataSpec spec = LibsvmSpec("1 4:1\n", "0 5:1\n");
  spec.mutable_train()->set_features(6);

  CHECK(LoadData(spec)->eval.features == 6);
}

TEST_CASE("evaluation samples of another width, shape or column order are refused") {
  v1::DataSpec shapes = IdxSpec(IdxBytes({1, 2, 3}, "abcdef"), IdxBytes({1}, "a"));
  shapes.mutable_eval()->set_images(WriteTestFile("eval", IdxBytes({1, 3, 2}, "abcdef")));
  shapes.mutable_eval()->set_labels(shapes.train().labels());

  CHECK_THAT(Error(CsvSpec("1,2,3\n", "1,2\n")), Contains("eval.csv: its samples have 1 features"));
  CHECK_THAT(Error(shapes), Contains("have 3x2 features") && Contains("have 2x3"));
  CHECK_THAT(Error(CsvSpec("a,b,y\n1,2,3\n", "b,a,y\n1,2,3\n")),
             Contains("feature 0 (counted from 0) is named 'b'") && Contains("it is 'a'"));
}

TEST_CASE("a split is made by the spec's fraction and seed, and standardized on its first part") {
  v1::DataSpec spec = Spec(v1::DataSpec::CSV);
  std::string text;
  for (int i = 0; i < 200; ++i) text += std::to_string(i) + "," + std::to_string(i % 2) + "\n";
  *spec.mutable_train() = CsvFile("split.csv", text);
  spec.mutable_split()->set_eval_fraction(0.25);
  spec.mutable_split()->set_seed(3);
  const std::string unscaled = Fingerprint(spec);
  spec.set_standardize(true);

  const absl::StatusOr<LoadedData> loaded = LoadData(spec);

  REQUIRE(loaded.ok());
  const uint64_t n = loaded->train.samples;
  CHECK(n + loaded->eval.samples == 200);
  CHECK(loaded->facts.fingerprint() != unscaled);
  CHECK(loaded->train.scaling == loaded->eval.scaling);
  double sum = 0;
  double squares = 0;
  for (uint64_t i = 0; i < n; ++i) {
    float x;
    float label;
    loaded->train.Gather({i}, absl::MakeSpan(&x, 1), absl::MakeSpan(&label, 1));
    sum += x;
    squares += x * x;
  }
  CHECK(sum / n == Approx(0).margin(1e-6));
  CHECK(squares / n == Approx(1).margin(1e-6));
}

TEST_CASE("another seed of the split is another fingerprint") {
  v1::DataSpec spec = Spec(v1::DataSpec::CSV);
  *spec.mutable_train() = CsvFile("seeds.csv", "1,1\n2,2\n3,3\n4,4\n5,5\n6,6\n7,7\n8,8\n");
  spec.mutable_split()->set_eval_fraction(0.5);
  spec.mutable_split()->set_seed(1);
  const std::string first = Fingerprint(spec);
  spec.mutable_split()->set_seed(2);

  CHECK(Fingerprint(spec) != first);
}

TEST_CASE("texts load, and the words behind their tokens are part of the fingerprint") {
  const auto spec_of = [](const std::string& text) {
    v1::DataSpec spec = Spec(v1::DataSpec::TSV);
    spec.mutable_train()->set_path(WriteTestFile("texts.tsv", text));
    spec.mutable_train()->set_text("first");
    spec.mutable_train()->set_label("last");
    spec.mutable_text()->set_length(5);
    spec.mutable_text()->mutable_words()->set_max_words(10);
    return spec;
  };

  const absl::StatusOr<LoadedData> loaded = LoadData(spec_of("some words\tx\nmore\ty\n"));

  REQUIRE(loaded.ok());
  CHECK(loaded->facts.features() == 5);
  CHECK(loaded->facts.train_samples() == 2);
  CHECK(loaded->train.LabelOf(1) == 1);
  CHECK(Fingerprint(spec_of("some words\tx\nmore\ty\n")) == loaded->facts.fingerprint());
  CHECK(Fingerprint(spec_of("some words\tx\nmost\ty\n")) != loaded->facts.fingerprint());
}

TEST_CASE("specs that are incomplete or contradict themselves are refused") {
  v1::DataSpec no_path = Spec(v1::DataSpec::CSV);
  v1::DataSpec no_images = IdxSpec(IdxBytes({1, 1}, "a"), IdxBytes({1}, "a"));
  no_images.mutable_train()->clear_images();
  v1::DataSpec both = CsvSpec("1,2\n", "1,2\n");
  both.mutable_split()->set_eval_fraction(0.5);

  CHECK_THAT(Error(v1::DataSpec()), Contains("format is 0; wanted idx (1), csv (2)"));
  CHECK_THAT(Error(no_path), Contains("train.path is not set"));
  CHECK_THAT(Error(no_images), Contains("train.images is not set"));
  CHECK_THAT(Error(both), Contains("eval and split are both set"));
}

TEST_CASE("files that are missing or folders are refused by path, for either set") {
  v1::DataSpec missing = CsvSpec("1,2\n", "1,2\n");
  missing.mutable_eval()->set_path(TestPath("absent.csv"));
  v1::DataSpec folder = Spec(v1::DataSpec::LIBSVM);
  folder.mutable_train()->set_path(TestPath(""));

  CHECK(absl::IsNotFound(LoadData(missing).status()));
  CHECK_THAT(Error(missing), Contains(TestPath("absent.csv")));
  CHECK_THAT(Error(folder), Contains(TestPath("") + " is a directory"));
}

TEST_CASE("labels are checked against the loss, naming the first that does not fit") {
  const absl::StatusOr<LoadedData> loaded = LoadData(CsvSpec("9,0\n9,1\n9,2\n", "9,0.5\n"));
  REQUIRE(loaded.ok());
  const auto message = [](const Dataset& dataset, v1::ModelSpec::Loss loss, uint64_t width) {
    return std::string(CheckLabels(dataset, loss, width).message());
  };

  CHECK(CheckLabels(loaded->train, v1::ModelSpec::SOFTMAX_CROSS_ENTROPY, 3).ok());
  CHECK(CheckLabels(loaded->train, v1::ModelSpec::MSE, 1).ok());
  CHECK(CheckLabels(loaded->eval, v1::ModelSpec::MSE, 1).ok());
  CHECK(CheckLabels(Dataset(), v1::ModelSpec::SOFTMAX_CROSS_ENTROPY, 3).ok());
  CHECK_THAT(message(loaded->train, v1::ModelSpec::SOFTMAX_CROSS_ENTROPY, 2),
             Contains("train.csv: sample 2 (counted from 0) has label 2; softmax_cross_entropy "
                      "over 2 outputs wants whole numbers from 0 to 2 - 1"));
  CHECK_THAT(message(loaded->eval, v1::ModelSpec::SOFTMAX_CROSS_ENTROPY, 2),
             Contains("eval.csv: sample 0 (counted from 0) has label 0.5"));
  CHECK_THAT(message(loaded->train, v1::ModelSpec::SIGMOID_CROSS_ENTROPY, 1),
             Contains("has label 2; sigmoid_cross_entropy wants 0 or 1"));
  CHECK_THAT(message(loaded->train, v1::ModelSpec::LOSS_UNSPECIFIED, 1), Contains("loss is 0"));
}

}  // namespace
}  // namespace paceline
