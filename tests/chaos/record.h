// One operation of a history as a line of JSON: what a client's process writes and the test reads.
//
// Errors   InvalidArgument: the line is none.
// Threads  Pure functions.
#ifndef PACELINE_TESTS_CHAOS_RECORD_H_
#define PACELINE_TESTS_CHAOS_RECORD_H_

#include <string>

#include "absl/status/statusor.h"
#include "tests/history/history.h"

namespace paceline::chaos {

// Without the line's end.
std::string ToLine(const history::Operation& operation);
absl::StatusOr<history::Operation> FromLine(const std::string& line);

}  // namespace paceline::chaos

#endif  // PACELINE_TESTS_CHAOS_RECORD_H_
