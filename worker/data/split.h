// Holds out a part of the samples for evaluation.
//
// Errors   InvalidArgument: one of the two parts would be empty.
// Threads  A pure function.
//
// Sample i is held out when number i of the stream (seed, "split") is below the fraction: the
// choice depends on nothing else, so appending samples to a file moves none of the others.
#ifndef PACELINE_WORKER_DATA_SPLIT_H_
#define PACELINE_WORKER_DATA_SPLIT_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "worker/data/dataset.h"

namespace paceline {

// Both share the rows of what was split.
struct SplitDatasets {
  Dataset train;
  Dataset eval;
};

// `eval_fraction` is the share to hold out, in (0, 1).
absl::StatusOr<SplitDatasets> Split(const Dataset& dataset, double eval_fraction, uint64_t seed);

}  // namespace paceline

#endif  // PACELINE_WORKER_DATA_SPLIT_H_
