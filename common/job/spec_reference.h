// The reference half of docs/spec.md, written from proto/job.proto so that it cannot drift.
//
// Errors   InvalidArgument: a .proto text that proto_text.h does not read, or one without JobSpec;
// a
//          page without the marker.
// Threads  Pure functions.
#ifndef PACELINE_COMMON_JOB_SPEC_REFERENCE_H_
#define PACELINE_COMMON_JOB_SPEC_REFERENCE_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace paceline {

// The line of the page behind which everything is written by SpecReference.
inline constexpr char kSpecReferenceMarker[] =
    "<!-- From here on written from proto/job.proto: bazel run //common/job:write_spec_reference "
    "-- $PWD/proto/job.proto $PWD/docs/spec.md -->\n";

// Markdown: a section for every message that can be reached from JobSpec, named by its place in the
// YAML, with every field's type, meaning, range and default.
absl::StatusOr<std::string> SpecReference(absl::string_view job_proto);

// `page` with everything behind its marker replaced.
absl::StatusOr<std::string> WithSpecReference(absl::string_view page, absl::string_view job_proto);

}  // namespace paceline

#endif  // PACELINE_COMMON_JOB_SPEC_REFERENCE_H_
