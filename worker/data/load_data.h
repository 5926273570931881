// A job's samples, from its DataSpec: files read, split, standardized or written in tokens, and
// fingerprinted.
//
// Errors   NotFound, PermissionDenied and the like: what OpenFile says of a path. InvalidArgument:
//          what the readers say of a file; evaluation samples that do not look like the training
//          samples; a split that leaves a part empty; a field of the spec that is missing.
// Threads  Pure functions of the files.
#ifndef PACELINE_WORKER_DATA_LOAD_DATA_H_
#define PACELINE_WORKER_DATA_LOAD_DATA_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "proto/job.pb.h"
#include "worker/data/dataset.h"

namespace paceline {

struct LoadedData {
  Dataset train;
  Dataset eval;  // No samples when the spec asks for no evaluation.
  v1::DatasetFacts facts;
};

// `spec` has its defaults filled in.
absl::StatusOr<LoadedData> LoadData(const v1::DataSpec& spec);

// Whether `loss` over a last layer of `width` outputs can take every label: softmax takes whole
// numbers in [0, width), sigmoid 0 and 1, mse any. InvalidArgument names the first sample that does
// not fit, counted from 0 in its file.
absl::Status CheckLabels(const Dataset& dataset, v1::ModelSpec::Loss loss, uint64_t width);

}  // namespace paceline

#endif  // PACELINE_WORKER_DATA_LOAD_DATA_H_
