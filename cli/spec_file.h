// A spec as the commands take it: a file, and --set on top.
//
// Errors   InvalidArgument: as ReadJobSpec, or more than 1 MiB. Else the system's, with the path.
#ifndef PACELINE_CLI_SPEC_FILE_H_
#define PACELINE_CLI_SPEC_FILE_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "proto/job.pb.h"

namespace paceline::cli {

// Reads, overrides, checks; without the defaults. Paths become absolute against the file's folder.
absl::StatusOr<v1::JobSpec> LoadSpec(const std::string& path,
                                     const std::vector<std::string>& overrides);

}  // namespace paceline::cli

#endif  // PACELINE_CLI_SPEC_FILE_H_
