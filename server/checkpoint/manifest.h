// The manifest of a checkpoint: made, checked, as text and back.
//
// The text is the message as JSON (message_json.h) with one more key, "checksum": the SHA-256 of
// the text without the line that holds it. That line, the key "format_version", and the last line
// "}" stay in every format to come.
//
// Errors   InvalidArgument: a part of a manifest to be made is wrong; nothing is made.
//          DataLoss: a text that is not whole, or that says what cannot be.
//          Unimplemented: a whole text of a newer format. All say what was seen and what was
//          wanted.
// Threads  Pure functions.
#ifndef PACELINE_SERVER_CHECKPOINT_MANIFEST_H_
#define PACELINE_SERVER_CHECKPOINT_MANIFEST_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/job/parameters.h"
#include "common/job/partitioning.h"
#include "proto/checkpoint.pb.h"

namespace paceline {

inline constexpr uint32_t kManifestFormat = 1;
inline constexpr uint64_t kMaxCheckpoint = 9999999999;
inline constexpr size_t kManifestBytesMax = size_t{256} << 20;

// All of a manifest but what the partitions held.
struct ManifestHead {
  uint64_t checkpoint = 0;  // [1, kMaxCheckpoint].
  std::string job;
  absl::Time created;
  v1::JobSpec spec;  // Resolved.
  v1::DatasetFacts facts;
  v1::Segment segment;
  std::vector<ParameterInfo> parameters;
  std::vector<Partition> partitions;
};

// The whole of it. `held` is what WritePartition returned for each partition, in any order.
absl::StatusOr<v1::CheckpointManifest> MakeManifest(const ManifestHead& head,
                                                    std::vector<v1::CheckpointPartition> held);

// Says of `manifest` that this release made it at `created`.
void SetOrigin(absl::Time created, v1::CheckpointManifest* manifest);

// Whether all that `manifest` says fits together: parameters, ranges and partitions cover the flat
// vector once, each array is as long as its partition, every partition has the same slots, and in
// `sync` the same version.
absl::Status CheckManifest(const v1::CheckpointManifest& manifest);

std::string ManifestToText(const v1::CheckpointManifest& manifest);
// Only of a text that is whole, and only a manifest that CheckManifest passes.
absl::StatusOr<v1::CheckpointManifest> ManifestFromText(absl::string_view text);

// `text` with the right checksum, whatever it says. For tests.
std::string WithChecksum(absl::string_view text);

// The manifest's own view of its parameters, as common/job has them (without initial values).
std::vector<ParameterInfo> ParametersOf(const v1::CheckpointManifest& manifest);

// Bytes in all arrays.
uint64_t PayloadBytes(const v1::CheckpointManifest& manifest);

}  // namespace paceline

#endif  // PACELINE_SERVER_CHECKPOINT_MANIFEST_H_
