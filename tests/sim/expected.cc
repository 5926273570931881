#include "tests/sim/expected.h"

#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "common/job/parameters.h"
#include "common/job/round_plan.h"
#include "tests/sim/fake_trainer.h"

namespace paceline::sim {
namespace {

// How a data shard came to count.
struct ShardFate {
  double share = 1;        // Of the samples in its round or push.
  bool is_damped = false;  // By a factor 1 / (1 + staleness) that is not known here.
};

std::vector<ShardFate> FatesOf(const Scenario& scenario,
                               const std::map<uint32_t, v1::Segment>& segments) {
  std::vector<ShardFate> fates(scenario.total_shards());
  const v1::TrainSpec& train = scenario.spec.train();
  for (const auto& [index, segment] : segments) {
    const v1::ConsistencySpec& mode = segment.consistency();
    const WorkPlan plan(segment.first_shard(), scenario.shards_per_epoch(),
                        scenario.total_shards(),
                        mode.has_sync() ? train.shards_per_round() : train.shards_per_push());
    const bool is_damped = mode.has_async() && mode.async().has_max_staleness() &&
                           mode.async().on_stale() == v1::AsyncMode::DAMP;
    for (uint64_t r = 0; r < plan.size(); ++r) {
      const WorkPlan::Run run = plan.At(r);
      const uint64_t end = run.first_ordinal + run.count;
      uint64_t samples = 0;
      for (uint64_t k = run.first_ordinal; k < end; ++k) samples += scenario.SamplesOf(k);
      for (uint64_t k = run.first_ordinal; k < end; ++k) {
        const auto own = static_cast<double>(scenario.SamplesOf(k));
        fates[k] = {own / static_cast<double>(samples), is_damped};
      }
    }
  }
  return fates;
}

// The part of a vector that one parameter is.
class Comparison {
 public:
  Comparison(const Scenario& scenario, std::vector<ShardFate> fates)
      : scenario_(scenario),
        fates_(std::move(fates)),
        rate_(static_cast<double>(scenario.spec.optimizer().sgd().learning_rate())) {
    for (const ShardFate& fate : fates_) any_damped_ = any_damped_ || fate.is_damped;
  }

  // Empty: element `i` of the flat vector is as it should be.
  std::string Check(uint64_t i, float initial, float seen) const {
    const uint64_t slot = i % (fates_.size() + 1);
    const double change = static_cast<double>(seen) - static_cast<double>(initial);
    double wanted = 0;
    if (slot == fates_.size()) {
      if (any_damped_ || scenario_.gradients_follow_parameters) return "";
      for (uint64_t k = 0; k < fates_.size(); ++k) {
        wanted -= rate_ * CommonGradient(k, i, 0) * fates_[k].share;
      }
    } else {
      wanted = -rate_ * fates_[slot].share;
      if (fates_[slot].is_damped) return CheckDamped(i, wanted, change);
    }
    const bool every_bit = initial == 0 && scenario_.is_exact;
    if (every_bit ? change == wanted : std::fabs(change - wanted) < 1e-4) return "";
    return absl::StrCat("element ", i, SlotName(slot), " changed by ", change, "; wanted ", wanted);
  }

 private:
  std::string SlotName(uint64_t slot) const {
    return slot == fates_.size() ? " (common)" : absl::StrCat(" (data shard ", slot, "'s own)");
  }

  // Once, over 1 + some staleness.
  std::string CheckDamped(uint64_t i, double whole, double change) const {
    const double divisor = whole / change;
    if (divisor > 0.999 && std::fabs(divisor - std::round(divisor)) < 0.01 * divisor) return "";
    return absl::StrCat("element ", i, " changed by ", change, "; wanted ", whole,
                        " over a whole number");
  }

  const Scenario& scenario_;
  const std::vector<ShardFate> fates_;
  const double rate_;
  bool any_damped_ = false;
};

}  // namespace

bool HasExactSum(const Scenario& scenario) {
  return scenario.spec.optimizer().has_sgd() && !scenario.spec.optimizer().has_clip_global_norm();
}

std::string CompareWithExactSum(const Scenario& scenario,
                                const std::map<uint32_t, v1::Segment>& segments,
                                const std::vector<float>& parameters) {
  const Comparison comparison(scenario, FatesOf(scenario, segments));
  const auto infos = ParametersOf(scenario.spec, scenario.facts);
  for (const ParameterInfo& info : *infos) {
    std::vector<float> initial(info.elements);
    InitializeParameters(info, scenario.spec.seed(), 0, absl::MakeSpan(initial));
    for (uint64_t i = 0; i < info.elements; ++i) {
      const uint64_t at = info.offset + i;
      std::string wrong = comparison.Check(at, initial[i], parameters[at]);
      if (!wrong.empty()) return wrong;
    }
  }
  return "";
}

}  // namespace paceline::sim
