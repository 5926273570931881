// A job's spec: from the YAML a person wrote to a message in which nothing is left to guess.
//
// Errors   InvalidArgument, with the path of the field (from ParseJobSpec and ReadJobSpec also its
//          line or --set), what was seen and what was wanted. Unimplemented: a value of
//          proto/job.proto that this version does not serve. On any error nothing has been changed.
// Threads  Pure functions.
// Source   proto/job.proto; docs/spec.md is the reference for people.
#ifndef PACELINE_COMMON_JOB_JOB_SPEC_H_
#define PACELINE_COMMON_JOB_JOB_SPEC_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "proto/job.pb.h"

namespace paceline {

// Reads a spec, puts each of `set_overrides` ("train.epochs=3", "consistency={ssp: 3}"; the value
// is YAML and replaces the field as a whole) over it in turn, and resolves the result. `file_name`
// is for errors.
absl::StatusOr<v1::JobSpec> ParseJobSpec(absl::string_view yaml, absl::string_view file_name,
                                         const std::vector<std::string>& set_overrides);

// As ParseJobSpec, with the same errors; but the spec is as it was written, without the defaults.
absl::StatusOr<v1::JobSpec> ReadJobSpec(absl::string_view yaml, absl::string_view file_name,
                                        const std::vector<std::string>& set_overrides);

// Fills every default and checks every rule of proto/job.proto. The one place that does: a spec
// from outside is resolved before anything else looks at it. Resolving twice is resolving once.
absl::Status ResolveJobSpec(v1::JobSpec* spec);

// Puts `base_dir`, which is absolute, before the relative paths in the spec.
void MakePathsAbsolute(v1::JobSpec* spec, absl::string_view base_dir);

// The spec as YAML that ParseJobSpec reads back to the same message.
std::string SpecToYaml(const v1::JobSpec& spec);

// 64 hex digits, the same for equal resolved specs in every process of this version.
std::string SpecSha256(const v1::JobSpec& resolved);

}  // namespace paceline

#endif  // PACELINE_COMMON_JOB_JOB_SPEC_H_
