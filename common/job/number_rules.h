// The default and the range of every number in a job's spec, as one table.
//
// Threads  Pure functions.
// Source   proto/job.proto, whose comments say the same (spec_reference_test.cc compares them).
#ifndef PACELINE_COMMON_JOB_NUMBER_RULES_H_
#define PACELINE_COMMON_JOB_NUMBER_RULES_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "absl/types/span.h"

namespace google::protobuf {
class Message;
}  // namespace google::protobuf

namespace paceline {

// The numbers a field may be. All are finite.
struct NumberRange {
  double low;
  double high;
  bool low_open = false;   // Whether `low` itself is out.
  bool high_open = false;  // Whether `high` itself is out.
};

struct NumberRule {
  const char* message;  // "AdamSpec"
  const char* field;
  NumberRange range;
  absl::optional<double> fallback;  // What an absent field becomes; none: it stays absent.
};

absl::Span<const NumberRule> NumberRules();

bool IsInRange(double value, const NumberRange& range);

// "a finite number > 0", "a whole number in [1, 4096]".
std::string RangeText(const NumberRange& range, bool is_whole);

// Fills defaults and checks ranges in `message`, whose path is `path`, and in every message present
// below it. InvalidArgument names the first field out of range, text with control characters,
// and fields and enum values that this version does not know.
absl::Status ApplyNumberRules(absl::string_view path, google::protobuf::Message* message);

}  // namespace paceline

#endif  // PACELINE_COMMON_JOB_NUMBER_RULES_H_
