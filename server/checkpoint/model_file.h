// A checkpoint's parameters as a safetensors file, and back.
//
// Errors   Export: as CheckpointStore, as safetensors.h, as FileSystem; no file has then appeared
// or changed.
//          Import: DataLoss, Unimplemented: as safetensors.h, with the path; InvalidArgument:
//          tensors missing, unknown, or of another shape than the parameters.
// Threads  As CheckpointStore.
#ifndef PACELINE_SERVER_CHECKPOINT_MODEL_FILE_H_
#define PACELINE_SERVER_CHECKPOINT_MODEL_FILE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/job/parameters.h"
#include "common/tensor/block.h"
#include "proto/checkpoint.pb.h"
#include "server/checkpoint/checkpoint_store.h"
#include "server/checkpoint/file_system.h"
#include "server/checkpoint/safetensors.h"

namespace paceline {

// A bound on all but the floats of a file to import.
inline constexpr uint64_t kModelFileHeaderMax = kSafetensorsHeaderMax + 8;

// Writes the parameters of `manifest` (from store->Read or Verify) to `path`, at once. The file's
// metadata: job, checkpoint, version, release, spec_sha256. All parameters are in memory meanwhile.
absl::Status ExportModel(CheckpointStore* store, const v1::CheckpointManifest& manifest,
                         FileSystem* files, const std::string& path);

// The flat vector of `parameters` as a safetensors file has it: exactly those tensors, of those
// shapes. `bytes_max` bounds the file.
absl::StatusOr<BlockRef> ImportModel(FileSystem* files, const std::string& path,
                                     const std::vector<ParameterInfo>& parameters,
                                     uint64_t bytes_max);

// Commits checkpoint number `checkpoint`: `base` (from store->Verify) with the parameters of
// `flat`. All else is as in `base`: versions, applied data shards, optimizer slots.
// InvalidArgument: `flat` is not as long as the parameters.
absl::StatusOr<v1::CheckpointManifest> CommitWithParameters(CheckpointStore* store,
                                                            const v1::CheckpointManifest& base,
                                                            const BlockRef& flat,
                                                            uint64_t checkpoint,
                                                            absl::Time created);

}  // namespace paceline

#endif  // PACELINE_SERVER_CHECKPOINT_MODEL_FILE_H_
