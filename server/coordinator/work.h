// How much work a job is, and how its present segment is cut into runs.
//
// Shapes   The job has its facts, or bare parameters: these have one epoch after another of one
//          round each, without end.
// Threads  Pure functions.
#ifndef PACELINE_SERVER_COORDINATOR_WORK_H_
#define PACELINE_SERVER_COORDINATOR_WORK_H_

#include <cstdint>

#include "common/job/round_plan.h"
#include "server/coordinator/state.pb.h"

namespace paceline {

bool IsBare(const state::JobRecord& record);

// Data shards of one epoch, and of all of them.
uint64_t EpochShards(const state::JobRecord& record);
uint64_t TotalShards(const state::JobRecord& record);

// The runs of the present segment.
WorkPlan PlanOf(const state::JobRecord& record);

}  // namespace paceline

#endif  // PACELINE_SERVER_COORDINATOR_WORK_H_
