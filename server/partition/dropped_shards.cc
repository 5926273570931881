#include "server/partition/dropped_shards.h"

#include <algorithm>
#include <limits>

#include "absl/strings/str_cat.h"

namespace paceline {
namespace {

bool IsInside(ShardExtent inner, ShardExtent outer) {
  return inner.first >= outer.first && inner.count <= outer.count &&
         inner.first - outer.first <= outer.count - inner.count;
}

}  // namespace

absl::StatusOr<DroppedShards> DroppedShards::Restore(const v1::PartitionState& state) {
  DroppedShards dropped;
  uint64_t after = std::max(state.version(), kVersionsKept) - kVersionsKept;
  for (const v1::DroppedShards& round : state.dropped()) {
    if (round.version() <= after || round.version() > state.version() || round.shards().empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("round ", round.version(), " dropped ", round.shards_size(),
                       " extents of data shards; wanted some, of a round after ", after, " up to ",
                       state.version()));
    }
    after = round.version();
    dropped.rounds_.push_back({after, {}});
    uint64_t end = 0;
    for (const v1::ShardExtent& extent : round.shards()) {
      const bool fits = extent.count() <= std::numeric_limits<uint64_t>::max() - extent.first();
      if (extent.count() == 0 || extent.first() < end || !fits) {
        return absl::InvalidArgumentError(absl::StrCat("round ", after, " dropped ", extent.count(),
                                                       " data shards from ", extent.first(),
                                                       " on; wanted some from ", end, " on"));
      }
      end = extent.first() + extent.count();
      dropped.rounds_.back().shards.push_back({extent.first(), extent.count()});
    }
  }
  return dropped;
}

void DroppedShards::Appended(const LogEntry& entry) {
  for (const ShardExtent& extent : entry.carried) Take(extent);
  if (!entry.dropped.empty()) rounds_.push_back({entry.step, entry.dropped});
  while (!rounds_.empty() && rounds_.front().version + kVersionsKept <= entry.step) {
    rounds_.pop_front();
  }
}

bool DroppedShards::Contains(ShardExtent extent) const {
  const auto holds = [extent](const Round& round) {
    return std::any_of(round.shards.begin(), round.shards.end(),
                       [extent](ShardExtent outer) { return IsInside(extent, outer); });
  };
  return extent.count > 0 && std::any_of(rounds_.begin(), rounds_.end(), holds);
}

void DroppedShards::Take(ShardExtent extent) {
  for (auto round = rounds_.begin(); round != rounds_.end(); ++round) {
    std::vector<ShardExtent>& shards = round->shards;
    for (auto outer = shards.begin(); outer != shards.end(); ++outer) {
      if (!IsInside(extent, *outer)) continue;
      const ShardExtent before{outer->first, extent.first - outer->first};
      const uint64_t end = extent.first + extent.count;
      const ShardExtent behind{end, outer->first + outer->count - end};
      outer = shards.erase(outer);
      if (behind.count > 0) outer = shards.insert(outer, behind);
      if (before.count > 0) shards.insert(outer, before);
      if (shards.empty()) rounds_.erase(round);
      return;
    }
  }
}

void DroppedShards::Encode(v1::PartitionState* state) const {
  for (const Round& round : rounds_) {
    v1::DroppedShards* const out = state->add_dropped();
    out->set_version(round.version);
    for (const ShardExtent& extent : round.shards) {
      v1::ShardExtent* const added = out->add_shards();
      added->set_first(extent.first);
      added->set_count(extent.count);
    }
  }
}

}  // namespace paceline
