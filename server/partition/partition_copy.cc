#include "server/partition/partition_copy.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/base/status_macros.h"
#include "server/partition/segment_rules.h"

namespace paceline {

absl::StatusOr<std::unique_ptr<PartitionCopy>> PartitionCopy::Create(Options options,
                                                                     PartitionSpec spec,
                                                                     uint64_t replica,
                                                                     BlockRef initial) {
  ASSIGN_OR_RETURN(auto shape, StateShape::Create(std::move(spec), options.digest_interval));
  std::unique_ptr<PartitionCopy> copy(new PartitionCopy(std::move(options), shape, replica));
  PartitionBackup::Standing standing;
  if (initial != nullptr) standing.state = ReplicatedState::FromSeed(shape, std::move(initial));
  copy->backup_ = std::make_unique<PartitionBackup>(shape, 0, std::move(standing));
  return copy;
}

absl::StatusOr<std::unique_ptr<PartitionCopy>> PartitionCopy::Restore(Options options,
                                                                      PartitionSpec spec,
                                                                      uint64_t replica,
                                                                      const PartitionImage& image,
                                                                      uint64_t term) {
  ASSIGN_OR_RETURN(auto shape, StateShape::Create(std::move(spec), options.digest_interval));
  PartitionBackup::Standing standing;
  ASSIGN_OR_RETURN(standing.state, ReplicatedState::FromCheckpoint(shape, image, term));
  std::unique_ptr<PartitionCopy> copy(new PartitionCopy(std::move(options), shape, replica));
  copy->backup_ = std::make_unique<PartitionBackup>(shape, 0, std::move(standing));
  return copy;
}

PartitionCopy::PartitionCopy(Options options, std::shared_ptr<const StateShape> shape,
                             uint64_t replica)
    : options_(std::move(options)),
      shape_(std::move(shape)),
      replica_(replica),
      checkpoint_(shape_->spec.partition) {}

absl::Status PartitionCopy::CheckServes() const {
  if (!ended_.ok()) return ended_;
  if (is_primary()) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat("this server's copy of partition ",
                                                    shape_->spec.partition, " of ",
                                                    shape_->spec.job, " is a backup"));
}

void PartitionCopy::OnPush(absl::Time now, uint64_t call, const v1::PushHeader& header,
                           std::shared_ptr<Block> gradients, bool want_parameters,
                           Answers* answers) {
  const absl::Status status = CheckServes();
  if (!status.ok()) return answers->push_back({call, status, {}, nullptr});
  primary_->OnPush(now, call, header, std::move(gradients), want_parameters, answers);
}

void PartitionCopy::OnPull(absl::Time now, uint64_t call, const v1::PullRequest& request,
                           Answers* answers) {
  const absl::Status status = CheckServes();
  if (!status.ok()) return answers->push_back({call, status, {}, nullptr});
  primary_->OnPull(now, call, request, answers);
}

void PartitionCopy::OnSettle(absl::Time now, uint64_t call, const v1::SettleRequest& request,
                             Answers* answers) {
  const absl::Status status = CheckServes();
  if (!status.ok()) return answers->push_back({call, status, {}, nullptr});
  primary_->OnSettle(now, call, request, answers);
}

void PartitionCopy::OnCancel(uint64_t call) {
  if (is_primary()) primary_->OnCancel(call);
}

absl::StatusOr<v1::ReplicaReply> PartitionCopy::OnAppend(absl::Time now,
                                                         const v1::AppendHeader& header,
                                                         std::shared_ptr<Block> gradients,
                                                         Answers* answers) {
  RETURN_IF_ERROR(BecomeBackupOf(header.key(), answers));
  return Promising(now, backup_->OnAppend(header, gradients));
}

absl::StatusOr<v1::ReplicaReply> PartitionCopy::OnInstall(absl::Time now,
                                                          const v1::InstallHeader& header,
                                                          std::shared_ptr<Block> floats,
                                                          Answers* answers) {
  RETURN_IF_ERROR(BecomeBackupOf(header.key(), answers));
  return Promising(now, backup_->OnInstall(header, std::move(floats)));
}

absl::Status PartitionCopy::BecomeBackupOf(const v1::ReplicaKey& key, Answers* answers) {
  if (!ended_.ok()) return absl::FailedPreconditionError(ended_.message());
  if (!is_primary()) return absl::OkStatus();
  if (key.term() <= term()) {
    return absl::FailedPreconditionError(
        absl::StrCat("this copy of partition ", key.partition(), " of ", key.job(),
                     " is the primary of term ", term(), "; the sender's term is ", key.term()));
  }
  StepDown(key.term(), answers);
  return absl::OkStatus();
}

absl::StatusOr<v1::ReplicaReply> PartitionCopy::Promising(absl::Time now,
                                                          absl::StatusOr<v1::ReplicaReply> reply) {
  if (reply.ok()) promised_until_ = std::max(promised_until_, now + options_.replication.promise);
  return reply;
}

void PartitionCopy::OnReplicaDone(absl::Time now, uint64_t call, const absl::Status& status,
                                  const v1::ReplicaReply& reply, Answers* answers) {
  if (!is_primary()) return;
  const auto theirs = replicator_->OnDone(now, call, status, reply);
  if (theirs.has_value()) {
    const auto ours = primary_->DigestAt(theirs->digest.index());
    if (ours.has_value() && ours->value() != theirs->digest.value()) {
      replicator_->Diverged(theirs->replica);
    }
  }
  Progress(now, answers);
}

void PartitionCopy::Progress(absl::Time now, Answers* answers) {
  primary_->OnLogProgress(now, replicator_->committed(), answers);
}

void PartitionCopy::OnTick(absl::Time now, Answers* answers) {
  if (!is_primary() || !ended_.ok()) return;
  replicator_->OnTick(now);
  primary_->OnTick(now, answers);
  Progress(now, answers);
}

absl::Time PartitionCopy::NextTick() const {
  if (!is_primary() || !ended_.ok()) return absl::InfiniteFuture();
  return std::min(replicator_->NextTick(), primary_->NextTick());
}

absl::Status PartitionCopy::OnDirective(absl::Time now, const v1::JobDirective& directive,
                                        const v1::PartitionPlacement& placement, bool is_primary,
                                        Answers* answers) {
  const bool is_old =
      placement.term() < term() || (placement.term() == term() && placement.config() < config_);
  if (!ended_.ok() || is_old) return absl::OkStatus();
  if (!is_primary) {
    if (this->is_primary()) StepDown(placement.term(), answers);
    backup_->OnTerm(placement.term());
    config_ = placement.config();
    return absl::OkStatus();
  }
  if (!this->is_primary()) {
    RETURN_IF_ERROR(Promote(now, directive, placement));
  } else {
    replicator_->Follow(now, placement, replica_, directive.spec().fleet().min_in_sync());
    // With fewer copies more may be committed; whoever is answered below is to see it.
    primary_->Publish(now, replicator_->committed());
  }
  config_ = placement.config();
  const absl::Status status = primary_->OnDirective(now, directive, placement.term(), answers);
  if (status.ok()) checkpoint_.Follow(directive);
  // What waited to be appended goes on below.
  TakeCheckpointImage();
  Progress(now, answers);
  return status;
}

absl::Status PartitionCopy::Promote(absl::Time now, const v1::JobDirective& directive,
                                    const v1::PartitionPlacement& placement) {
  if (!backup_->has_state()) {
    return absl::FailedPreconditionError(absl::StrCat("partition ", shape_->spec.partition, " of ",
                                                      shape_->spec.job, " is to be served by copy ",
                                                      replica_, ", which has no state yet"));
  }
  RETURN_IF_ERROR(SegmentRules::Create(directive.segment(), shape_->spec.work).status());
  PartitionBackup::Standing standing = backup_->Promote();
  backup_ = nullptr;

  Replicator::Options options;
  options.job = shape_->spec.job;
  options.partition = shape_->spec.partition;
  options.elements = shape_->spec.elements;
  options.replication = options_.replication;
  options.acknowledges_alone = directive.spec().fleet().acks() == v1::FleetSpec::LEADER;
  options.next_call = options_.next_call;
  auto replicator = std::make_unique<Replicator>(
      std::move(options),
      Replicator::Start{standing.state->committed_index(), standing.state->committed_term(),
                        std::move(standing.uncommitted)});
  replicator_ = replicator.get();
  replicator_->Follow(now, placement, replica_, directive.spec().fleet().min_in_sync());
  auto primary = PartitionPrimary::Create(directive, placement.term(), std::move(standing.state),
                                          std::move(replicator), promised_until_);
  PACELINE_CHECK(primary.ok());  // Its rules could be made above.
  primary_ = *std::move(primary);
  return absl::OkStatus();
}

void PartitionCopy::StepDown(uint64_t term, Answers* answers) {
  PartitionBackup::Standing standing;
  const uint64_t committed = replicator_->committed();
  standing.uncommitted = replicator_->TakeUncommitted();
  replicator_ = nullptr;
  checkpoint_.Forget();
  standing.state = primary_->StepDown(absl::FailedPreconditionError(absl::StrCat(
                                          "partition ", shape_->spec.partition, " of ",
                                          shape_->spec.job, " has another primary: term ", term)),
                                      answers);
  standing.state->Publish(committed);
  primary_ = nullptr;
  backup_ = std::make_unique<PartitionBackup>(shape_, term, std::move(standing));
  news_ = true;
}

void PartitionCopy::End(const absl::Status& reason, Answers* answers) {
  if (ended_.ok()) ended_ = reason;
  if (is_primary()) primary_->End(reason, answers);
}

std::vector<ReplicaCall> PartitionCopy::TakeCalls(absl::Time now) {
  if (!is_primary() || !ended_.ok()) return {};
  if (replicator_->wants_image()) replicator_->OnImage(now, primary_->TakeImage());
  return replicator_->TakeCalls();
}

absl::optional<CheckpointWork> PartitionCopy::TakeCheckpointWork() {
  if (!is_primary() || !ended_.ok()) return absl::nullopt;
  TakeCheckpointImage();
  return checkpoint_.TakeWork(replicator_->committed());
}

// One event makes at most one round, so no version that is ordered slips by.
void PartitionCopy::TakeCheckpointImage() {
  if (!checkpoint_.WantsImage(primary_->state().tip_version())) return;
  checkpoint_.OnImage(primary_->TakeImage());
}

void PartitionCopy::OnCheckpointDone(const v1::CheckpointReport& report) {
  checkpoint_.OnDone(report);
}

v1::PartitionReport PartitionCopy::Report(absl::Time now) const {
  v1::PartitionReport report = is_primary() ? primary_->Report(now) : backup_->Report();
  report.set_replica(replica_);
  report.set_config(config_);
  if (is_primary()) replicator_->FillIn(&report);
  checkpoint_.FillIn(&report);
  return report;
}

BlockRef PartitionCopy::Parameters() const {
  const ReplicatedState* state = is_primary() ? &primary_->state() : backup_->state();
  return state == nullptr ? nullptr : state->Kept(state->version());
}

bool PartitionCopy::TakeNews() {
  bool news = std::exchange(news_, false);
  if (is_primary()) {
    if (primary_->TakeNews()) news = true;
    if (replicator_->TakeNews()) news = true;
    if (checkpoint_.TakeNews()) news = true;
  }
  return news;
}

}  // namespace paceline
