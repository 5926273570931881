// What acks: leader means to whoever submits a job, and what it puts at stake while the job runs.
//
// Threads  Pure functions.
// Source   docs/protocol.md, "Replication".
#ifndef PACELINE_CLI_ACKS_H_
#define PACELINE_CLI_ACKS_H_

#include <cstdint>
#include <string>

#include "proto/control.pb.h"
#include "proto/job.pb.h"

namespace paceline::cli {

// A sentence; empty: every copy acknowledges.
std::string AcksWarning(const v1::JobSpec& spec);

// The most updates of one partition that, as last reported, only its primary is known to hold.
uint64_t HeldAlone(const v1::JobStatus& job);

}  // namespace paceline::cli

#endif  // PACELINE_CLI_ACKS_H_
