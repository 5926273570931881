// What one segment of a job asks of pushes: which clocks, which pieces, which payload.
//
// Errors   Create: InvalidArgument: a segment without a mode, rounds over bare parameters, a first
//          data shard beyond the last. CheckPush: InvalidArgument, saying what was seen and wanted.
// Threads  Immutable.
// Source   proto/parameter.proto, PushHeader; docs/protocol.md, "Data shards, rounds, runs".
#ifndef PACELINE_SERVER_PARTITION_SEGMENT_RULES_H_
#define PACELINE_SERVER_PARTITION_SEGMENT_RULES_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/optional.h"
#include "absl/types/span.h"
#include "common/job/job_work.h"
#include "common/job/round_plan.h"
#include "common/tensor/block.h"
#include "proto/control.pb.h"
#include "proto/parameter.pb.h"
#include "server/partition/partition_spec.h"
#include "server/replica/log.h"

namespace paceline {

// Ids are names that people chose; longer ones would only swell reports.
inline constexpr size_t kWorkerIdMax = 256;

class SegmentRules {
 public:
  static absl::StatusOr<SegmentRules> Create(const v1::Segment& segment, const WorkShape& work);

  uint32_t index() const { return segment_.index(); }
  uint64_t first_version() const { return segment_.first_version(); }
  uint64_t first_shard() const { return segment_.first_shard(); }
  // Whether pushes are parts of rounds, as in sync and quorum.
  bool has_rounds() const { return HasRounds(segment_.consistency()); }
  bool is_ssp() const { return segment_.consistency().has_ssp(); }
  bool is_bare() const { return !plan_.has_value(); }
  uint64_t staleness() const { return segment_.consistency().ssp().staleness(); }  // ssp.
  const v1::AsyncMode& async() const { return segment_.consistency().async(); }    // async.
  // Null in the other modes.
  const v1::QuorumMode* quorum() const {
    return segment_.consistency().has_quorum() ? &segment_.consistency().quorum() : nullptr;
  }
  bool carries() const {
    return segment_.consistency().quorum().on_late() == v1::QuorumMode::CARRY;
  }
  double grace() const { return segment_.consistency().quorum().grace(); }  // quorum.

  // The version after the segment's last run; absent for bare parameters.
  absl::optional<uint64_t> last_version() const;

  // The data shards of the round that starts from `version`, if there is such a round.
  absl::optional<WorkPlan::Run> RoundAt(uint64_t version) const;

  // Everything about a push that needs no state to be wrong, payload length included; not whether
  // its values are finite (FirstNotFinite).
  absl::Status CheckPush(const v1::PushHeader& header, const Block* gradients,
                         uint64_t elements) const;

 private:
  SegmentRules() = default;

  absl::Status CheckNodes(const v1::PushHeader& header) const;  // Rounds.
  absl::Status CheckRun(const v1::PushHeader& header) const;    // ssp, async.

  v1::Segment segment_;
  absl::optional<WorkPlan> plan_;
};

// The data shards that a push carries; empty for bare parameters.
std::vector<ShardExtent> ShardsOf(const v1::PushHeader& header);
// How many they are.
uint64_t CountShards(const v1::PushHeader& header);

// The index of the first element that is infinite or not a number.
absl::optional<size_t> FirstNotFinite(absl::Span<const float> elements);

}  // namespace paceline

#endif  // PACELINE_SERVER_PARTITION_SEGMENT_RULES_H_
