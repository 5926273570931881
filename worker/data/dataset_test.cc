#include "worker/data/dataset.h"

#include <catch2/catch.hpp>
#include <utility>

namespace paceline {
namespace {

template <typename T>
std::shared_ptr<const T> Shared(T value) {
  return std::make_shared<const T>(std::move(value));
}

Dataset Make(Rows rows) {
  Dataset dataset;
  dataset.features = 2;
  dataset.shape = {2};
  dataset.samples = 3;
  dataset.rows = Shared(std::move(rows));
  dataset.labels = Shared(std::vector<float>{7, 8, 9});
  return dataset;
}

struct Batch {
  std::vector<float> features;
  std::vector<float> labels;
};

Batch GatherSome(const Dataset& dataset, const std::vector<uint64_t>& indices) {
  Batch batch = {std::vector<float>(indices.size() * dataset.features),
                 std::vector<float>(indices.size())};
  dataset.Gather(indices, absl::MakeSpan(batch.features), absl::MakeSpan(batch.labels));
  return batch;
}

std::string HashOf(const Dataset& dataset) {
  Sha256 hash;
  dataset.AddTo(&hash);
  return hash.Hex();
}

TEST_CASE("bytes are gathered in the order asked for, as parts of 255") {
  const Dataset dataset = Make(ByteRows{{0, 255, 51, 102, 1, 254}});

  const Batch batch = GatherSome(dataset, {2, 0, 2});

  CHECK(batch.features ==
        std::vector<float>{1 / 255.0f, 254 / 255.0f, 0, 1, 1 / 255.0f, 254 / 255.0f});
  CHECK(batch.labels == std::vector<float>{9, 7, 9});
}

TEST_CASE("floats and sparse rows that mean the same gather the same") {
  const Dataset dense = Make(FloatRows{{0, 1.5f, 0, 0, -2, 3}});
  const Dataset sparse = Make(SparseRows{{0, 1, 1, 3}, {1, 0, 1}, {1.5f, -2, 3}});

  CHECK(GatherSome(dense, {0, 1, 2}).features == std::vector<float>{0, 1.5f, 0, 0, -2, 3});
  CHECK(GatherSome(sparse, {0, 1, 2}).features == std::vector<float>{0, 1.5f, 0, 0, -2, 3});
}

TEST_CASE("tokens are gathered as numbers, with zeros behind a short text") {
  const Dataset dataset = Make(TokenRows{{0, 2, 2, 3}, {4, 16777215, 9}});
  const Dataset other = Make(TokenRows{{0, 1, 2, 3}, {4, 16777215, 9}});

  CHECK(GatherSome(dataset, {2, 1, 0}).features == std::vector<float>{9, 0, 0, 0, 4, 16777215});
  CHECK(HashOf(dataset) != HashOf(other));
}

TEST_CASE("a dataset of chosen rows with scaling gathers those, scaled") {
  Dataset dataset = Make(FloatRows{{0, 10, 1, 11, 2, 12}});
  dataset.samples = 2;
  dataset.chosen = Shared(std::vector<uint64_t>{0, 2});
  dataset.scaling = Shared(Scaling{{1, 10}, {2, 0.5}});

  const Batch batch = GatherSome(dataset, {1, 0});

  // (2 - 1) * 2, (12 - 10) / 2; (0 - 1) * 2, (10 - 10) / 2.
  CHECK(batch.features == std::vector<float>{2, 1, -2, 0});
  CHECK(batch.labels == std::vector<float>{9, 7});
}

TEST_CASE("the hash changes with a value, a label, a shape, a choice or a scaling") {
  const Dataset dataset = Make(ByteRows{{1, 2, 3, 4, 5, 6}});
  const std::string hash = HashOf(dataset);
  Dataset label = dataset;
  label.labels = Shared(std::vector<float>{7, 8, 10});
  Dataset shape = dataset;
  shape.shape = {1, 2};
  Dataset chosen = dataset;
  chosen.samples = 2;
  chosen.chosen = Shared(std::vector<uint64_t>{0, 2});
  Dataset scaled = dataset;
  scaled.scaling = Shared(Scaling{{0, 0}, {1, 1}});

  CHECK(HashOf(Make(ByteRows{{1, 2, 3, 4, 5, 6}})) == hash);
  CHECK(HashOf(Make(ByteRows{{1, 2, 3, 4, 5, 7}})) != hash);
  CHECK(HashOf(label) != hash);
  CHECK(HashOf(shape) != hash);
  CHECK(HashOf(chosen) != hash);
  CHECK(HashOf(scaled) != hash);
}

}  // namespace
}  // namespace paceline
