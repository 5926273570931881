#include "server/optimizer/range_check.h"

#include <cmath>

#include "absl/strings/str_cat.h"

namespace paceline {

// Any comparison with NaN is false, so every range below refuses it.

RangeCheck::RangeCheck(absl::string_view path) : path_(path) {}

double RangeCheck::Positive(absl::string_view field, bool is_set, double value) {
  return Require(field, is_set, value, value > 0 && std::isfinite(value), "(0, inf)");
}

double RangeCheck::NonNegative(absl::string_view field, bool is_set, double value) {
  return Require(field, is_set, value, value >= 0 && std::isfinite(value), "[0, inf)");
}

double RangeCheck::BelowOne(absl::string_view field, bool is_set, double value) {
  return Require(field, is_set, value, value >= 0 && value < 1, "[0, 1)");
}

double RangeCheck::BetweenZeroAndOne(absl::string_view field, bool is_set, double value) {
  return Require(field, is_set, value, value > 0 && value < 1, "(0, 1)");
}

double RangeCheck::PositiveToOne(absl::string_view field, bool is_set, double value) {
  return Require(field, is_set, value, value > 0 && value <= 1, "(0, 1]");
}

double RangeCheck::ZeroToOne(absl::string_view field, bool is_set, double value) {
  return Require(field, is_set, value, value >= 0 && value <= 1, "[0, 1]");
}

void RangeCheck::AtLeastOne(absl::string_view field, bool is_at_least_one) {
  Require(field, true, 0, is_at_least_one, "[1, inf)");
}

double RangeCheck::Require(absl::string_view field, bool is_set, double value, bool is_in_range,
                           absl::string_view range) {
  if (!status_.ok()) return value;
  if (!is_set) {
    status_ = absl::InvalidArgumentError(
        absl::StrCat(path_, ".", field, " is not set; wanted a number in ", range));
  } else if (!is_in_range) {
    status_ = absl::InvalidArgumentError(
        absl::StrCat(path_, ".", field, " is ", value, "; wanted a number in ", range));
  }
  return value;
}

}  // namespace paceline
