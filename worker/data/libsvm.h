// "label index:value ...", one sample a line, kept sparse.
//
// Shapes   Index i is feature i - 1; what a line does not name is 0.
// Errors   InvalidArgument with file and line: a label or value that is not a finite number, an
//          index that is not a whole number from 1 to the count of features, indices that do not
//          increase, a pair without ':'; no samples, or no features at all.
// Threads  A pure function of the bytes.
// Source   C.-C. Chang and C.-J. Lin, LIBSVM, README, "Installation and Data Format".
//
// Blank lines, and '#' with everything behind it, are skipped.
#ifndef PACELINE_WORKER_DATA_LIBSVM_H_
#define PACELINE_WORKER_DATA_LIBSVM_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "worker/data/byte_source.h"
#include "worker/data/dataset.h"

namespace paceline {

// `features`: how many there are; 0: as many as the largest index. `name` is what errors call the
// source.
absl::StatusOr<Dataset> ReadLibsvm(ByteSource* source, absl::string_view name, uint64_t features);

}  // namespace paceline

#endif  // PACELINE_WORKER_DATA_LIBSVM_H_
