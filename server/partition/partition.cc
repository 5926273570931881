#include "server/partition/partition.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/base/status_macros.h"
#include "server/optimizer/global_norm.h"

namespace paceline {
namespace {

// Versions that readers hold come back one by one; more spares than this would only wait.
constexpr size_t kSpareBlocksMax = 3;

}  // namespace

absl::StatusOr<std::unique_ptr<PartitionPrimary>> PartitionPrimary::Create(
    PartitionSpec spec, const v1::JobDirective& directive, uint64_t term, BlockRef initial,
    std::unique_ptr<ReplicaLog> log) {
  PACELINE_CHECK(initial != nullptr && initial->elements() == spec.elements && spec.elements > 0);
  const v1::Segment& segment = directive.segment();
  if (directive.state() != v1::RUNNING || segment.first_version() != 0 ||
      segment.first_shard() != 0) {
    return absl::FailedPreconditionError(absl::StrCat(
        "partition ", spec.partition, " of ", spec.job, " is placed here in state ",
        v1::JobState_Name(directive.state()), " with segment ", segment.index(), " from version ",
        segment.first_version(), "; this server holds no such state and starts at version 0"));
  }
  ASSIGN_OR_RETURN(auto optimizer, Optimizer::Create(spec.optimizer, spec.segment_elements));
  ASSIGN_OR_RETURN(auto rules, SegmentRules::Create(segment, spec.work));
  std::unique_ptr<PartitionPrimary> partition(new PartitionPrimary(
      std::move(spec), std::move(rules), std::move(optimizer), std::move(log)));
  partition->term_ = term;
  partition->state_ = directive.state();
  partition->granted_rounds_ = directive.granted_rounds();
  partition->current_ = initial;
  partition->tip_ = std::move(initial);
  partition->optimizer_->InitializeSlots(partition->tip_->floats(), partition->slot_spans_);
  Answers nobody;
  partition->FollowRoster(directive.roster(), &nobody);
  return partition;
}

PartitionPrimary::PartitionPrimary(PartitionSpec spec, SegmentRules rules,
                                   std::unique_ptr<Optimizer> optimizer,
                                   std::unique_ptr<ReplicaLog> log)
    : spec_(std::move(spec)),
      optimizer_(std::move(optimizer)),
      log_(std::move(log)),
      rules_(std::move(rules)),
      blocks_(kSpareBlocksMax),
      tally_(spec_.work.shards_per_epoch) {
  if (spec_.optimizer.has_clip_global_norm()) {
    clip_global_norm_ = spec_.optimizer.clip_global_norm();
  }
  for (int i = 0; i < optimizer_->slot_count(); ++i) {
    slots_.push_back(std::make_unique<Block>(spec_.elements));
    slot_spans_.push_back(slots_.back()->floats());
  }
}

// The life of a push. Each helper does the one thing it is named after; what happens next is
// decided here.
void PartitionPrimary::OnPush(absl::Time now, uint64_t call, const v1::PushHeader& header,
                              std::shared_ptr<Block> gradients, bool want_parameters,
                              Answers* answers) {
  const v1::WorkerIdentity& worker = header.worker();
  absl::Status status = CheckCaller(header.key(), worker);
  if (status.ok()) status = rules_.CheckPush(header, gradients.get(), spec_.elements);
  if (status.ok()) status = dedupe_.Meet(worker.id(), worker.incarnation());
  if (!status.ok()) return Refuse(call, worker, status, answers);
  Parked caller = CallerOf(now, call, header, want_parameters);

  // Dedupe.
  const Seen seen = Classify(header);
  if (seen == Seen::kMixed) return Refuse(call, worker, MixedError(header), answers);
  if (seen != Seen::kNew) {
    tally_.Duplicate();
    caller.is_duplicate = true;
    caller.must_acknowledge = !rules_.is_sync();
    caller.committed_index = seen == Seen::kAppended ? last_index_ : 0;
    Park(std::move(caller), answers);
    return Reply(answers);
  }

  // Gate.
  const PushAdmission admission = Admit(header);
  status = admission.status.ok() ? CheckFinite(header, *gradients) : admission.status;
  if (!status.ok()) return Refuse(call, worker, status, answers);

  // Reduce. In sync there is something to apply when the round is complete and its norm is known.
  absl::optional<Update> update = rules_.is_sync()
                                      ? TakeIntoRound(header, gradients, &caller)
                                      : TakeAlone(header, std::move(gradients), admission.damping);
  if (update.has_value() && rules_.is_sync() && clip_global_norm_.has_value()) {
    HoldForNorm(*std::move(update));
    update.reset();
  }

  // Optimise, log, publish.
  if (update.has_value()) {
    LogEntry entry = Optimise(*std::move(update));
    caller.committed_index = entry.index;
    caller.staleness = entry.staleness;
    Publish(log_->Append(std::move(entry)));
  }

  // Reply, to this call and to those that waited for what it brought.
  Park(std::move(caller), answers);
  Reply(answers);
}

void PartitionPrimary::OnSettle(absl::Time now, uint64_t call, const v1::SettleRequest& request,
                                Answers* answers) {
  absl::Status status = CheckCaller(request.key(), request.worker());
  if (status.ok()) status = CheckSettle(request);
  if (!status.ok()) return Refuse(call, request.worker(), status, answers);
  Parked caller;
  caller.call = call;
  caller.worker = request.worker().id();
  caller.since = now;
  caller.exact_version = request.clock() + 1;

  // The first Settle of a round decides; the others wait for what it brings, or read it.
  if (awaiting_norm_.has_value() && request.clock() == tip_version_) {
    Update update = *std::move(awaiting_norm_);
    awaiting_norm_.reset();
    update.total_square_norm = request.total_square_norm();
    Publish(log_->Append(Optimise(std::move(update))));
  } else {
    caller.is_duplicate = true;
  }
  Park(std::move(caller), answers);
  Reply(answers);
}

void PartitionPrimary::OnPull(absl::Time now, uint64_t call, const v1::PullRequest& request,
                              Answers* answers) {
  const absl::Status status = CheckCaller(request.key(), request.worker());
  if (!status.ok()) return Refuse(call, request.worker(), status, answers);
  Parked caller;
  caller.call = call;
  caller.worker = request.worker().id();
  caller.since = now;
  if (request.has_exact_version()) {
    caller.exact_version = request.exact_version();
  } else if (rules_.is_ssp()) {
    caller.read_clock = request.clock();
  }
  Park(std::move(caller), answers);
  Reply(answers);
}

void PartitionPrimary::OnCommitted(uint64_t index, Answers* answers) {
  Publish(index);
  Reply(answers);
}

absl::Status PartitionPrimary::CheckCaller(const v1::PartitionKey& key,
                                           const v1::WorkerIdentity& worker) const {
  if (!ended_.ok()) return ended_;
  if (key.term() != term_) {
    return absl::FailedPreconditionError(absl::StrCat("the message is of term ", key.term(),
                                                      "; partition ", spec_.partition, " of ",
                                                      spec_.job, " is at term ", term_));
  }
  if (key.segment() != rules_.index()) {
    return absl::FailedPreconditionError(
        absl::StrCat("the message is of segment ", key.segment(), "; partition ", spec_.partition,
                     " of ", spec_.job, " is in segment ", rules_.index()));
  }
  // Who only reads need not say who it is.
  return worker.id().empty() ? absl::OkStatus()
                             : dedupe_.CheckIncarnation(worker.id(), worker.incarnation());
}

absl::Status PartitionPrimary::CheckSettle(const v1::SettleRequest& request) const {
  if (!rules_.is_sync() || !clip_global_norm_.has_value()) {
    return absl::InvalidArgumentError(
        "Settle is for sync with clip_global_norm; this job waits for no norm");
  }
  const double total = request.total_square_norm();
  if (!std::isfinite(total) || total < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("total_square_norm is ", total, "; wanted a finite number, at least 0"));
  }
  if (!rules_.RoundAt(request.clock()).has_value()) {
    return absl::InvalidArgumentError(absl::StrCat("no round of segment ", rules_.index(),
                                                   " starts from version ", request.clock()));
  }
  const bool is_in_log = request.clock() < tip_version_;
  if (is_in_log || (awaiting_norm_.has_value() && request.clock() == tip_version_)) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(absl::StrCat(
      "round ", request.clock(), " is not reduced; this partition is at version ", tip_version_));
}

PartitionPrimary::Parked PartitionPrimary::CallerOf(absl::Time now, uint64_t call,
                                                    const v1::PushHeader& header,
                                                    bool want_parameters) const {
  Parked caller;
  caller.call = call;
  caller.worker = header.worker().id();
  caller.incarnation = header.worker().incarnation();
  caller.clock = header.clock();
  caller.since = now;
  caller.want_parameters = want_parameters;
  if (rules_.is_sync()) {
    caller.exact_version = header.clock() + 1;
  } else if (rules_.is_ssp() && want_parameters) {
    caller.read_clock = header.clock() + 1;
  }
  return caller;
}

Seen PartitionPrimary::Classify(const v1::PushHeader& header) const {
  if (rules_.is_bare()) {
    return dedupe_.ClassifyClock(header.worker().id(), header.worker().incarnation(),
                                 header.clock());
  }
  return dedupe_.ClassifyShards(ShardsOf(header));
}

absl::Status PartitionPrimary::MixedError(const v1::PushHeader& header) {
  return absl::InvalidArgumentError(absl::StrCat("the push brings data shards from ",
                                                 header.pieces(0).first_shard(),
                                                 " on of which some are applied and some are not"));
}

PushAdmission PartitionPrimary::Admit(const v1::PushHeader& header) {
  if (state_ != v1::RUNNING) {
    return {absl::FailedPreconditionError(
        absl::StrCat(spec_.job, " is ", v1::JobState_Name(state_), ": nothing more is applied"))};
  }
  if (rules_.is_sync()) return {AdmitRound(header.clock(), version_)};
  if (header.base_version() > version_) {
    return {absl::InvalidArgumentError(absl::StrCat("base_version is ", header.base_version(),
                                                    "; this partition is at version ", version_))};
  }
  if (rules_.is_ssp()) return {};
  const PushAdmission admission = AdmitStale(tip_version_ - header.base_version(), rules_.async());
  if (!admission.status.ok()) tally_.RefusedStale();
  return admission;
}

absl::Status PartitionPrimary::CheckFinite(const v1::PushHeader& header,
                                           const Block& gradients) const {
  const absl::optional<size_t> found = FirstNotFinite(gradients.floats());
  if (!found.has_value()) return absl::OkStatus();
  const size_t piece = *found / spec_.elements;
  return absl::InvalidArgumentError(absl::StrCat(
      "gradient of worker ", header.worker().id(), " holds ", gradients.floats()[*found],
      " at element ", *found % spec_.elements, " of partition ", spec_.partition, " (piece ", piece,
      ", data shard ", header.pieces(static_cast<int>(piece)).first_shard(),
      "); wanted finite numbers"));
}

absl::optional<PartitionPrimary::Update> PartitionPrimary::TakeIntoRound(
    const v1::PushHeader& header, const std::shared_ptr<Block>& gradients, Parked* caller) {
  const WorkPlan::Run run = *rules_.RoundAt(header.clock());
  // A round that waits for its norm is complete, and the next one may have another size.
  const bool is_open = !awaiting_norm_.has_value();
  if (is_open && round_ == nullptr) {
    round_ = std::make_unique<Reduction>(run.count, spec_.elements);
  }
  bool is_new = false;
  for (int i = 0; is_open && i < header.pieces_size(); ++i) {
    const v1::Piece& piece = header.pieces(i);
    const absl::StatusOr<bool> added =
        round_->Add({piece.first_shard() - run.first_ordinal, piece.shards()},
                    SumOf(piece, gradients, static_cast<size_t>(i)));
    PACELINE_CHECK(added.ok());  // CheckPush has seen that it is a node.
    is_new = is_new || *added;
  }
  caller->is_duplicate = !is_new;
  if (!is_new) {
    tally_.Duplicate();
    return absl::nullopt;
  }
  tally_.Taken(0);
  if (!round_->is_complete()) return absl::nullopt;
  Update update;
  update.kind = LogEntry::Kind::kRound;
  update.clock = header.clock();
  update.base_version = header.clock();
  update.shards = {{run.first_ordinal, run.count}};
  update.sum = round_->Take();
  round_.reset();
  return update;
}

PartitionPrimary::Update PartitionPrimary::TakeAlone(const v1::PushHeader& header,
                                                     std::shared_ptr<Block> gradients,
                                                     double damping) {
  Update update;
  update.kind = LogEntry::Kind::kPush;
  update.worker = header.worker().id();
  update.incarnation = header.worker().incarnation();
  update.clock = header.clock();
  update.base_version = header.base_version();
  update.staleness = tip_version_ - header.base_version();
  update.shards = ShardsOf(header);
  update.sum = SumOf(header.pieces(0), std::move(gradients), 0);
  update.damping = damping;
  update.total_square_norm = header.square_norm();
  tally_.Taken(update.staleness);
  if (damping != 1) tally_.Damped();
  return update;
}

GradientSum PartitionPrimary::SumOf(const v1::Piece& piece, std::shared_ptr<Block> gradients,
                                    size_t index) const {
  GradientSum sum;
  sum.block = std::move(gradients);
  sum.begin = index * spec_.elements;
  sum.weight = piece.weight();
  sum.samples = piece.samples();
  sum.loss_sum = piece.loss_sum();
  sum.correct = piece.correct();
  return sum;
}

void PartitionPrimary::HoldForNorm(Update update) {
  square_norms_.clear();
  BlockSquareNorms(
      absl::MakeConstSpan(update.sum.block->floats()).subspan(update.sum.begin, spec_.elements),
      spec_.segment_elements, 1 / update.sum.weight, &square_norms_);
  square_norms_version_ = tip_version_ + 1;
  awaiting_norm_ = std::move(update);
  has_progress_ = true;
}

LogEntry PartitionPrimary::Optimise(Update update) {
  const GradientSum& sum = update.sum;
  double scale = 1 / sum.weight * update.damping;
  if (clip_global_norm_.has_value()) {
    scale *= ClipFactor(*clip_global_norm_, update.total_square_norm);
  }
  const std::shared_ptr<Block> after = blocks_.Take(spec_.elements);
  const OptimizerStep step{static_cast<int64_t>(tip_version_ + 1), scale};
  optimizer_->Apply(step,
                    absl::MakeConstSpan(sum.block->floats()).subspan(sum.begin, spec_.elements),
                    tip_->floats(), after->floats(), slot_spans_);
  tip_ = after;
  ++tip_version_;

  LogEntry entry;
  entry.term = term_;
  entry.index = ++last_index_;
  entry.kind = update.kind;
  entry.worker = std::move(update.worker);
  entry.incarnation = update.incarnation;
  entry.clock = update.clock;
  entry.shards = std::move(update.shards);
  entry.base_version = update.base_version;
  entry.step = tip_version_;
  entry.gradient_scale = scale;
  entry.weight = sum.weight;
  entry.samples = sum.samples;
  entry.loss_sum = sum.loss_sum;
  entry.correct = sum.correct;
  entry.staleness = update.staleness;
  dedupe_.Appended(entry);
  unpublished_.push_back({entry, tip_});
  entry.gradient = sum.block;
  entry.gradient_begin = sum.begin;
  return entry;
}

void PartitionPrimary::Publish(uint64_t committed) {
  while (!unpublished_.empty() && unpublished_.front().entry.index <= committed) {
    const Unpublished& next = unpublished_.front();
    dedupe_.Applied(next.entry);
    tally_.Applied(next.entry);
    previous_ = std::move(current_);
    current_ = next.parameters;
    version_ = next.entry.step;
    committed_index_ = next.entry.index;
    has_progress_ = true;
    unpublished_.pop_front();
    news_ = news_ || IsMilestone();
  }
}

bool PartitionPrimary::IsMilestone() const {
  if (rules_.last_version() == version_) return true;
  return rules_.is_sync() && version_ == rules_.first_version() + granted_rounds_;
}

}  // namespace paceline
