// Watches the checkpoints: what is listed can be read, whatever became of those who wrote it.
//
// It uses server/checkpoint to read; nothing of those who decide when one is whole.
//
// Threads  One thread at a time.
// Source   docs/checkpoints.md; docs/guarantees.md names the oracles.
#ifndef PACELINE_TESTS_SIM_CHECKPOINT_ORACLE_H_
#define PACELINE_TESTS_SIM_CHECKPOINT_ORACLE_H_

#include <set>
#include <string>
#include <vector>

#include "proto/control.pb.h"
#include "server/checkpoint/memory_file_system.h"
#include "tests/sim/oracle.h"
#include "tests/sim/scenario.h"

namespace paceline::sim {

class CheckpointOracle {
 public:
  // All outlive the object.
  CheckpointOracle(const Scenario* scenario, MemoryFileSystem* folder, Oracle* oracle)
      : scenario_(*scenario), folder_(*folder), oracle_(*oracle) {}

  // A server says that it has committed the manifest.
  void OnCommitted(const std::string& job);
  // Power was lost.
  void OnPowerLoss();
  // Somebody is told what the coordinator knows.
  void OnStatus(const v1::JobStatus& status);

 private:
  // The job's folder, and the one in one beside it that it takes if that is not its own.
  std::vector<std::string> Folders(const std::string& job) const;
  // All that is listed in the job's folders is whole.
  void CheckAll(const std::string& job);
  void CheckFolder(const std::string& folder);

  const Scenario& scenario_;
  MemoryFileSystem& folder_;
  Oracle& oracle_;
  std::set<std::string> jobs_;  // Those that have a checkpoint.
};

}  // namespace paceline::sim

#endif  // PACELINE_TESTS_SIM_CHECKPOINT_ORACLE_H_
