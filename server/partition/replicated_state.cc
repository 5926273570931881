#include "server/partition/replicated_state.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/base/status_macros.h"
#include "common/tensor/digest.h"

namespace paceline {
namespace {

// Versions that readers hold come back one by one; more spares than this would only wait.
constexpr size_t kSpareBlocksMax = 3;

// A backup that is further behind is compared later.
constexpr size_t kDigestsKept = 16;

absl::Status CheckArrays(const StateShape& shape, const PartitionImage& image) {
  const auto refuse = [](absl::string_view what) { return absl::InvalidArgumentError(what); };
  const size_t slots = static_cast<size_t>(shape.optimizer->slot_count());
  if (image.slots.size() != slots) {
    return refuse(
        absl::StrCat("an image of ", image.slots.size(), " optimizer slots; wanted ", slots));
  }
  if (image.version != image.state.version() || (image.version > 0 && image.previous == nullptr)) {
    return refuse(absl::StrCat("an image of version ", image.version, " with the state of version ",
                               image.state.version(), ", ",
                               image.previous == nullptr ? "without" : "with",
                               " the version before; wanted both of one version, and the "
                               "one before it"));
  }
  std::vector<BlockRef> arrays = image.slots;
  arrays.push_back(image.parameters);
  if (image.version > 0) arrays.push_back(image.previous);
  for (const BlockRef& array : arrays) {
    const uint64_t seen = array == nullptr ? 0 : array->elements();
    if (seen == shape.spec.elements) continue;
    return refuse(absl::StrCat("an image with an array of ", seen, " elements; wanted ",
                               shape.spec.elements));
  }
  return absl::OkStatus();
}

std::shared_ptr<Block> CopyOf(const Block& block) {
  auto copy = std::make_shared<Block>(block.elements());
  std::copy(block.floats().begin(), block.floats().end(), copy->floats().begin());
  return copy;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const StateShape>> StateShape::Create(PartitionSpec spec,
                                                                     uint64_t digest_interval) {
  auto shape = std::make_shared<StateShape>();
  ASSIGN_OR_RETURN(shape->optimizer, Optimizer::Create(spec.optimizer, spec.segment_elements));
  shape->spec = std::move(spec);
  shape->digest_interval = std::max<uint64_t>(digest_interval, 1);
  return std::shared_ptr<const StateShape>(std::move(shape));
}

ReplicatedState::ReplicatedState(std::shared_ptr<const StateShape> shape)
    : shape_(std::move(shape)),
      blocks_(kSpareBlocksMax),
      tally_(shape_->spec.work.shards_per_epoch) {}

std::unique_ptr<ReplicatedState> ReplicatedState::FromSeed(std::shared_ptr<const StateShape> shape,
                                                           BlockRef initial) {
  const uint64_t elements = shape->spec.elements;
  PACELINE_CHECK(initial != nullptr && initial->elements() == elements && elements > 0);
  std::unique_ptr<ReplicatedState> state(new ReplicatedState(std::move(shape)));
  std::vector<std::shared_ptr<Block>> slots;
  for (int i = 0; i < state->shape_->optimizer->slot_count(); ++i) {
    slots.push_back(std::make_shared<Block>(elements));
  }
  state->UseSlots(std::move(slots));
  state->shape_->optimizer->InitializeSlots(initial->floats(), state->slot_spans_);
  state->current_ = initial;
  state->tip_ = std::move(initial);
  return state;
}

void ReplicatedState::UseSlots(std::vector<std::shared_ptr<Block>> slots) {
  slots_ = std::move(slots);
  for (const std::shared_ptr<Block>& slot : slots_) slot_spans_.push_back(slot->floats());
}

absl::Status ReplicatedState::CheckImage(const StateShape& shape, const v1::InstallHeader& first) {
  if (first.arrays() != shape.arrays()) {
    return absl::InvalidArgumentError(absl::StrCat("an image of ", first.arrays(),
                                                   " arrays; wanted ", shape.arrays(), " for ",
                                                   shape.optimizer->slot_count(), " slots"));
  }
  const v1::PartitionState& state = first.state();
  RETURN_IF_ERROR(Dedupe::Restore(state).status());
  RETURN_IF_ERROR(DroppedShards::Restore(state).status());
  return Tally::Restore(shape.spec.work.shards_per_epoch, state.tally()).status();
}

absl::StatusOr<std::unique_ptr<ReplicatedState>> ReplicatedState::FromImage(
    std::shared_ptr<const StateShape> shape, const v1::InstallHeader& first,
    std::vector<std::shared_ptr<Block>> arrays) {
  RETURN_IF_ERROR(CheckImage(*shape, first));
  PACELINE_CHECK(arrays.size() == shape->arrays());
  std::unique_ptr<ReplicatedState> state(new ReplicatedState(std::move(shape)));
  RETURN_IF_ERROR(state->Restore(first.state(), first.index(), first.index_term()));
  state->current_ = state->tip_ = arrays[0];
  state->previous_ = arrays[1];
  state->UseSlots({arrays.begin() + 2, arrays.end()});
  return state;
}

absl::StatusOr<std::unique_ptr<ReplicatedState>> ReplicatedState::FromCheckpoint(
    std::shared_ptr<const StateShape> shape, const PartitionImage& image, uint64_t term) {
  RETURN_IF_ERROR(CheckArrays(*shape, image));
  std::unique_ptr<ReplicatedState> state(new ReplicatedState(std::move(shape)));
  RETURN_IF_ERROR(state->Restore(image.state, image.index, term));
  state->current_ = state->tip_ = image.parameters;
  if (image.version > 0) state->previous_ = image.previous;
  std::vector<std::shared_ptr<Block>> slots;
  for (const BlockRef& slot : image.slots) slots.push_back(CopyOf(*slot));
  state->UseSlots(std::move(slots));
  return state;
}

absl::Status ReplicatedState::Restore(const v1::PartitionState& from, uint64_t index,
                                      uint64_t term) {
  ASSIGN_OR_RETURN(dedupe_, Dedupe::Restore(from));
  ASSIGN_OR_RETURN(dropped_, DroppedShards::Restore(from));
  ASSIGN_OR_RETURN(tally_, Tally::Restore(shape_->spec.work.shards_per_epoch, from.tally()));
  version_ = tip_version_ = from.version();
  committed_index_ = last_index_ = index;
  committed_term_ = last_term_ = term;
  square_norms_.assign(from.square_norms().begin(), from.square_norms().end());
  square_norms_version_ = from.square_norms_size() > 0 ? from.version() : 0;
  return absl::OkStatus();
}

void ReplicatedState::Append(const LogEntry& entry) {
  PACELINE_CHECK(entry.index == last_index_ + 1 && entry.step == tip_version_ + 1);
  const uint64_t elements = shape_->spec.elements;
  const std::shared_ptr<Block> after = blocks_.Take(elements);
  const OptimizerStep step{static_cast<int64_t>(entry.step), entry.gradient_scale};
  shape_->optimizer->Apply(
      step, absl::MakeConstSpan(entry.gradient->floats()).subspan(entry.gradient_begin, elements),
      tip_->floats(), after->floats(), slot_spans_);
  tip_ = after;
  tip_version_ = entry.step;
  last_index_ = entry.index;
  last_term_ = entry.term;

  if (entry.kind == LogEntry::Kind::kPush) {
    // One that does not fit in the table was refused where it came from.
    dedupe_.Meet(entry.worker, entry.incarnation).IgnoreError();
  }
  dedupe_.Appended(entry);
  dropped_.Appended(entry);
  if (!entry.square_norms.empty()) {
    square_norms_ = entry.square_norms;
    square_norms_version_ = entry.step;
  }
  unpublished_.push_back({entry, tip_});
  unpublished_.back().entry.gradient = nullptr;
  if (last_index_ % shape_->digest_interval == 0) MakeDigest();
}

bool ReplicatedState::Publish(uint64_t index) {
  bool any = false;
  while (!unpublished_.empty() && unpublished_.front().entry.index <= index) {
    const Unpublished& next = unpublished_.front();
    dedupe_.Applied(next.entry);
    tally_.Applied(next.entry);
    previous_ = std::move(current_);
    current_ = next.parameters;
    version_ = next.entry.step;
    committed_index_ = next.entry.index;
    committed_term_ = next.entry.term;
    unpublished_.pop_front();
    any = true;
  }
  return any;
}

BlockRef ReplicatedState::Kept(uint64_t version) const {
  if (version == version_) return current_;
  return version + 1 == version_ ? previous_ : nullptr;
}

InstallImage ReplicatedState::TakeImage() const {
  InstallImage image;
  image.index = last_index_;
  image.index_term = last_term_;
  image.state.set_version(tip_version_);
  dedupe_.EncodeAppended(&image.state);
  dropped_.Encode(&image.state);
  Tally tally = tally_;
  for (const Unpublished& one : unpublished_) tally.Applied(one.entry);
  tally.FillInEntries(image.state.mutable_tally());
  if (square_norms_version_ == tip_version_) {
    image.state.mutable_square_norms()->Add(square_norms_.begin(), square_norms_.end());
  }
  BlockRef before = previous_;
  if (unpublished_.size() == 1) before = current_;
  if (unpublished_.size() > 1) before = unpublished_[unpublished_.size() - 2].parameters;
  image.arrays = {tip_, std::move(before)};
  for (const std::shared_ptr<Block>& slot : slots_) image.arrays.push_back(CopyOf(*slot));
  return image;
}

void ReplicatedState::FillIn(v1::PartitionReport* report) const {
  report->set_job(shape_->spec.job);
  report->set_partition(shape_->spec.partition);
  report->set_version(version_);
  report->set_applied_below(dedupe_.applied().below());
  for (const ShardExtent& extent : dedupe_.applied().extents()) {
    v1::ShardExtent* const applied = report->add_applied();
    applied->set_first(extent.first);
    applied->set_count(extent.count);
  }
  tally_.FillInEntries(report);
}

void ReplicatedState::MakeDigest() {
  uint64_t value = DigestOf(tip_->floats());
  for (const absl::Span<float> slot : slot_spans_) value = DigestOf(slot, value);
  v1::StateDigest digest;
  digest.set_index(last_index_);
  digest.set_value(value);
  digests_.push_back(digest);
  if (digests_.size() > kDigestsKept) digests_.pop_front();
}

absl::optional<v1::StateDigest> ReplicatedState::newest_digest() const {
  if (digests_.empty()) return absl::nullopt;
  return digests_.back();
}

absl::optional<v1::StateDigest> ReplicatedState::DigestAt(uint64_t index) const {
  for (const v1::StateDigest& digest : digests_) {
    if (digest.index() == index) return digest;
  }
  return absl::nullopt;
}

}  // namespace paceline
