// How a job with data cuts its work: what a spec and a data set make of the numbers that
// common/job/round_plan.h counts with.
//
// Shapes   The spec's defaults are filled in (ResolveJobSpec).
// Threads  Pure functions.
#ifndef PACELINE_COMMON_JOB_JOB_WORK_H_
#define PACELINE_COMMON_JOB_JOB_WORK_H_

#include <cstdint>

#include "proto/job.pb.h"

namespace paceline {

// Data shards in one epoch of at least one training sample, in data shards of at least one.
uint64_t ShardsPerEpoch(const v1::JobSpec& spec, const v1::DatasetFacts& facts);

// Whether the mode works in rounds, which all workers share: sync and quorum.
bool HasRounds(const v1::ConsistencySpec& consistency);

// Data shards that one run of a segment in this mode holds at most: a round's, or a push's.
uint64_t RunLength(const v1::JobSpec& spec, const v1::ConsistencySpec& consistency);

}  // namespace paceline

#endif  // PACELINE_COMMON_JOB_JOB_WORK_H_
