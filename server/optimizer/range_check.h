// Checks the fields of one proto message and keeps the first complaint.
//
// Errors   InvalidArgument naming the field: it is not set, not a number or out of range.
// Threads  One thread at a time.
#ifndef PACELINE_SERVER_OPTIMIZER_RANGE_CHECK_H_
#define PACELINE_SERVER_OPTIMIZER_RANGE_CHECK_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace paceline {

class RangeCheck {
 public:
  // `path` is how complaints name the message: "optimizer.adam".
  explicit RangeCheck(absl::string_view path);

  // Each returns `value`, and complains unless it is set and in the range.
  double Positive(absl::string_view field, bool is_set, double value);           // (0, inf)
  double NonNegative(absl::string_view field, bool is_set, double value);        // [0, inf)
  double BelowOne(absl::string_view field, bool is_set, double value);           // [0, 1)
  double BetweenZeroAndOne(absl::string_view field, bool is_set, double value);  // (0, 1)
  double PositiveToOne(absl::string_view field, bool is_set, double value);      // (0, 1]
  double ZeroToOne(absl::string_view field, bool is_set, double value);          // [0, 1]

  // Complains unless the count is at least 1.
  void AtLeastOne(absl::string_view field, bool is_at_least_one);

  // The first complaint, or OK.
  const absl::Status& status() const { return status_; }

 private:
  double Require(absl::string_view field, bool is_set, double value, bool is_in_range,
                 absl::string_view range);

  std::string path_;
  absl::Status status_;
};

}  // namespace paceline

#endif  // PACELINE_SERVER_OPTIMIZER_RANGE_CHECK_H_
