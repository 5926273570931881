// Jobs as a coordinator might describe them, for tests of what is shown of them.
#ifndef PACELINE_CLI_EXAMPLE_JOB_H_
#define PACELINE_CLI_EXAMPLE_JOB_H_

#include <string>

#include "proto/control.pb.h"

namespace paceline::cli {

// digits-7, a running ssp job: two workers, three partitions of which two have reported.
v1::JobStatus RunningJob();
// Of its checkpoints the third and the fourth are whole, the fifth is not.
v1::JobStatus CheckpointedJob();
// The same at its end, evaluated.
v1::JobStatus FinishedJob();

void AddWorker(v1::JobStatus* job, const std::string& id, const std::string& state,
               double compute_s, double wait_s, double transfer_s);
// w1 is 4.75 times slower than the others.
void AddStraggler(v1::JobStatus* job);
void AddPlacement(v1::JobStatus* job, uint32_t partition, const std::string& server);

}  // namespace paceline::cli

#endif  // PACELINE_CLI_EXAMPLE_JOB_H_
