#include "common/job/number_rules.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <google/protobuf/unknown_field_set.h>

#include <cmath>
#include <cstdint>
#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/check.h"
#include "common/base/status_macros.h"
#include "common/job/yaml_scalar.h"

namespace paceline {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kLargest = std::numeric_limits<double>::max();

constexpr NumberRange kAny{-kInfinity, kInfinity};
constexpr NumberRange kPositive{0, kInfinity, true};      // (0, inf)
constexpr NumberRange kNotNegative{0, kInfinity};         // [0, inf)
constexpr NumberRange kDecay{0, 1, false, true};          // [0, 1)
constexpr NumberRange kInside{0, 1, true, true};          // (0, 1)
constexpr NumberRange kShare{0, 1};                       // [0, 1]
constexpr NumberRange kPositiveShare{0, 1, true, false};  // (0, 1]
constexpr NumberRange kCount{1, kInfinity};               // [1, inf)

constexpr absl::nullopt_t kNone = absl::nullopt;

constexpr NumberRule kRules[] = {
    {"JobSpec", "seed", kNotNegative, 1},
    {"DataSpec", "shard_samples", {1, 65536}, 32},
    {"TextSpec", "length", {1, 65536}, kNone},
    {"WordVocabulary", "max_words", {3, 16777216}, 20000},
    {"BytePairVocabulary", "vocabulary", {257, 65536}, 4096},
    {"SplitSpec", "eval_fraction", kInside, kNone},
    {"SplitSpec", "seed", kNotNegative, 1},
    {"LinearLayer", "units", {1, 1048576}, kNone},
    {"DropoutLayer", "rate", kDecay, kNone},
    {"LayerNormLayer", "epsilon", kPositive, 1e-5},
    {"ConvolutionLayer", "channels", {1, 65536}, kNone},
    {"ConvolutionLayer", "kernel", {1, 64}, 3},
    {"ConvolutionLayer", "stride", {1, 64}, 1},
    {"ConvolutionLayer", "padding", {0, 63}, 0},
    {"PoolLayer", "size", {1, 256}, kNone},
    {"PoolLayer", "stride", {1, 256}, kNone},
    {"EmbeddingLayer", "vocabulary", {1, 16777216}, kNone},
    {"EmbeddingLayer", "width", {1, 65536}, kNone},
    {"AttentionLayer", "heads", {1, 1024}, 1},
    {"ModelSpec", "label_smoothing", kDecay, kNone},
    {"ParameterSpec", "initial", kAny, 0},
    {"TrainSpec", "shards_per_round", {1, 4096}, 8},
    {"TrainSpec", "epochs", {1, 100000}, 1},
    {"TrainSpec", "shards_per_push", {1, 4096}, kNone},
    {"OptimizerSpec", "weight_decay", kNotNegative, 0},
    {"OptimizerSpec", "clip_value", kPositive, kNone},
    {"OptimizerSpec", "clip_global_norm", kPositive, kNone},
    {"SgdSpec", "learning_rate", kPositive, 0.1},
    {"MomentumSpec", "learning_rate", kPositive, 0.01},
    {"MomentumSpec", "momentum", kDecay, 0.9},
    {"NesterovSpec", "learning_rate", kPositive, 0.01},
    {"NesterovSpec", "momentum", kInside, 0.9},
    {"AdagradSpec", "learning_rate", kPositive, 0.01},
    {"AdagradSpec", "initial_accumulator", kNotNegative, 0},
    {"AdagradSpec", "epsilon", kPositive, 1e-10},
    {"AdadeltaSpec", "learning_rate", kPositive, 1},
    {"AdadeltaSpec", "rho", kDecay, 0.9},
    {"AdadeltaSpec", "epsilon", kPositive, 1e-6},
    {"RmspropSpec", "learning_rate", kPositive, 0.01},
    {"RmspropSpec", "alpha", kDecay, 0.99},
    {"RmspropSpec", "epsilon", kPositive, 1e-8},
    {"AdamSpec", "learning_rate", kPositive, 0.001},
    {"AdamSpec", "beta1", kDecay, 0.9},
    {"AdamSpec", "beta2", kDecay, 0.999},
    {"AdamSpec", "epsilon", kPositive, 1e-8},
    {"AdamwSpec", "learning_rate", kPositive, 0.001},
    {"AdamwSpec", "beta1", kDecay, 0.9},
    {"AdamwSpec", "beta2", kDecay, 0.999},
    {"AdamwSpec", "epsilon", kPositive, 1e-8},
    {"LambSpec", "learning_rate", kPositive, 0.001},
    {"LambSpec", "beta1", kDecay, 0.9},
    {"LambSpec", "beta2", kDecay, 0.999},
    {"LambSpec", "epsilon", kPositive, 1e-6},
    {"LarsSpec", "learning_rate", kPositive, 0.1},
    {"LarsSpec", "momentum", kDecay, 0.9},
    {"LarsSpec", "trust_coefficient", kPositive, 0.001},
    {"LarsSpec", "epsilon", kPositive, 1e-8},
    {"FtrlSpec", "learning_rate", kPositive, 0.05},
    {"FtrlSpec", "beta", kNotNegative, 1},
    {"FtrlSpec", "l1", kNotNegative, 0},
    {"FtrlSpec", "l2", kNotNegative, 0},
    {"ScheduleSpec", "warmup_steps", kNotNegative, 0},
    {"StepCurve", "every_steps", kCount, kNone},
    {"StepCurve", "gamma", kPositiveShare, 0.1},
    {"CosineCurve", "total_steps", kCount, kNone},
    {"CosineCurve", "final_factor", kShare, 0},
    {"SspMode", "staleness", {0, 1000000}, kNone},
    {"QuorumMode", "workers", {1, 65536}, kNone},
    {"QuorumMode", "grace", {0, 1000}, 3},
    {"QuorumMode", "carry_weight", kPositiveShare, kNone},
    {"CheckpointSpec", "every_s", {1, 86400}, kNone},
    {"CheckpointSpec", "every_rounds", {1, 1e12}, kNone},
    {"CheckpointSpec", "keep", {1, 1000}, 3},
    {"FleetSpec", "servers", {1, 1024}, 1},
    {"FleetSpec", "workers", {1, 65536}, 1},
    {"FleetSpec", "replicas", {1, 16}, 1},
    {"FleetSpec", "min_in_sync", {1, 16}, 1},
    {"FleetSpec", "layout_servers", {1, 1024}, kNone},
};

bool IsWhole(const FieldDescriptor& field) {
  return field.cpp_type() == FieldDescriptor::CPPTYPE_UINT32 ||
         field.cpp_type() == FieldDescriptor::CPPTYPE_UINT64;
}

double Get(const Message& message, const FieldDescriptor& field) {
  const Reflection* reflection = message.GetReflection();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_UINT32:
      return reflection->GetUInt32(message, &field);
    case FieldDescriptor::CPPTYPE_UINT64:
      return static_cast<double>(reflection->GetUInt64(message, &field));
    case FieldDescriptor::CPPTYPE_FLOAT:
      return reflection->GetFloat(message, &field);
    default:
      return reflection->GetDouble(message, &field);
  }
}

void Set(const FieldDescriptor& field, double value, Message* message) {
  const Reflection* reflection = message->GetReflection();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_UINT32:
      return reflection->SetUInt32(message, &field, static_cast<uint32_t>(value));
    case FieldDescriptor::CPPTYPE_UINT64:
      return reflection->SetUInt64(message, &field, static_cast<uint64_t>(value));
    case FieldDescriptor::CPPTYPE_FLOAT:
      return reflection->SetFloat(message, &field, static_cast<float>(value));
    default:
      return reflection->SetDouble(message, &field, value);
  }
}

std::string ValueText(const Message& message, const FieldDescriptor& field) {
  const Reflection* reflection = message.GetReflection();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_UINT32:
      return absl::StrCat(reflection->GetUInt32(message, &field));
    case FieldDescriptor::CPPTYPE_UINT64:
      return absl::StrCat(reflection->GetUInt64(message, &field));
    case FieldDescriptor::CPPTYPE_FLOAT:
      return FloatText(reflection->GetFloat(message, &field));
    default:
      return DoubleText(reflection->GetDouble(message, &field));
  }
}

std::string Join(absl::string_view path, absl::string_view name) {
  return path.empty() ? std::string(name) : absl::StrCat(path, ".", name);
}

absl::Status ApplyRule(const NumberRule& rule, absl::string_view path, Message* message) {
  const FieldDescriptor* field = message->GetDescriptor()->FindFieldByName(rule.field);
  PACELINE_CHECK(field != nullptr);
  if (field->has_presence() && !message->GetReflection()->HasField(*message, field)) {
    if (rule.fallback.has_value()) Set(*field, *rule.fallback, message);
    return absl::OkStatus();
  }
  if (IsInRange(Get(*message, *field), rule.range)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(Join(path, rule.field), " is ",
                                                 ValueText(*message, *field), "; wanted ",
                                                 RangeText(rule.range, IsWhole(*field))));
}

// Proto enums are open: any number may have been sent.
absl::Status CheckWord(const std::string& path, const FieldDescriptor& field,
                       const Message& message) {
  if (field.cpp_type() != FieldDescriptor::CPPTYPE_ENUM) return absl::OkStatus();
  const int number = message.GetReflection()->GetEnumValue(message, &field);
  if (field.enum_type()->FindValueByNumber(number) != nullptr) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(path, " is number ", number, "; wanted one of ",
                   absl::StrJoin(EnumWords(*field.enum_type()), ", ")));
}

absl::Status CheckText(const std::string& path, const FieldDescriptor& field,
                       const Message& message) {
  if (field.cpp_type() != FieldDescriptor::CPPTYPE_STRING) return absl::OkStatus();
  const std::string text = message.GetReflection()->GetString(message, &field);
  if (IsCleanText(text)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(path, " is ", QuoteScalar(text, true), "; wanted ", WantedOf(field)));
}

// A newer or a foreign client may have sent what we would silently ignore.
absl::Status CheckKnown(absl::string_view path, const Message& message) {
  const Reflection* reflection = message.GetReflection();
  if (!reflection->GetUnknownFields(message).empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(path.empty() ? "the spec" : path, " has field number ",
                     reflection->GetUnknownFields(message).field(0).number(),
                     ", which this version does not know"));
  }
  for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor* field = message.GetDescriptor()->field(i);
    if (field->is_repeated()) continue;
    RETURN_IF_ERROR(CheckWord(Join(path, field->name()), *field, message));
    RETURN_IF_ERROR(CheckText(Join(path, field->name()), *field, message));
  }
  return absl::OkStatus();
}

// Applies the rules to the messages in `field` of `message`.
absl::Status Descend(const FieldDescriptor& field, const std::string& path, Message* message) {
  const Reflection* reflection = message->GetReflection();
  if (!field.is_repeated()) {
    if (!reflection->HasField(*message, &field)) return absl::OkStatus();
    return ApplyNumberRules(path, reflection->MutableMessage(message, &field));
  }
  for (int i = 0; i < reflection->FieldSize(*message, &field); ++i) {
    RETURN_IF_ERROR(ApplyNumberRules(absl::StrCat(path, "[", i, "]"),
                                     reflection->MutableRepeatedMessage(message, &field, i)));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Span<const NumberRule> NumberRules() { return kRules; }

// Any comparison with NaN is false, so NaN is in no range.
bool IsInRange(double value, const NumberRange& range) {
  const bool above = range.low_open ? value > range.low : value >= range.low;
  const bool below = range.high_open ? value < range.high : value <= range.high;
  return above && below && std::abs(value) <= kLargest;
}

std::string RangeText(const NumberRange& range, bool is_whole) {
  const char* number = is_whole ? "a whole number" : "a number";
  if (range.high < kInfinity) {
    return absl::StrCat(
        number, " in ", range.low_open ? "(" : "[", DoubleText(range.low), ", ",
        is_whole ? absl::StrCat(static_cast<uint64_t>(range.high)) : DoubleText(range.high),
        range.high_open ? ")" : "]");
  }
  if (!is_whole) number = "a finite number";
  if (range.low == -kInfinity) return number;
  return absl::StrCat(number, range.low_open ? " > " : " >= ", DoubleText(range.low));
}

absl::Status ApplyNumberRules(absl::string_view path, Message* message) {
  RETURN_IF_ERROR(CheckKnown(path, *message));
  const google::protobuf::Descriptor& type = *message->GetDescriptor();
  for (const NumberRule& rule : kRules) {
    if (type.name() == rule.message) RETURN_IF_ERROR(ApplyRule(rule, path, message));
  }
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    if (field.cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE || field.is_map()) continue;
    RETURN_IF_ERROR(Descend(field, Join(path, field.name()), message));
  }
  return absl::OkStatus();
}

}  // namespace paceline
