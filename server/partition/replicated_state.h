// The state machine that every copy of a partition runs: entries in, versions out, the same bits
// everywhere.
//
// An entry is *appended* first: it makes the next tip, which nobody may see. Once it is committed
// it is *published*. A backup does both at once; a primary appends before it knows.
//
// Shapes   Arrays are [n] float32, n the partition's elements.
// Errors   FromImage, FromCheckpoint, CheckImage: InvalidArgument: the image cannot be of this
//          partition.
// Threads  One thread at a time. Blocks handed out are immutable and may outlive it.
// Source   docs/protocol.md, "Replication".
#ifndef PACELINE_SERVER_PARTITION_REPLICATED_STATE_H_
#define PACELINE_SERVER_PARTITION_REPLICATED_STATE_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/optional.h"
#include "absl/types/span.h"
#include "common/tensor/block.h"
#include "common/tensor/block_pool.h"
#include "proto/control.pb.h"
#include "proto/replica.pb.h"
#include "server/checkpoint/partition_image.h"
#include "server/optimizer/optimizer.h"
#include "server/partition/dedupe.h"
#include "server/partition/dropped_shards.h"
#include "server/partition/partition_spec.h"
#include "server/partition/tally.h"
#include "server/replica/install_image.h"
#include "server/replica/log.h"

namespace paceline {

// What all states of one partition have in common.
struct StateShape {
  PartitionSpec spec;
  std::unique_ptr<const Optimizer> optimizer;
  // A digest is made after every entry whose index is a multiple of it.
  uint64_t digest_interval = 256;

  // InvalidArgument: the optimizer's values are wrong.
  static absl::StatusOr<std::shared_ptr<const StateShape>> Create(PartitionSpec spec,
                                                                  uint64_t digest_interval);

  uint32_t arrays() const { return 2 + static_cast<uint32_t>(optimizer->slot_count()); }
};

class ReplicatedState {
 public:
  // Version 0, before any entry.
  static std::unique_ptr<ReplicatedState> FromSeed(std::shared_ptr<const StateShape> shape,
                                                   BlockRef initial);

  // `arrays` as InstallImage has them; the slots are written to from now on.
  static absl::StatusOr<std::unique_ptr<ReplicatedState>> FromImage(
      std::shared_ptr<const StateShape> shape, const v1::InstallHeader& first,
      std::vector<std::shared_ptr<Block>> arrays);

  // Out of a checkpoint: its log goes on after image.index as if term `term` had begun there. The
  // slots are copied.
  static absl::StatusOr<std::unique_ptr<ReplicatedState>> FromCheckpoint(
      std::shared_ptr<const StateShape> shape, const PartitionImage& image, uint64_t term);

  // Whether an image that begins like that can be one of this partition.
  static absl::Status CheckImage(const StateShape& shape, const v1::InstallHeader& first);

  // Makes the next tip. The entry follows the last one, and its step the tip's version.
  void Append(const LogEntry& entry);

  // All entries up to `index` are committed: tips become versions. Returns whether one did.
  bool Publish(uint64_t index);

  // A picture of the tip. Copies the slots, nothing else.
  InstallImage TakeImage() const;

  // The newest entries: appended, and published.
  uint64_t last_index() const { return last_index_; }
  uint64_t last_term() const { return last_term_; }
  uint64_t committed_index() const { return committed_index_; }
  uint64_t committed_term() const { return committed_term_; }

  uint64_t tip_version() const { return tip_version_; }
  const BlockRef& tip() const { return tip_; }
  uint64_t version() const { return version_; }
  // A published version, if it is one of the newest two; else null.
  BlockRef Kept(uint64_t version) const;

  // Rounds with clip_global_norm: of the newest round appended, and the version it made; 0: none.
  const std::vector<double>& square_norms() const { return square_norms_; }
  uint64_t square_norms_version() const { return square_norms_version_; }

  Dedupe& dedupe() { return dedupe_; }
  const Dedupe& dedupe() const { return dedupe_; }
  // quorum: what may still be carried.
  const DroppedShards& dropped() const { return dropped_; }
  Tally& tally() { return tally_; }
  const Tally& tally() const { return tally_; }

  // What entries have made of it, in the fields of a report.
  void FillIn(v1::PartitionReport* report) const;

  // Of the tip, after the newest entry that was due for one; and after `index`, if still known.
  absl::optional<v1::StateDigest> newest_digest() const;
  absl::optional<v1::StateDigest> DigestAt(uint64_t index) const;

  const StateShape& shape() const { return *shape_; }

 private:
  // A version that is appended and not published yet.
  struct Unpublished {
    LogEntry entry;  // Without the gradient.
    BlockRef parameters;
  };

  explicit ReplicatedState(std::shared_ptr<const StateShape> shape);
  void UseSlots(std::vector<std::shared_ptr<Block>> slots);
  // What an image holds beside its arrays.
  absl::Status Restore(const v1::PartitionState& from, uint64_t index, uint64_t term);
  void MakeDigest();

  const std::shared_ptr<const StateShape> shape_;
  BlockPool blocks_;
  std::vector<std::shared_ptr<Block>> slots_;
  std::vector<absl::Span<float>> slot_spans_;

  uint64_t version_ = 0;
  BlockRef current_;
  BlockRef previous_;  // version_ - 1; null at version 0.
  uint64_t committed_index_ = 0;
  uint64_t committed_term_ = 0;

  uint64_t tip_version_ = 0;
  BlockRef tip_;
  uint64_t last_index_ = 0;
  uint64_t last_term_ = 0;
  std::deque<Unpublished> unpublished_;

  std::vector<double> square_norms_;
  uint64_t square_norms_version_ = 0;
  Dedupe dedupe_;
  DroppedShards dropped_;
  Tally tally_;
  std::deque<v1::StateDigest> digests_;  // The newest few, ascending.
};

}  // namespace paceline

#endif  // PACELINE_SERVER_PARTITION_REPLICATED_STATE_H_
