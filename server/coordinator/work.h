// How much work a job is, and how its present segment is cut into runs.
//
// Shapes   The job has its facts, or bare parameters: these have one epoch after another of one
//          round each, without end.
// Threads  Pure functions.
#ifndef PACELINE_SERVER_COORDINATOR_WORK_H_
#define PACELINE_SERVER_COORDINATOR_WORK_H_

#include <cstdint>
#include <set>
#include <string>

#include "common/job/round_plan.h"
#include "server/coordinator/state.pb.h"

namespace paceline {

bool IsBare(const state::JobRecord& record);

// Data shards of one epoch, and of all of them.
uint64_t EpochShards(const state::JobRecord& record);
uint64_t TotalShards(const state::JobRecord& record);

// How many processes and copies the job is to have: its spec's fleet as ScaleJob has changed it.
v1::FleetSpec FleetOf(const state::JobRecord& record);

// Servers that a job waits for, for a while, before it starts.
uint32_t ServersWanted(const v1::FleetSpec& fleet);

// Servers that hold a copy of any of its partitions.
std::set<std::string> HoldersOf(const state::JobRecord& record);

// Whether two resolved modes are the same.
bool SameMode(const v1::ConsistencySpec& a, const v1::ConsistencySpec& b);

// The runs of the present segment.
WorkPlan PlanOf(const state::JobRecord& record);

}  // namespace paceline

#endif  // PACELINE_SERVER_COORDINATOR_WORK_H_
