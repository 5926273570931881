// A checkpoint as a person names it, found in its folder and read.
//
// Errors   InvalidArgument: a name that says nothing. Else as CheckpointStore. Nothing is changed.
// Threads  Safe by themselves.
#ifndef PACELINE_CLI_CHECKPOINT_CHOICE_H_
#define PACELINE_CLI_CHECKPOINT_CHOICE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "proto/checkpoint.pb.h"
#include "proto/control.pb.h"
#include "server/checkpoint/checkpoint_store.h"
#include "server/checkpoint/file_system.h"

namespace paceline::cli {

// The stores of `folder`: its own, if it is a job's, or those of the jobs in it and in the folders
// in it; at least one.
absl::StatusOr<std::vector<std::unique_ptr<CheckpointStore>>> CheckpointStoresIn(
    FileSystem* files, const std::string& folder);

// Nothing is removed while it lives, if the folder can be locked; one that can only be read cannot,
// and gives null.
absl::StatusOr<std::unique_ptr<FileLock>> HoldIfPossible(CheckpointStore* store);

struct CheckpointName {
  std::string folder;       // A job's.
  uint64_t checkpoint = 0;  // 0: the newest.
};

// "runs/a/checkpoints/job-1", or with ":12" behind it.
absl::StatusOr<CheckpointName> ParseCheckpointName(const std::string& text);

// One job's store and the checkpoint chosen in it, every byte checked.
struct CheckpointChoice {
  std::unique_ptr<CheckpointStore> store;
  std::unique_ptr<FileLock> hold;
  v1::CheckpointManifest manifest;
  uint64_t newest = 0;
};

// DataLoss of a damaged one says which one before it is whole; none is taken unasked.
absl::StatusOr<CheckpointChoice> ChooseCheckpoint(FileSystem* files, const CheckpointName& name);

// The folder above a job's may be named too, if there is only that job in it.
absl::StatusOr<CheckpointChoice> ChooseToRestore(FileSystem* files, const CheckpointName& name);

// Where servers find it. `folder` is a store's own, absolute.
absl::StatusOr<v1::RestoreOrigin> OriginOf(const v1::CheckpointManifest& manifest,
                                           const std::string& folder);

// The lowest of the partitions'.
uint64_t VersionOf(const v1::CheckpointManifest& manifest);

}  // namespace paceline::cli

#endif  // PACELINE_CLI_CHECKPOINT_CHOICE_H_
