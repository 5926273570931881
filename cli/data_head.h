// The beginning of the files that a spec names, judged as a worker that loads them will.
//
// Only the beginning: what is good here may still hold a bad line further down.
//
// Errors   NotFound, PermissionDenied or what the system says; InvalidArgument: not a regular file,
//          or not of the format, with what was seen and what was wanted. Each begins with the path.
// Threads  Pure but for the files.
// Source   docs/spec.md, DataSpec and DataFiles; worker/data reads the whole of them.
#ifndef PACELINE_CLI_DATA_HEAD_H_
#define PACELINE_CLI_DATA_HEAD_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "proto/job.pb.h"

namespace paceline::cli {

// The dimensions that an IDX file of unsigned bytes, plain or gzip, declares. A plain one has the
// size that they make.
absl::StatusOr<std::vector<uint64_t>> ReadIdxShape(const std::string& path);

// Whether images and labels of these shapes belong together.
absl::Status CheckIdxPair(const std::vector<uint64_t>& images, const std::vector<uint64_t>& labels,
                          const v1::DataFiles& files);

// What the first lines of files.path() are: "5 columns and a header".
absl::StatusOr<std::string> DescribeCsv(const v1::DataFiles& files);

// The same: "the first sample has 3 values".
absl::StatusOr<std::string> DescribeLibsvm(const v1::DataFiles& files);

// The same: "3 columns and a header".
absl::StatusOr<std::string> DescribeTsv(const v1::DataFiles& files);

// The same: "the first sample is of class 'x'".
absl::StatusOr<std::string> DescribeJsonl(const v1::DataFiles& files);

// What the folder files.path() holds: "2 classes: 'x', 'y'". Its classes' files are not looked at.
absl::StatusOr<std::string> DescribeTextFolder(const v1::DataFiles& files);

}  // namespace paceline::cli

#endif  // PACELINE_CLI_DATA_HEAD_H_
