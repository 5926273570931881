#include "server/optimizer/optimizer.h"

#include <limits>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "server/optimizer/range_check.h"
#include "server/optimizer/rules.h"

namespace paceline {
namespace {

absl::StatusOr<uint64_t> SumOf(const std::vector<uint64_t>& segment_elements) {
  uint64_t sum = 0;
  for (const uint64_t elements : segment_elements) {
    if (elements > std::numeric_limits<int64_t>::max() - sum) {
      return absl::InvalidArgumentError(absl::StrCat(
          "segment_elements add up to more than 2^63: ", sum, " and ", elements, " more"));
    }
    sum += elements;
  }
  return sum;
}

absl::StatusOr<RuleSettings> SettingsOf(const v1::OptimizerSpec& spec,
                                        std::vector<uint64_t> segment_elements, SimdWidth width) {
  if (!IsSupported(width)) {
    return absl::InvalidArgumentError(
        absl::StrCat("this machine cannot run SimdWidth ", static_cast<int>(width),
                     "; the widest it can is ", static_cast<int>(WidestSimdWidth())));
  }
  RangeCheck check("optimizer");
  check.NonNegative("weight_decay", spec.has_weight_decay(), spec.weight_decay());
  if (spec.has_clip_value()) check.Positive("clip_value", true, spec.clip_value());
  if (spec.has_clip_global_norm()) {
    check.Positive("clip_global_norm", true, spec.clip_global_norm());
  }
  RETURN_IF_ERROR(check.status());
  ASSIGN_OR_RETURN(const uint64_t elements, SumOf(segment_elements));
  ASSIGN_OR_RETURN(Schedule schedule, Schedule::Create(spec.schedule()));
  std::optional<float> clip_value;
  if (spec.has_clip_value()) clip_value = spec.clip_value();
  return RuleSettings{std::move(segment_elements), elements, spec.weight_decay(), clip_value,
                      std::move(schedule),         width};
}

}  // namespace

absl::StatusOr<std::unique_ptr<Optimizer>> Optimizer::Create(const v1::OptimizerSpec& spec,
                                                             std::vector<uint64_t> segment_elements,
                                                             SimdWidth width) {
  ASSIGN_OR_RETURN(RuleSettings settings, SettingsOf(spec, std::move(segment_elements), width));
  switch (spec.rule_case()) {
    case v1::OptimizerSpec::kSgd:
      return CreateSgd(spec.sgd(), std::move(settings));
    case v1::OptimizerSpec::kMomentum:
      return CreateMomentum(spec.momentum(), std::move(settings));
    case v1::OptimizerSpec::kNesterov:
      return CreateNesterov(spec.nesterov(), std::move(settings));
    case v1::OptimizerSpec::kAdagrad:
      return CreateAdagrad(spec.adagrad(), std::move(settings));
    case v1::OptimizerSpec::kAdadelta:
      return CreateAdadelta(spec.adadelta(), std::move(settings));
    case v1::OptimizerSpec::kRmsprop:
      return CreateRmsprop(spec.rmsprop(), std::move(settings));
    case v1::OptimizerSpec::kAdam:
      return CreateAdam(spec.adam(), std::move(settings));
    case v1::OptimizerSpec::kAdamw:
      return CreateAdamw(spec.adamw(), std::move(settings));
    case v1::OptimizerSpec::kLamb:
      return CreateLamb(spec.lamb(), std::move(settings));
    case v1::OptimizerSpec::kLars:
      return CreateLars(spec.lars(), std::move(settings));
    case v1::OptimizerSpec::kFtrl:
      return CreateFtrl(spec.ftrl(), std::move(settings));
    case v1::OptimizerSpec::RULE_NOT_SET:
      break;
  }
  return absl::InvalidArgumentError(
      "optimizer: no rule is set; wanted one of sgd, momentum, nesterov, adagrad, adadelta, "
      "rmsprop, adam, adamw, lamb, lars, ftrl");
}

}  // namespace paceline
