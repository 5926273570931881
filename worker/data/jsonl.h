// Texts with their classes, one JSON object a line.
//
// Errors   InvalidArgument with file and line: a line that is not one JSON object, a text or label
//          that is missing, given twice or not what is wanted, what TextsBuilder says of a sample;
//          no samples.
// Threads  A pure function of the bytes.
// Source   RFC 8259; jsonlines.org.
//
// Other keys are skipped, whatever their values. Blank lines are accepted.
#ifndef PACELINE_WORKER_DATA_JSONL_H_
#define PACELINE_WORKER_DATA_JSONL_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "proto/job.pb.h"
#include "worker/data/byte_source.h"
#include "worker/data/texts.h"

namespace paceline {

// Of `files`, `text` and `label` are read, both keys of the object: the text is a string, the label
// a string or a whole number, which stands for its digits. `name` is what errors call the source.
// `classes`, if empty, takes the names of the classes; else no other one is accepted.
absl::StatusOr<Texts> ReadJsonl(ByteSource* source, absl::string_view name,
                                const v1::DataFiles& files, std::vector<std::string>* classes);

}  // namespace paceline

#endif  // PACELINE_WORKER_DATA_JSONL_H_
