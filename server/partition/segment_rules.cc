#include "server/partition/segment_rules.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"

namespace paceline {
namespace {

// Leaves room for clock + 1 and a difference of clocks.
constexpr uint64_t kClockMax = uint64_t{1} << 62;

absl::Status CheckPiece(const v1::Piece& piece) {
  // What the optimizer multiplies by is 1 / weight, in float32.
  const float scale = static_cast<float>(1 / piece.weight());
  if (!std::isfinite(piece.weight()) || piece.weight() <= 0 || !std::isfinite(scale) ||
      scale <= 0) {
    return absl::InvalidArgumentError(absl::StrCat("the weight of the piece at data shard ",
                                                   piece.first_shard(), " is ", piece.weight(),
                                                   "; wanted a finite number above 0"));
  }
  if (!std::isfinite(piece.loss_sum())) {
    return absl::InvalidArgumentError(absl::StrCat("the loss_sum of the piece at data shard ",
                                                   piece.first_shard(), " is ", piece.loss_sum(),
                                                   "; wanted a finite number"));
  }
  return absl::OkStatus();
}

absl::Status CheckLength(const v1::PushHeader& header, const Block* gradients, uint64_t elements) {
  const uint64_t seen = gradients == nullptr ? 0 : gradients->elements();
  const uint64_t pieces = static_cast<uint64_t>(header.pieces_size());
  // Compared by division: elements times a made-up count of pieces may overflow.
  if (seen % elements == 0 && seen / elements == pieces) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("the gradients hold ", seen, " elements; ", pieces,
                                                 " pieces of ", elements, " each are wanted"));
}

absl::Status CheckFields(const v1::PushHeader& header) {
  const v1::WorkerIdentity& worker = header.worker();
  if (worker.id().empty() || worker.id().size() > kWorkerIdMax || worker.incarnation() == 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("a push needs a worker id of 1 to ", kWorkerIdMax,
                     " bytes and an incarnation above 0; saw ", worker.id().size(),
                     " bytes and incarnation ", worker.incarnation()));
  }
  if (header.dtype() != v1::FLOAT32) {
    return absl::InvalidArgumentError(
        absl::StrCat("dtype is ", static_cast<int>(header.dtype()), "; wanted FLOAT32 (1)"));
  }
  if (header.clock() > kClockMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("clock is ", header.clock(), "; the largest is ", kClockMax));
  }
  if (!std::isfinite(header.square_norm()) || header.square_norm() < 0) {
    return absl::InvalidArgumentError(absl::StrCat("square_norm is ", header.square_norm(),
                                                   "; wanted a finite number, at least 0"));
  }
  if (header.pieces_size() == 0) return absl::InvalidArgumentError("the push has no pieces");
  for (const v1::Piece& piece : header.pieces()) RETURN_IF_ERROR(CheckPiece(piece));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<SegmentRules> SegmentRules::Create(const v1::Segment& segment,
                                                  const WorkShape& work) {
  SegmentRules rules;
  rules.segment_ = segment;
  if (segment.consistency().mode_case() == v1::ConsistencySpec::MODE_NOT_SET) {
    return absl::InvalidArgumentError(
        absl::StrCat("segment ", segment.index(), " has no consistency mode"));
  }
  if (work.is_bare()) {
    if (rules.has_rounds()) {
      return absl::InvalidArgumentError(
          "bare parameters have no data shards to make rounds of: ssp or async is wanted");
    }
    return rules;
  }
  if (segment.first_shard() > work.total_shards) {
    return absl::InvalidArgumentError(absl::StrCat("segment ", segment.index(),
                                                   " starts at data shard ", segment.first_shard(),
                                                   "; the job has ", work.total_shards));
  }
  rules.plan_.emplace(segment.first_shard(), work.shards_per_epoch, work.total_shards,
                      rules.has_rounds() ? work.shards_per_round : work.shards_per_push);
  return rules;
}

absl::optional<uint64_t> SegmentRules::last_version() const {
  if (!plan_.has_value()) return absl::nullopt;
  return first_version() + plan_->size();
}

absl::optional<WorkPlan::Run> SegmentRules::RoundAt(uint64_t version) const {
  if (!has_rounds() || version < first_version()) return absl::nullopt;
  const uint64_t round = version - first_version();
  if (round >= plan_->size()) return absl::nullopt;
  return plan_->At(round);
}

absl::Status SegmentRules::CheckPush(const v1::PushHeader& header, const Block* gradients,
                                     uint64_t elements) const {
  RETURN_IF_ERROR(CheckFields(header));
  RETURN_IF_ERROR(CheckLength(header, gradients, elements));
  return has_rounds() ? CheckNodes(header) : CheckRun(header);
}

absl::Status SegmentRules::CheckNodes(const v1::PushHeader& header) const {
  if (header.base_version() != header.clock()) {
    return absl::InvalidArgumentError(
        absl::StrCat("base_version is ", header.base_version(), " and clock ", header.clock(),
                     "; in a round both are the version that the round starts from"));
  }
  const absl::optional<WorkPlan::Run> round = RoundAt(header.clock());
  if (!round.has_value()) {
    return absl::InvalidArgumentError(
        absl::StrCat("no round of segment ", index(), " starts from version ", header.clock(),
                     "; its rounds start from ", first_version(), " to ", *last_version(), " - 1"));
  }
  uint64_t end = round->first_ordinal;
  for (const v1::Piece& piece : header.pieces()) {
    const uint64_t leaf = piece.first_shard() - round->first_ordinal;
    if (piece.first_shard() < end || !IsNode(round->count, {leaf, piece.shards()})) {
      return absl::InvalidArgumentError(absl::StrCat(
          "the piece of ", piece.shards(), " data shards at ", piece.first_shard(),
          " is not a node of the round's tree over data shards ", round->first_ordinal, "..",
          round->first_ordinal + round->count - 1, ", or not behind the piece before it"));
    }
    end = piece.first_shard() + piece.shards();
  }
  return absl::OkStatus();
}

absl::Status SegmentRules::CheckRun(const v1::PushHeader& header) const {
  if (header.pieces_size() != 1) {
    return absl::InvalidArgumentError(absl::StrCat("the push has ", header.pieces_size(),
                                                   " pieces; outside rounds it has exactly one"));
  }
  const v1::Piece& piece = header.pieces(0);
  if (is_bare()) {
    if (piece.first_shard() == 0 && piece.shards() == 0) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat("the piece names ", piece.shards(),
                                                   " data shards at ", piece.first_shard(),
                                                   "; a job with bare parameters has none"));
  }
  const uint64_t end = plan_->size() == 0 ? first_shard()
                                          : plan_->At(plan_->size() - 1).first_ordinal +
                                                plan_->At(plan_->size() - 1).count;
  if (piece.first_shard() < first_shard() || piece.first_shard() >= end) {
    return absl::InvalidArgumentError(
        absl::StrCat("the piece starts at data shard ", piece.first_shard(), "; segment ", index(),
                     " has ", first_shard(), " up to and without ", end));
  }
  const WorkPlan::Run run = plan_->At(plan_->IndexOf(piece.first_shard()));
  if (run.first_ordinal == piece.first_shard() && run.count == piece.shards()) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("the piece has ", piece.shards(), " data shards at ", piece.first_shard(),
                   "; the run there has ", run.count, " at ", run.first_ordinal));
}

std::vector<ShardExtent> ShardsOf(const v1::PushHeader& header) {
  std::vector<ShardExtent> shards;
  for (const v1::Piece& piece : header.pieces()) {
    if (piece.shards() > 0) shards.push_back({piece.first_shard(), piece.shards()});
  }
  return shards;
}

uint64_t CountShards(const v1::PushHeader& header) {
  uint64_t shards = 0;
  for (const v1::Piece& piece : header.pieces()) shards += piece.shards();
  return shards;
}

absl::optional<size_t> FirstNotFinite(absl::Span<const float> elements) {
  // An exponent of all ones means infinite or not a number. A constant stride lets the compiler
  // vectorise the search; only a stride with a find is looked at one by one.
  constexpr size_t kStride = 256;
  constexpr uint32_t kExponent = 0x7f800000;
  size_t begin = 0;
  for (; begin + kStride <= elements.size(); begin += kStride) {
    uint32_t bits[kStride];
    std::memcpy(bits, elements.data() + begin, sizeof(bits));
    uint32_t found = 0;
    for (size_t j = 0; j < kStride; ++j) found |= (bits[j] & kExponent) == kExponent ? 1 : 0;
    if (found != 0) break;
  }
  for (; begin < elements.size(); ++begin) {
    if (!std::isfinite(elements[begin])) return begin;
  }
  return absl::nullopt;
}

}  // namespace paceline
