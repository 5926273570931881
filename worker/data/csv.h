// Numbers separated by commas, one sample a line, one column of which is the label.
//
// Shapes   Every line has the same count of cells; features are the others in the file's order.
// Errors   InvalidArgument with file, line and (from 1) column: a line with more or fewer cells, a
//          cell that is empty, not a number, NaN or infinite as a float, a quote that is not closed
//          on its line; no such label column, or two of them; no samples; fewer than two columns.
// Threads  A pure function of the bytes.
// Source   RFC 4180, except that a quoted cell ends on its line.
//
// Spaces around cells, CRLF, blank lines and quoted cells are accepted.
#ifndef PACELINE_WORKER_DATA_CSV_H_
#define PACELINE_WORKER_DATA_CSV_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "proto/job.pb.h"
#include "worker/data/byte_source.h"
#include "worker/data/dataset.h"

namespace paceline {

// Of `files`, `label` and `header` are read. `name` is what errors call the source.
absl::StatusOr<Dataset> ReadCsv(ByteSource* source, absl::string_view name,
                                const v1::DataFiles& files);

}  // namespace paceline

#endif  // PACELINE_WORKER_DATA_CSV_H_
