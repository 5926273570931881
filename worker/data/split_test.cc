#include "worker/data/split.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace paceline {
namespace {

Dataset Numbered(uint64_t samples) {
  Dataset dataset;
  dataset.origin = "a.csv";
  dataset.features = 1;
  dataset.shape = {1};
  dataset.samples = samples;
  std::vector<float> values;
  for (uint64_t i = 0; i < samples; ++i) values.push_back(static_cast<float>(i));
  dataset.labels = std::make_shared<const std::vector<float>>(values);
  dataset.rows = std::make_shared<const Rows>(FloatRows{values});
  return dataset;
}

std::vector<float> Labels(const Dataset& dataset) {
  std::vector<float> labels;
  for (uint64_t i = 0; i < dataset.samples; ++i) labels.push_back(dataset.LabelOf(i));
  return labels;
}

TEST_CASE("every sample is in exactly one part, in the file's order") {
  const Dataset whole = Numbered(1000);

  const absl::StatusOr<SplitDatasets> parts = Split(whole, 0.2, 7);

  REQUIRE(parts.ok());
  const std::vector<float> train = Labels(parts->train);
  const std::vector<float> eval = Labels(parts->eval);
  std::vector<float> both;
  std::merge(train.begin(), train.end(), eval.begin(), eval.end(), std::back_inserter(both));
  CHECK(both == Labels(whole));
  // 1000 draws of probability 0.2: 200, deviation sqrt(160) = 12.6; five of those is 63.
  CHECK(eval.size() > 137);
  CHECK(eval.size() < 263);
}

TEST_CASE("the choice depends on the seed, and not on how many samples follow") {
  const std::vector<float> eval = Labels(Split(Numbered(100), 0.3, 1)->eval);
  std::vector<float> longer = Labels(Split(Numbered(200), 0.3, 1)->eval);
  longer.erase(std::lower_bound(longer.begin(), longer.end(), 100.0f), longer.end());

  CHECK(longer == eval);
  CHECK(Labels(Split(Numbered(100), 0.3, 1)->eval) == eval);
  CHECK(Labels(Split(Numbered(100), 0.3, 2)->eval) != eval);
}

TEST_CASE("a split that leaves a part empty is refused with the counts") {
  const absl::Status none_held = Split(Numbered(10), 1e-9, 1).status();
  const absl::Status all_held = Split(Numbered(10), 0.999999, 1).status();

  CHECK(absl::IsInvalidArgument(none_held));
  CHECK_THAT(std::string(none_held.message()),
             Catch::Contains("a.csv: holding out 1e-09 of 10 samples with seed 1 leaves 10 to "
                             "train on and 0 to evaluate on"));
  CHECK_THAT(std::string(all_held.message()), Catch::Contains("leaves 0 to train on and 10"));
}

}  // namespace
}  // namespace paceline
