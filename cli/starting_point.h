// How a new job begins from a checkpoint: its spec, and whether that fits.
//
// Errors   InvalidArgument: what of the spec does not fit the checkpoint, what was seen and what
// was
//          wanted. DataLoss: the checkpoint's own spec is none. On any error nothing is changed.
// Threads  Pure functions.
#ifndef PACELINE_CLI_STARTING_POINT_H_
#define PACELINE_CLI_STARTING_POINT_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "proto/checkpoint.pb.h"
#include "proto/control.pb.h"

namespace paceline::cli {

// The checkpoint's own spec, in the mode that was under way, with `overrides` over it, without
// further defaults. Relative paths among these start at `base_dir`, which is absolute.
absl::StatusOr<v1::JobSpec> SpecInCheckpoint(const v1::CheckpointManifest& manifest,
                                             const std::vector<std::string>& overrides,
                                             const std::string& base_dir);

// Makes `request`, whose spec is as it was written, a job that goes on from `manifest`, and
// resolves it. The spec must train the same parameters by the same rule, take the samples in the
// same order and portions, and begin in the checkpoint's mode; for the rest it is free. Partitions
// stay cut as they are: fleet.layout_servers and train.shards_per_push are the checkpoint's where
// the spec does not say them.
absl::Status StartFrom(const v1::CheckpointManifest& manifest, const v1::RestoreOrigin& origin,
                       v1::SubmitJobRequest* request);

// What `request` would do, for people and for scripts (one line of JSON).
std::string StartText(const v1::CheckpointManifest& manifest, const v1::SubmitJobRequest& request);
std::string StartJson(const v1::CheckpointManifest& manifest, const v1::SubmitJobRequest& request);

}  // namespace paceline::cli

#endif  // PACELINE_CLI_STARTING_POINT_H_
