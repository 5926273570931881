#include <catch2/catch.hpp>
#include <numeric>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "worker/data/load_data.h"

namespace paceline {
namespace {

constexpr char kFolder[] = "/usr/share/datasets/fashion-mnist/";

v1::DataFiles Files(const std::string& set) {
  v1::DataFiles files;
  files.set_images(kFolder + set + "-images-idx3-ubyte.gz");
  files.set_labels(kFolder + set + "-labels-idx1-ubyte.gz");
  return files;
}

TEST_CASE("Fashion-MNIST as Debian ships it has the counts and the mean its authors state") {
  v1::DataSpec spec;
  spec.set_format(v1::DataSpec::IDX);
  *spec.mutable_train() = Files("train");
  *spec.mutable_eval() = Files("t10k");

  const absl::StatusOr<LoadedData> loaded = LoadData(spec);

  if (absl::IsNotFound(loaded.status())) {
    WARN("SKIPPED: Debian's dataset-fashion-mnist is not installed: " << loaded.status());
    return;
  }
  INFO(loaded.status());
  REQUIRE(loaded.ok());
  CHECK(loaded->facts.features() == 784);
  CHECK(loaded->facts.train_samples() == 60000);
  CHECK(loaded->facts.eval_samples() == 10000);
  CHECK(loaded->train.shape == std::vector<uint64_t>{28, 28});
  CHECK(CheckLabels(loaded->train, v1::ModelSpec::SOFTMAX_CROSS_ENTROPY, 10).ok());
  CHECK(CheckLabels(loaded->eval, v1::ModelSpec::SOFTMAX_CROSS_ENTROPY, 10).ok());

  // In batches, as a worker gathers. The mean of all training pixels / 255 is 0.2860.
  std::vector<int> per_class(10);
  std::vector<uint64_t> indices(100);
  std::vector<float> features(100 * 784);
  std::vector<float> labels(100);
  double sum = 0;
  for (uint64_t first = 0; first < 60000; first += 100) {
    std::iota(indices.begin(), indices.end(), first);
    loaded->train.Gather(indices, absl::MakeSpan(features), absl::MakeSpan(labels));
    for (const float x : features) sum += x;
    for (const float label : labels) ++per_class[static_cast<size_t>(label)];
  }
  CHECK(per_class == std::vector<int>(10, 6000));
  CHECK(sum / (60000.0 * 784) == Approx(0.2860).margin(0.0001));
}

}  // namespace
}  // namespace paceline
