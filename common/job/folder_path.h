// Which names of folders checkpoints can be kept under.
//
// Threads  Pure functions.
#ifndef PACELINE_COMMON_JOB_FOLDER_PATH_H_
#define PACELINE_COMMON_JOB_FOLDER_PATH_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace paceline {

// InvalidArgument if `path` is the URL of an object store, such as s3://bucket/runs, which would
// otherwise be taken for a relative path. `what` it is begins the error.
absl::Status CheckFolderPath(absl::string_view what, absl::string_view path);

}  // namespace paceline

#endif  // PACELINE_COMMON_JOB_FOLDER_PATH_H_
