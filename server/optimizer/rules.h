// The rules behind Optimizer::Create, one .cc file each.
//
// Errors   InvalidArgument naming the field that is missing or out of range.
#ifndef PACELINE_SERVER_OPTIMIZER_RULES_H_
#define PACELINE_SERVER_OPTIMIZER_RULES_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "proto/job.pb.h"
#include "server/optimizer/optimizer.h"
#include "server/optimizer/schedule.h"

namespace paceline {

// What every rule shares, checked.
struct RuleSettings {
  std::vector<uint64_t> segment_elements;
  uint64_t elements = 0;  // Their sum.
  float weight_decay = 0;
  std::optional<float> clip_value;
  Schedule schedule;
  SimdWidth width = SimdWidth::kBaseline;
};

using OptimizerOr = absl::StatusOr<std::unique_ptr<Optimizer>>;

OptimizerOr CreateSgd(const v1::SgdSpec& spec, RuleSettings settings);
OptimizerOr CreateMomentum(const v1::MomentumSpec& spec, RuleSettings settings);
OptimizerOr CreateNesterov(const v1::NesterovSpec& spec, RuleSettings settings);
OptimizerOr CreateAdagrad(const v1::AdagradSpec& spec, RuleSettings settings);
OptimizerOr CreateAdadelta(const v1::AdadeltaSpec& spec, RuleSettings settings);
OptimizerOr CreateRmsprop(const v1::RmspropSpec& spec, RuleSettings settings);
OptimizerOr CreateAdam(const v1::AdamSpec& spec, RuleSettings settings);
OptimizerOr CreateAdamw(const v1::AdamwSpec& spec, RuleSettings settings);
OptimizerOr CreateLamb(const v1::LambSpec& spec, RuleSettings settings);
OptimizerOr CreateLars(const v1::LarsSpec& spec, RuleSettings settings);
OptimizerOr CreateFtrl(const v1::FtrlSpec& spec, RuleSettings settings);

}  // namespace paceline

#endif  // PACELINE_SERVER_OPTIMIZER_RULES_H_
