// Texts with their classes, one sample a line, columns with a tab between them.
//
// Errors   InvalidArgument with file and line: a line with more or fewer columns than the first, a
//          file of one column, no such column or two of them, text and label in one column, what
//          TextsBuilder says of a sample; no samples.
// Threads  A pure function of the bytes.
// Source   IANA, text/tab-separated-values: a column holds any character but tab and line end, and
//          a quote is one like others.
//
// CRLF and blank lines are accepted; spaces around the label are not part of it.
#ifndef PACELINE_WORKER_DATA_TSV_H_
#define PACELINE_WORKER_DATA_TSV_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "proto/job.pb.h"
#include "worker/data/byte_source.h"
#include "worker/data/texts.h"

namespace paceline {

// Of `files`, `text`, `label` and `header` are read. `name` is what errors call the source.
// `classes`, if empty, takes the names of the classes; else no other one is accepted.
absl::StatusOr<Texts> ReadTsv(ByteSource* source, absl::string_view name,
                              const v1::DataFiles& files, std::vector<std::string>* classes);

}  // namespace paceline

#endif  // PACELINE_WORKER_DATA_TSV_H_
