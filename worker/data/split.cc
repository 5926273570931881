#include "worker/data/split.h"

#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/base/random.h"

namespace paceline {
namespace {

Dataset Part(const Dataset& whole, std::vector<uint64_t> chosen) {
  Dataset part = whole;
  part.samples = chosen.size();
  part.chosen = std::make_shared<const std::vector<uint64_t>>(std::move(chosen));
  return part;
}

}  // namespace

absl::StatusOr<SplitDatasets> Split(const Dataset& dataset, double eval_fraction, uint64_t seed) {
  const RandomStream stream(seed, "split");
  std::vector<uint64_t> kept;
  std::vector<uint64_t> held_out;
  for (uint64_t i = 0; i < dataset.samples; ++i) {
    (stream.Uniform(i) < eval_fraction ? held_out : kept).push_back(dataset.RowOf(i));
  }
  if (kept.empty() || held_out.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(dataset.origin, ": holding out ", eval_fraction, " of ", dataset.samples,
                     " samples with seed ", seed, " leaves ", kept.size(), " to train on and ",
                     held_out.size(), " to evaluate on; wanted at least one each"));
  }
  return SplitDatasets{Part(dataset, std::move(kept)), Part(dataset, std::move(held_out))};
}

}  // namespace paceline
