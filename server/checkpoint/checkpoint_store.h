// The checkpoints of one job, in one folder (docs/checkpoints.md). Each is whole or absent.
//
// A checkpoint is made by any number of processes: each writes the partitions that it holds, then
// one of them commits the manifest. Until then nothing of it is listed.
//
// Errors   DataLoss: what is stored is damaged or missing; Unimplemented: it is of a newer format;
// both name
//          the file, what was seen and what was wanted. NotFound: no such checkpoint.
//          AlreadyExists: its number is taken. InvalidArgument: the caller's arguments.
//          Unavailable: something is being removed, or, for what removes, something is being
//          written or read: try again later. Else as file_system.h. After an error nothing new is
//          listed, except that a Commit whose last step failed may show after all.
// Threads  Safe from any thread and any process that share the folder.
#ifndef PACELINE_SERVER_CHECKPOINT_CHECKPOINT_STORE_H_
#define PACELINE_SERVER_CHECKPOINT_CHECKPOINT_STORE_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "proto/checkpoint.pb.h"
#include "server/checkpoint/file_system.h"
#include "server/checkpoint/partition_image.h"
#include "server/checkpoint/retention.h"

namespace paceline {

class CheckpointStore {
 public:
  // For writing: makes `folder` and what is in it as far as it is missing. Its parent exists.
  // `files` outlives the store.
  static absl::StatusOr<std::unique_ptr<CheckpointStore>> Create(FileSystem* files,
                                                                 const std::string& folder);
  // For reading. NotFound if there are no checkpoints of a job.
  static absl::StatusOr<std::unique_ptr<CheckpointStore>> Open(FileSystem* files,
                                                               const std::string& folder);

  const std::string& folder() const { return folder_; }

  // As long as it lives nothing is removed, by any process: for the time from the first
  // WritePartition to Commit, and for that of a restore. (Without it a Commit may find that what
  // was written for it is gone, and fail; it never commits what is not there.)
  absl::StatusOr<std::unique_ptr<FileLock>> Hold();

  // Stores 1..kChunkBytes bytes, unless the very same are there already.
  absl::StatusOr<v1::CheckpointChunk> PutChunk(absl::string_view bytes);
  absl::StatusOr<std::string> GetChunk(const v1::CheckpointChunk& chunk);

  // Stores the arrays; the answer is for MakeManifest. May be repeated: what is there is not
  // written again.
  absl::StatusOr<v1::CheckpointPartition> WritePartition(const PartitionImage& image);

  // Stores such an answer as a chunk for whoever commits, and returns its SHA-256. May be repeated.
  absl::StatusOr<std::string> PutPart(const v1::CheckpointPartition& part);
  absl::StatusOr<v1::CheckpointPartition> GetPart(const std::string& sha256);

  // Bytes of the chunks that this object has written; those that were there are not among them.
  uint64_t bytes_written() const { return bytes_written_.load(); }

  // Makes the checkpoint exist, if every chunk that it names is there.
  absl::Status Commit(const v1::CheckpointManifest& manifest);

  // The numbers of the checkpoints, ascending, whole or damaged.
  absl::StatusOr<std::vector<uint64_t>> List();

  // The manifest, checked; its chunks are not looked at.
  absl::StatusOr<v1::CheckpointManifest> Read(uint64_t checkpoint);
  // The manifest, every chunk read and checked.
  absl::StatusOr<v1::CheckpointManifest> Verify(uint64_t checkpoint);
  // Verify, for whoever is going to use it: the error also says which earlier checkpoint is whole.
  absl::StatusOr<v1::CheckpointManifest> VerifyOrOffer(uint64_t checkpoint);
  // The newest checkpoint that Verify passes. NotFound: none.
  absl::StatusOr<v1::CheckpointManifest> NewestWhole();

  // `manifest` is one that Read or Verify returned.
  absl::StatusOr<PartitionImage> ReadPartition(const v1::CheckpointManifest& manifest,
                                               uint32_t partition);
  // Only its parameters.
  absl::StatusOr<BlockRef> ReadParameters(const v1::CheckpointManifest& manifest,
                                          uint32_t partition);

  // What Remove, Retain and Collect did.
  struct Removed {
    std::vector<uint64_t> checkpoints;
    uint64_t files = 0;  // Chunks that no checkpoint names, and what writers that died have left.
  };
  absl::StatusOr<Removed> Remove(uint64_t checkpoint);
  // Counts only checkpoints that Read passes; others stay until they are removed by number.
  absl::StatusOr<Removed> Retain(const Retention& retention);
  absl::StatusOr<Removed> Collect();

 private:
  CheckpointStore(FileSystem* files, std::string folder)
      : files_(*files), folder_(std::move(folder)) {}

  std::string LockPath() const { return folder_ + "/lock"; }
  std::string ManifestFolder() const { return folder_ + "/manifests"; }
  std::string ManifestPath(uint64_t checkpoint) const;
  std::string ChunkFolder(absl::string_view sha256) const;
  std::string ChunkPath(absl::string_view sha256) const;

  absl::Status MakeFolders();
  // As PutChunk, but its name is safe only when its folder, added to `folders`, has been synced.
  absl::StatusOr<v1::CheckpointChunk> PutUnsynced(absl::string_view bytes,
                                                  std::set<std::string>* folders);
  absl::Status WriteChunk(const std::string& path, absl::string_view bytes);
  absl::Status SyncFolders(const std::set<std::string>& folders);
  absl::Status PutArray(v1::CheckpointArray::Kind kind, uint32_t slot, const BlockRef& block,
                        v1::CheckpointPartition* entry, std::set<std::string>* folders);
  absl::StatusOr<BlockRef> GetArray(const v1::CheckpointArray& array, uint64_t elements);
  absl::Status RequireChunkSize(const v1::CheckpointChunk& chunk);
  absl::StatusOr<uint64_t> WholeBefore(uint64_t checkpoint);

  // The caller holds the exclusive lock.
  absl::StatusOr<Removed> RemoveAlone(std::vector<uint64_t> checkpoints);
  absl::StatusOr<std::set<std::string>> ReferencesAlone();
  absl::Status CollectAlone(const std::string& folder, const std::set<std::string>& references,
                            Removed* removed);

  FileSystem& files_;
  const std::string folder_;
  std::atomic<uint64_t> bytes_written_{0};
};

}  // namespace paceline

#endif  // PACELINE_SERVER_CHECKPOINT_CHECKPOINT_STORE_H_
