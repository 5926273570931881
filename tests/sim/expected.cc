#include "tests/sim/expected.h"

#include <cmath>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "common/job/job_work.h"
#include "common/job/parameters.h"
#include "common/job/round_plan.h"
#include "tests/sim/fake_trainer.h"

namespace paceline::sim {
namespace {

// What is made of one data shard.
struct Part {
  double share = 0;  // Of its round or push, by samples, if all of that counts.
  bool is_quorum = false;
  uint64_t first_of_round = 0;
};

std::vector<Part> PartsOf(const Scenario& scenario,
                          const std::map<uint32_t, v1::Segment>& segments) {
  std::vector<Part> parts(scenario.total_shards());
  const v1::TrainSpec& train = scenario.spec.train();
  for (const auto& [index, segment] : segments) {
    const WorkPlan plan(
        segment.first_shard(), scenario.shards_per_epoch(), scenario.total_shards(),
        HasRounds(segment.consistency()) ? train.shards_per_round() : train.shards_per_push());
    for (uint64_t r = 0; r < plan.size(); ++r) {
      const WorkPlan::Run run = plan.At(r);
      const uint64_t end = run.first_ordinal + run.count;
      uint64_t samples = 0;
      for (uint64_t k = run.first_ordinal; k < end; ++k) samples += scenario.SamplesOf(k);
      for (uint64_t k = run.first_ordinal; k < end; ++k) {
        const auto mine = static_cast<double>(scenario.SamplesOf(k));
        parts[k] = {mine / static_cast<double>(samples), segment.consistency().has_quorum(),
                    run.first_ordinal};
      }
    }
  }
  return parts;
}

class Comparison {
 public:
  Comparison(const Scenario& scenario, const Outcome& outcome)
      : scenario_(scenario),
        outcome_(outcome),
        parts_(PartsOf(scenario, outcome.segments)),
        rate_(static_cast<double>(scenario.spec.optimizer().sgd().learning_rate())) {}

  // Empty: element `i` of the flat vector is as it should be. `i` ascends.
  std::string Check(uint64_t i, float initial) {
    while (i >= outcome_.partition_ends[partition_]) ++partition_;
    const uint64_t slot = i % (parts_.size() + 1);
    const bool is_common = slot == parts_.size();
    if (is_common && (scenario_.gradients_follow_parameters || scenario_.has_quorum())) return "";
    double wanted = 0;
    if (is_common) {
      for (uint64_t k = 0; k < parts_.size(); ++k) wanted -= Step(k) * CommonGradient(k, i, 0);
    } else {
      wanted -= Step(slot);
    }
    const double change =
        static_cast<double>(outcome_.parameters[i]) - static_cast<double>(initial);
    if (!is_common && parts_[slot].is_quorum) {
      if (initial != 0) return "";
      wanted = changes_[partition_].emplace(slot, change).first->second;
    }
    const bool every_bit = initial == 0 && scenario_.is_exact && outcome_.damping.empty();
    if (every_bit ? change == wanted : std::fabs(change - wanted) < 1e-4) return "";
    return absl::StrCat("element ", i,
                        is_common ? " (common)" : absl::StrCat(" (data shard ", slot, "'s own)"),
                        " changed by ", change, "; wanted ", wanted);
  }

  // quorum, after all elements: each round's gradient is a mean, whoever is in it; what counts is
  // what the partition says that it has counted, and the rest is what it says that it has dropped.
  std::string CheckRounds() const {
    for (const auto& [partition, changes] : changes_) {
      std::set<uint64_t> rounds;
      double sum = 0;
      uint64_t lost = 0;
      uint64_t samples = 0;
      double loss_sum = 0;
      for (uint64_t k = 0; k < parts_.size(); ++k) {
        if (parts_[k].is_quorum) {
          const auto change = changes.find(k);
          if (change == changes.end()) return absl::StrCat("data shard ", k, " has no elements");
          rounds.insert(parts_[k].first_of_round);
          sum -= change->second;
          lost += change->second == 0 ? 1 : 0;
          if (change->second == 0) continue;
        }
        samples += scenario_.SamplesOf(k);
        loss_sum += 0.25 * static_cast<double>(k + 1);
      }
      const double wanted = rate_ * static_cast<double>(rounds.size());
      const v1::PartitionReport& counted = outcome_.counted.at(partition);
      if (std::fabs(sum - wanted) < 1e-4 * (1 + wanted) &&
          lost == counted.shards_dropped() - counted.shards_carried() &&
          samples == counted.samples() && loss_sum == counted.loss_sum()) {
        continue;
      }
      return absl::StrCat("partition ", partition, ": ", rounds.size(),
                          " quorum rounds changed the parameters by ", sum, " in all; wanted ",
                          wanted, "; ", lost, " data shards left no trace, and the others have ",
                          samples, " samples and loss ", loss_sum,
                          "; it says: ", counted.ShortDebugString());
    }
    return "";
  }

 private:
  // What a gradient of 1 of data shard `k` comes to in this partition.
  double Step(uint64_t k) const {
    const auto damping = outcome_.damping.find({partition_, k});
    return rate_ * parts_[k].share * (damping == outcome_.damping.end() ? 1 : damping->second);
  }

  const Scenario& scenario_;
  const Outcome& outcome_;
  const std::vector<Part> parts_;
  const double rate_;
  uint32_t partition_ = 0;
  // quorum: of each partition, by data shard.
  std::map<uint32_t, std::map<uint64_t, double>> changes_;
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
  return comparison.CheckRounds();
}

}  // namespace paceline::sim
