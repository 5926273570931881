#include "server/partition/checkpoint_duty.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace paceline {

void CheckpointDuty::Follow(const v1::JobDirective& directive) {
  const v1::CheckpointOrder& order = directive.checkpoint();
  if (order.id() == 0) return Forget();
  const bool is_new = order.id() != order_.id();
  const bool is_manifest_new = order.parts_size() > 0 && (is_new || order_.parts_size() == 0);
  if (is_new) Forget();
  order_ = order;
  directive_.set_job(directive.job());
  *directive_.mutable_spec() = directive.spec();
  *directive_.mutable_facts() = directive.facts();
  *directive_.mutable_segment() = directive.segment();
  if (is_manifest_new) {
    // All parts are there, so what this copy has not done need not be done.
    image_ = InstallImage();
    const bool is_ours = partition_ == 0;
    stage_ = is_ours ? Stage::kManifest : report_.id() == 0 ? Stage::kNone : Stage::kDone;
  } else if (is_new) {
    stage_ = Stage::kAwaitingImage;
  }
}

bool CheckpointDuty::WantsImage(uint64_t tip_version) {
  if (stage_ != Stage::kAwaitingImage) return false;
  if (!order_.has_exact_version() || order_.exact_version() == tip_version) return true;
  if (tip_version > order_.exact_version()) {
    report_.set_error(absl::StrCat("partition ", partition_, " of ", directive_.job(),
                                   " is at version ", tip_version, "; checkpoint ", order_.id(),
                                   " wants version ", order_.exact_version(),
                                   ", which is no longer there whole"));
    Finish();
  }
  return false;
}

void CheckpointDuty::OnImage(InstallImage image) {
  image_ = std::move(image);
  stage_ = Stage::kAwaitingCommit;
}

CheckpointWork CheckpointDuty::WorkOf() const {
  CheckpointWork work;
  work.job = directive_.job();
  work.order = order_;
  work.directive = directive_;
  work.partition = partition_;
  return work;
}

absl::optional<CheckpointWork> CheckpointDuty::TakeWork(uint64_t committed) {
  if (stage_ == Stage::kManifest) {
    stage_ = Stage::kOut;
    return WorkOf();
  }
  if (stage_ != Stage::kAwaitingCommit || image_.index > committed) return absl::nullopt;
  stage_ = Stage::kOut;
  InstallImage image = std::exchange(image_, InstallImage());
  CheckpointWork work = WorkOf();
  work.image.partition = partition_;
  work.image.version = image.state.version();
  work.image.index = image.index;
  work.image.term = image.index_term;
  work.image.state = std::move(image.state);
  work.image.parameters = std::move(image.arrays[0]);
  work.image.previous = std::move(image.arrays[1]);
  work.image.slots.assign(image.arrays.begin() + 2, image.arrays.end());
  return work;
}

void CheckpointDuty::OnDone(const v1::CheckpointReport& report) {
  if (stage_ != Stage::kOut || report.id() != order_.id()) return;
  if (order_.parts_size() == 0) {
    report_ = report;
  } else {
    // Beside what it said of its own part.
    report_.set_committed(report.committed());
    report_.set_error(report.error());
    report_.set_taken(report.taken());
    report_.set_bytes(report_.bytes() + report.bytes());
  }
  Finish();
}

void CheckpointDuty::Finish() {
  report_.set_id(order_.id());
  stage_ = Stage::kDone;
  news_ = true;
}

void CheckpointDuty::FillIn(v1::PartitionReport* report) const {
  if (report_.id() != 0) *report->mutable_checkpoint() = report_;
}

bool CheckpointDuty::TakeNews() { return std::exchange(news_, false); }

}  // namespace paceline
