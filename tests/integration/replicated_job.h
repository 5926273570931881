// A job with two copies of each partition on three servers, for tests in which servers die.
//
// Errors   What has to be true for a test to mean anything fails the running test case.
// Threads  One thread.
#ifndef PACELINE_TESTS_INTEGRATION_REPLICATED_JOB_H_
#define PACELINE_TESTS_INTEGRATION_REPLICATED_JOB_H_

#include <cstddef>
#include <string>
#include <vector>

#include "tests/integration/fleet.h"

namespace paceline {

// In sync, with two workers, for twelve epochs.
struct ReplicatedJob {
  explicit ReplicatedJob(const std::string& folder = TestFolder("replicated"));

  std::string path;  // Of its spec.
};

// The weights of that job on one server and one worker when nobody dies; run once for all test
// cases.
const std::string& UndisturbedBits();

// Submits it; returns when so many copies of each partition are in sync and it has done a tenth.
std::string SubmitUnderWay(const Fleet& fleet, const ReplicatedJob& spec,
                           const std::vector<std::string>& sets = {}, size_t copies = 2);

// Copies in sync of the partition that has the fewest.
size_t InSync(const Json& status);
// Whether so many came to be in sync in time.
bool AwaitInSync(const Fleet& fleet, const std::string& job, size_t copies);

// Whether more samples are applied in time.
bool MovesOn(const Fleet& fleet, const std::string& job);

// As fleet.h has it, of this job.
void CheckCountedOnce(const Json& summary, const Json& status);

}  // namespace paceline

#endif  // PACELINE_TESTS_INTEGRATION_REPLICATED_JOB_H_
