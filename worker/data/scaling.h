// Shift and scale each feature to mean 0 and deviation 1, as measured on the training samples.
//
// Errors   InvalidArgument: a feature of the evaluation samples is so far from the training
// samples'
//          that it does not fit a float once scaled. Nothing has been changed then.
// Threads  Pure functions.
//
// Two passes in double over the samples in order, so that every worker measures the same bits. The
// deviation is that of the samples themselves (divided by n). A constant feature is only shifted.
#ifndef PACELINE_WORKER_DATA_SCALING_H_
#define PACELINE_WORKER_DATA_SCALING_H_

#include "absl/status/status.h"
#include "worker/data/dataset.h"

namespace paceline {

// Measures on `train`, which has samples, and scales both; `eval` may be empty.
absl::Status Standardize(Dataset* train, Dataset* eval);

}  // namespace paceline

#endif  // PACELINE_WORKER_DATA_SCALING_H_
