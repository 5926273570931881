// Parameter servers that train one small job in a process, for tests of checkpoints: sync, Adam, a
// linear layer in two partitions, gradients that depend on the parameters.
//
// Threads  One thread.
#ifndef PACELINE_SERVER_CHECKPOINT_JOB_H_
#define PACELINE_SERVER_CHECKPOINT_JOB_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "proto/control.pb.h"
#include "server/checkpoint/file_system.h"
#include "server/checkpoint_files.h"
#include "server/partition/answer.h"
#include "server/partition/checkpoint_work.h"
#include "server/partition/partition_host.h"

namespace paceline {

inline constexpr uint64_t kCheckpointJobRounds = 8;

// "job-1", running, its partitions 0 and 1 on those servers (incarnation 1).
v1::JobDirective CheckpointJob(const std::vector<std::string>& servers);

// A server whose checkpoint work is done at once, on a disk that others may share.
class CheckpointServer {
 public:
  CheckpointServer(std::string id, FileSystem* files);

  void Direct(const v1::JobDirective& directive);

  // The round that starts from `version`, of one partition; the answer's status.
  absl::Status PushRound(uint32_t partition, uint64_t version, uint64_t term = 1);

  // Empty if there is none.
  v1::PartitionReport Report(uint32_t partition) const;
  std::vector<float> Parameters(uint32_t partition) const;

  // What was asked for, newest last.
  const std::vector<CheckpointWork>& works() const { return works_; }
  const std::vector<std::string>& complaints() const { return complaints_; }
  CheckpointFiles& files() { return files_; }
  PartitionHost& host() { return host_; }

 private:
  const std::string id_;
  CheckpointFiles files_;
  std::vector<CheckpointWork> works_;
  std::vector<std::string> complaints_;
  std::vector<Answer> answers_;
  PartitionHost host_;
  absl::Time now_ = absl::UnixEpoch();
};

}  // namespace paceline

#endif  // PACELINE_SERVER_CHECKPOINT_JOB_H_
