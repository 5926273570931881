#include "tests/sim/expected.h"

#include <cmath>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "common/job/parameters.h"
#include "common/job/round_plan.h"
#include "tests/sim/fake_trainer.h"

namespace paceline::sim {
namespace {

// What part of its round or push each data shard is, by samples.
std::vector<double> SharesOf(const Scenario& scenario,
                             const std::map<uint32_t, v1::Segment>& segments) {
  std::vector<double> shares(scenario.total_shards());
  const v1::TrainSpec& train = scenario.spec.train();
  for (const auto& [index, segment] : segments) {
    const WorkPlan plan(
        segment.first_shard(), scenario.shards_per_epoch(), scenario.total_shards(),
        segment.consistency().has_sync() ? train.shards_per_round() : train.shards_per_push());
    for (uint64_t r = 0; r < plan.size(); ++r) {
      const WorkPlan::Run run = plan.At(r);
      const uint64_t end = run.first_ordinal + run.count;
      uint64_t samples = 0;
      for (uint64_t k = run.first_ordinal; k < end; ++k) samples += scenario.SamplesOf(k);
      for (uint64_t k = run.first_ordinal; k < end; ++k) {
        shares[k] = static_cast<double>(scenario.SamplesOf(k)) / static_cast<double>(samples);
      }
    }
  }
  return shares;
}

class Comparison {
 public:
  Comparison(const Scenario& scenario, const Outcome& outcome)
      : scenario_(scenario),
        outcome_(outcome),
        shares_(SharesOf(scenario, outcome.segments)),
        rate_(static_cast<double>(scenario.spec.optimizer().sgd().learning_rate())) {}

  // Empty: element `i` of the flat vector is as it should be. `i` ascends.
  std::string Check(uint64_t i, float initial) {
    while (i >= outcome_.partition_ends[partition_]) ++partition_;
    const uint64_t slot = i % (shares_.size() + 1);
    if (slot == shares_.size() && scenario_.gradients_follow_parameters) return "";
    double wanted = 0;
    if (slot == shares_.size()) {
      for (uint64_t k = 0; k < shares_.size(); ++k) wanted -= Step(k) * CommonGradient(k, i, 0);
    } else {
      wanted -= Step(slot);
    }
    const double change =
        static_cast<double>(outcome_.parameters[i]) - static_cast<double>(initial);
    const bool every_bit = initial == 0 && scenario_.is_exact && outcome_.damping.empty();
    if (every_bit ? change == wanted : std::fabs(change - wanted) < 1e-4) return "";
    return absl::StrCat(
        "element ", i,
        slot == shares_.size() ? " (common)" : absl::StrCat(" (data shard ", slot, "'s own)"),
        " changed by ", change, "; wanted ", wanted);
  }

 private:
  // What a gradient of 1 of data shard `k` comes to in this partition.
  double Step(uint64_t k) const {
    const auto damping = outcome_.damping.find({partition_, k});
    return rate_ * shares_[k] * (damping == outcome_.damping.end() ? 1 : damping->second);
  }

  const Scenario& scenario_;
  const Outcome& outcome_;
  const std::vector<double> shares_;
  const double rate_;
  uint32_t partition_ = 0;
};

}  // namespace

bool HasExactSum(const Scenario& scenario) {
  return scenario.spec.optimizer().has_sgd() && !scenario.spec.optimizer().has_clip_global_norm();
}

std::string CompareWithExactSum(const Scenario& scenario, const Outcome& outcome) {
  Comparison comparison(scenario, outcome);
  const auto infos = ParametersOf(scenario.spec, scenario.facts);
  for (const ParameterInfo& info : *infos) {
    std::vector<float> initial(info.elements);
    InitializeParameters(info, scenario.spec.seed(), 0, absl::MakeSpan(initial));
    for (uint64_t i = 0; i < info.elements; ++i) {
      std::string wrong = comparison.Check(info.offset + i, initial[i]);
      if (!wrong.empty()) return wrong;
    }
  }
  return "";
}

}  // namespace paceline::sim
