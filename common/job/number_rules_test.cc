#include "common/job/number_rules.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/unknown_field_set.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "proto/job.pb.h"

namespace paceline {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

TEST_CASE("every rule names a number of job.proto, and its default is in its range") {
  const auto* file = v1::JobSpec::descriptor()->file();
  for (const NumberRule& rule : NumberRules()) {
    INFO(rule.message << "." << rule.field);
    const auto* message = file->FindMessageTypeByName(rule.message);
    REQUIRE(message != nullptr);
    REQUIRE(message->FindFieldByName(rule.field) != nullptr);
    if (rule.fallback.has_value()) CHECK(IsInRange(*rule.fallback, rule.range));
  }
}

TEST_CASE("every number that can be absent has a rule") {
  const auto* file = v1::JobSpec::descriptor()->file();
  for (int m = 0; m < file->message_type_count(); ++m) {
    const auto* message = file->message_type(m);
    for (int f = 0; f < message->field_count(); ++f) {
      const auto* field = message->field(f);
      using Type = google::protobuf::FieldDescriptor;
      const bool is_number =
          field->cpp_type() == Type::CPPTYPE_UINT32 || field->cpp_type() == Type::CPPTYPE_UINT64 ||
          field->cpp_type() == Type::CPPTYPE_FLOAT || field->cpp_type() == Type::CPPTYPE_DOUBLE;
      if (!is_number || !field->has_presence()) continue;
      bool has_rule = false;
      for (const NumberRule& rule : NumberRules()) {
        has_rule = has_rule || (message->name() == rule.message && field->name() == rule.field);
      }
      // Absent means something of its own: resolve.cc and the readers of samples know what.
      const bool is_special = field->name() == "features" || field->name() == "max_staleness";
      INFO(field->full_name());
      CHECK(has_rule != is_special);
    }
  }
}

TEST_CASE("a range knows its ends, and no range holds NaN or infinity") {
  const NumberRange half_open{0, 1, false, true};
  CHECK(IsInRange(0, half_open));
  CHECK_FALSE(IsInRange(1, half_open));
  CHECK_FALSE(IsInRange(0, {0, kInfinity, true}));
  CHECK_FALSE(IsInRange(kInfinity, {0, kInfinity}));
  CHECK_FALSE(IsInRange(-kInfinity, {-kInfinity, kInfinity}));
  CHECK_FALSE(IsInRange(std::nan(""), {-kInfinity, kInfinity}));
}

TEST_CASE("a range reads as a person says it") {
  CHECK(RangeText({0, kInfinity, true}, false) == "a finite number > 0");
  CHECK(RangeText({0, kInfinity}, false) == "a finite number >= 0");
  CHECK(RangeText({1, kInfinity}, true) == "a whole number >= 1");
  CHECK(RangeText({1, 1048576}, true) == "a whole number in [1, 1048576]");
  CHECK(RangeText({0, 1, false, true}, false) == "a number in [0, 1)");
  CHECK(RangeText({-kInfinity, kInfinity}, false) == "a finite number");
}

TEST_CASE("absent numbers are filled, given ones are kept") {
  v1::AdamSpec adam;
  adam.set_beta1(0.5f);

  REQUIRE(ApplyNumberRules("optimizer.adam", &adam).ok());

  CHECK(adam.learning_rate() == 0.001f);
  CHECK(adam.beta1() == 0.5f);
  CHECK(adam.beta2() == 0.999f);
  CHECK(adam.epsilon() == 1e-8f);
}

TEST_CASE("fields and values of another version and control characters are refused by name") {
  v1::JobSpec spec;
  spec.mutable_data()->set_format(static_cast<v1::DataSpec::Format>(9));
  CHECK(ApplyNumberRules("", &spec).message() ==
        "data.format is number 9; wanted one of idx, csv, libsvm, tsv, jsonl, text_folder");

  v1::JobSpec control;
  control.mutable_data()->mutable_train()->set_path("/a\nb");
  CHECK(ApplyNumberRules("", &control).message() ==
        "data.train.path is \"/a\\nb\"; wanted text without control characters");

  v1::JobSpec unknown;
  v1::TrainSpec* train = unknown.mutable_train();
  train->GetReflection()->MutableUnknownFields(train)->AddVarint(77, 1);
  CHECK(ApplyNumberRules("", &unknown).message() ==
        "train has field number 77, which this version does not know");
}

}  // namespace
}  // namespace paceline
