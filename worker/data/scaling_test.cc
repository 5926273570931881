#include "worker/data/scaling.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"

namespace paceline {
namespace {

Dataset Make(uint64_t samples, uint64_t features, Rows rows) {
  Dataset dataset;
  dataset.origin = "a.csv";
  dataset.samples = samples;
  dataset.features = features;
  dataset.shape = {features};
  dataset.rows = std::make_shared<const Rows>(std::move(rows));
  dataset.labels = std::make_shared<const std::vector<float>>(samples, 0.0f);
  return dataset;
}

std::vector<float> All(const Dataset& dataset) {
  std::vector<uint64_t> indices;
  for (uint64_t i = 0; i < dataset.samples; ++i) indices.push_back(i);
  std::vector<float> features(dataset.samples * dataset.features);
  std::vector<float> labels(dataset.samples);
  dataset.Gather(indices, absl::MakeSpan(features), absl::MakeSpan(labels));
  return features;
}

TEST_CASE("both sets are scaled by what the training samples measure") {
  // Feature 0: 1, 3: mean 2, deviation 1. Feature 1: 10, 50: mean 30, deviation 20.
  Dataset train = Make(2, 2, FloatRows{{1, 10, 3, 50}});
  Dataset eval = Make(1, 2, FloatRows{{7, 20}});

  REQUIRE(Standardize(&train, &eval).ok());

  CHECK(All(train) == std::vector<float>{-1, -1, 1, 1});
  CHECK(All(eval) == std::vector<float>{5, -0.5f});
}

TEST_CASE("a constant feature becomes exactly zero and is not scaled") {
  // The sum of ten 0.1f, divided by ten, is not 0.1f in double.
  Dataset train = Make(10, 1, FloatRows{std::vector<float>(10, 0.1f)});
  Dataset eval = Make(1, 1, FloatRows{{2.1f}});

  REQUIRE(Standardize(&train, &eval).ok());

  CHECK(All(train) == std::vector<float>(10, 0.0f));
  CHECK(All(eval)[0] == Approx(2));
}

TEST_CASE("zeros that a sparse file leaves out are measured") {
  // Feature 0: 0, 0, 0, 4: mean 1, variance (3 + 9) / 4. Feature 1: all absent.
  Dataset sparse = Make(4, 2, SparseRows{{0, 0, 0, 0, 1}, {0}, {4}});
  Dataset dense = Make(4, 2, FloatRows{{0, 0, 0, 0, 0, 0, 4, 0}});
  Dataset none;

  REQUIRE(Standardize(&sparse, &none).ok());
  REQUIRE(Standardize(&dense, &none).ok());

  CHECK(sparse.scaling->mean == std::vector<double>{1, 0});
  CHECK(sparse.scaling->inverse_deviation[0] == Approx(1 / std::sqrt(3.0)));
  CHECK(sparse.scaling->inverse_deviation[1] == 1);
  CHECK(All(sparse) == All(dense));
  CHECK(none.scaling == nullptr);
}

TEST_CASE("bytes are measured as parts of 255") {
  Dataset train = Make(2, 1, ByteRows{{0, 255}});
  Dataset none;

  REQUIRE(Standardize(&train, &none).ok());

  CHECK(All(train) == std::vector<float>{-1, 1});
}

TEST_CASE("an evaluation sample that does not fit once scaled is refused, nothing changed") {
  // Deviation 0.5e-30; 1e20 becomes 2e50.
  Dataset train = Make(2, 1, FloatRows{{0, 1e-30f}});
  Dataset eval = Make(1, 1, FloatRows{{1e20f}});

  const absl::Status status = Standardize(&train, &eval);

  CHECK(absl::IsInvalidArgument(status));
  CHECK_THAT(std::string(status.message()), Catch::Contains("a.csv: feature 0"));
  CHECK(train.scaling == nullptr);
  CHECK(eval.scaling == nullptr);
}

}  // namespace
}  // namespace paceline
