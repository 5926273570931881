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

bool Overlap(ShardExtent a, ShardExtent b) {
  return a.first < b.first + b.count && b.first < a.first + a.count;
}

ShardExtent ExtentOf(const v1::Piece& piece) { return {piece.first_shard(), piece.shards()}; }

}  // namespace

absl::StatusOr<std::unique_ptr<PartitionPrimary>> PartitionPrimary::Create(
    const v1::JobDirective& directive, uint64_t term, std::unique_ptr<ReplicatedState> state,
    std::unique_ptr<ReplicaLog> log, absl::Time serve_after) {
  ASSIGN_OR_RETURN(auto rules, SegmentRules::Create(directive.segment(), state->shape().spec.work));
  std::unique_ptr<PartitionPrimary> partition(
      new PartitionPrimary(std::move(rules), std::move(state), std::move(log)));
  partition->serve_after_ = serve_after;
  partition->acknowledges_alone_ = directive.spec().fleet().acks() == v1::FleetSpec::LEADER;
  partition->term_ = term;
  partition->state_of_job_ = directive.state();
  partition->granted_rounds_ = directive.granted_rounds();
  partition->FollowRoster(directive.roster());
  return partition;
}

PartitionPrimary::PartitionPrimary(SegmentRules rules, std::unique_ptr<ReplicatedState> state,
                                   std::unique_ptr<ReplicaLog> log)
    : spec_(state->shape().spec),
      log_(std::move(log)),
      rules_(std::move(rules)),
      state_(std::move(state)),
      grace_(rules_.grace()) {
  if (spec_.optimizer.has_clip_global_norm()) {
    clip_global_norm_ = spec_.optimizer.clip_global_norm();
  }
}

// The life of a push. Each helper does the one thing it is named after; what happens next is
// decided here.
void PartitionPrimary::OnPush(absl::Time now, uint64_t call, const v1::PushHeader& header,
                              std::shared_ptr<Block> gradients, bool want_parameters,
                              Answers* answers) {
  const v1::WorkerIdentity& worker = header.worker();
  absl::Status status = CheckCaller(now, header.key(), worker);
  if (status.ok()) status = rules_.CheckPush(header, gradients.get(), spec_.elements);
  if (status.ok()) status = state_->dedupe().Meet(worker.id(), worker.incarnation());
  if (!status.ok()) return Refuse(call, worker, status, answers);
  Parked caller = CallerOf(now, call, header, want_parameters);

  // Dedupe.
  const Seen seen = Classify(header);
  if (seen == Seen::kMixed) return Refuse(call, worker, MixedError(header), answers);
  if (seen != Seen::kNew) {
    if (rules_.carries()) status = CheckFinite(header, *gradients);
    if (!status.ok()) return Refuse(call, worker, status, answers);
    state_->tally().Duplicate();
    if (rules_.has_rounds()) {
      state_->tally().Repeated(CountShards(header) - TakeLate(now, header, gradients));
    }
    caller.is_duplicate = true;
    caller.must_acknowledge = !rules_.has_rounds();
    caller.committed_index = seen == Seen::kAppended ? state_->last_index() : 0;
    Park(std::move(caller), answers);
    return Reply(now, answers);
  }

  // Gate.
  const PushAdmission admission = Admit(header);
  status = admission.status.ok() ? CheckFinite(header, *gradients) : admission.status;
  if (!status.ok()) return Refuse(call, worker, status, answers);

  if (!rules_.has_rounds() && !log_->may_append()) {
    if (parked_.size() + held_.size() >= kParkedMax) return Park(std::move(caller), answers);
    held_.push_back({now, call, header, std::move(gradients), want_parameters});
    return;
  }

  // Reduce, optimise, log, publish. A round is over when all of it, or enough, is there.
  if (rules_.has_rounds()) {
    TakeIntoRound(now, header, gradients, &caller);
    if (MayClose(now)) CloseRound(now);
  } else {
    Update update = TakeAlone(header, std::move(gradients), admission.damping);
    caller.staleness = update.staleness;
    caller.committed_index = state_->last_index() + 1;
    caller.must_acknowledge = acknowledges_alone_;
    Apply(now, std::move(update));
  }

  // Reply, to this call and to those that waited for what it brought.
  Park(std::move(caller), answers);
  Reply(now, answers);
}

void PartitionPrimary::OnSettle(absl::Time now, uint64_t call, const v1::SettleRequest& request,
                                Answers* answers) {
  absl::Status status = CheckCaller(now, request.key(), request.worker());
  if (status.ok()) status = CheckSettle(request);
  if (!status.ok()) return Refuse(call, request.worker(), status, answers);
  Parked caller;
  caller.call = call;
  caller.worker = request.worker().id();
  caller.since = now;
  caller.exact_version = request.clock() + 1;

  // The first Settle of a round decides; the others wait for what it brings, or read it.
  if (awaiting_norm_.has_value() && request.clock() == state_->tip_version()) {
    Update update = *std::move(awaiting_norm_);
    awaiting_norm_.reset();
    update.total_square_norm = request.total_square_norm();
    Apply(now, std::move(update));
  } else {
    caller.is_duplicate = true;
  }
  Park(std::move(caller), answers);
  Reply(now, answers);
}

void PartitionPrimary::OnPull(absl::Time now, uint64_t call, const v1::PullRequest& request,
                              Answers* answers) {
  const absl::Status status = CheckCaller(now, request.key(), request.worker());
  if (!status.ok()) return Refuse(call, request.worker(), status, answers);
  Parked caller;
  caller.call = call;
  caller.worker = request.worker().id();
  caller.since = now;
  if (request.has_exact_version()) {
    caller.exact_version = request.exact_version();
    caller.offers_help = request.offers_help();
  } else if (rules_.is_ssp()) {
    caller.read_clock = request.clock();
    if (request.clock() > 0 && !request.worker().id().empty()) {
      // Who is about to begin a clock has had its earlier pushes acknowledged. A new primary may not
      // know: a repetition's acknowledgement is in no log.
      caller.must_acknowledge = true;
      caller.incarnation = request.worker().incarnation();
      caller.clock = request.clock() - 1;
    }
  }
  Park(std::move(caller), answers);
  Reply(now, answers);
}

void PartitionPrimary::OnLogProgress(absl::Time now, uint64_t index, Answers* answers) {
  Publish(now, index);
  ApplyHeld(now, answers);
  Reply(now, answers);
}

void PartitionPrimary::OnTick(absl::Time now, Answers* answers) {
  const bool is_late = late_.OnTick(now, round_ == nullptr ? 0 : round_->missing());
  has_progress_ |= is_late;
  const bool may_close = grace_.OnTick(now) && MayClose(now);
  if (may_close) CloseRound(now);
  if (is_late || may_close) Reply(now, answers);
}

absl::Status PartitionPrimary::CheckCaller(absl::Time now, const v1::PartitionKey& key,
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
  if (now < serve_after_) {
    return absl::UnavailableError(absl::StrCat(
        "partition ", spec_.partition, " of ", spec_.job, " has a new primary, which serves in ",
        1 + absl::ToInt64Milliseconds(serve_after_ - now), " ms"));
  }
  // Who only reads need not say who it is.
  return worker.id().empty() ? absl::OkStatus()
                             : state_->dedupe().CheckIncarnation(worker.id(), worker.incarnation());
}

absl::Status PartitionPrimary::CheckSettle(const v1::SettleRequest& request) const {
  if (!rules_.has_rounds() || !clip_global_norm_.has_value()) {
    return absl::InvalidArgumentError(
        "Settle is for rounds with clip_global_norm; this job waits for no norm");
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
  const bool is_in_log = request.clock() < state_->tip_version();
  if (is_in_log || IsReduced(request.clock())) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("round ", request.clock(), " is not reduced; this partition is at version ",
                   state_->tip_version()));
}

bool PartitionPrimary::IsReduced(uint64_t version) const {
  return version == state_->tip_version() && (awaiting_norm_.has_value() || ready_.has_value());
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
  if (rules_.has_rounds()) {
    // Whoever is behind a quorum by more than a round had better begin with the newest.
    const bool is_behind = rules_.quorum() != nullptr && header.clock() + 1 < state_->version();
    if (!is_behind) caller.exact_version = header.clock() + 1;
    caller.offers_help = header.offers_help() && want_parameters;
  } else if (rules_.is_ssp() && want_parameters) {
    caller.read_clock = header.clock() + 1;
  }
  return caller;
}

Seen PartitionPrimary::Classify(const v1::PushHeader& header) const {
  if (rules_.is_bare()) {
    return state_->dedupe().ClassifyClock(header.worker().id(), header.worker().incarnation(),
                                          header.clock());
  }
  return state_->dedupe().ClassifyShards(ShardsOf(header));
}

absl::Status PartitionPrimary::MixedError(const v1::PushHeader& header) {
  return absl::InvalidArgumentError(absl::StrCat("the push brings data shards from ",
                                                 header.pieces(0).first_shard(),
                                                 " on of which some are applied and some are not"));
}

PushAdmission PartitionPrimary::Admit(const v1::PushHeader& header) {
  if (state_of_job_ != v1::RUNNING) {
    return {absl::FailedPreconditionError(absl::StrCat(
        spec_.job, " is ", v1::JobState_Name(state_of_job_), ": nothing more is applied"))};
  }
  if (rules_.has_rounds()) return {AdmitRound(header.clock(), state_->version())};
  // What was acknowledged by a primary alone may be gone with it.
  if (header.base_version() > state_->tip_version() && !acknowledges_alone_) {
    return {absl::InvalidArgumentError(absl::StrCat("base_version is ", header.base_version(),
                                                    "; this partition is at version ",
                                                    state_->version()))};
  }
  if (rules_.is_ssp()) return {};
  const PushAdmission admission = AdmitStale(StalenessOf(header.base_version()), rules_.async());
  if (!admission.status.ok()) state_->tally().RefusedStale();
  return admission;
}

uint64_t PartitionPrimary::StalenessOf(uint64_t base_version) const {
  return state_->tip_version() - std::min(base_version, state_->tip_version());
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

void PartitionPrimary::TakeIntoRound(absl::Time now, const v1::PushHeader& header,
                                     const std::shared_ptr<Block>& gradients, Parked* caller) {
  const WorkPlan::Run run = *rules_.RoundAt(header.clock());
  // A round that waits for its norm or to be appended is closed, and the next one may have another
  // size.
  const bool is_open = !IsReduced(state_->tip_version()) && header.clock() == state_->tip_version();
  uint64_t added = 0;
  if (is_open) {
    if (round_ == nullptr) round_ = std::make_unique<Reduction>(run.count, spec_.elements);
    const uint64_t missing = round_->missing();
    for (int i = 0; i < header.pieces_size(); ++i) {
      const v1::Piece& piece = header.pieces(i);
      const absl::StatusOr<bool> taken =
          round_->Add({piece.first_shard() - run.first_ordinal, piece.shards()},
                      SumOf(piece, gradients, static_cast<size_t>(i)));
      PACELINE_CHECK(taken.ok());  // CheckPush has seen that it is a node.
    }
    added = missing - round_->missing();
  }
  caller->is_duplicate = added == 0;
  if (is_open || rules_.quorum() == nullptr) {
    state_->tally().Repeated(CountShards(header) - added);
  }
  if (added == 0) return state_->tally().Duplicate();
  ++round_pushes_;
  if (rules_.quorum() != nullptr) {
    grace_.Arrived(now, header.clock(), run.count);
  } else if (2 * round_->missing() <= run.count) {
    late_.HalfArrived(now);
  }
}

bool PartitionPrimary::MayClose(absl::Time now) const {
  if (round_ == nullptr || state_of_job_ != v1::RUNNING) return false;
  if (round_->is_complete()) return true;
  const v1::QuorumMode* const quorum = rules_.quorum();
  if (quorum == nullptr || !grace_.IsOver(now)) return false;
  return CountMembersIn(rules_.RoundAt(state_->tip_version())->count, round_->Missing(),
                        static_cast<uint32_t>(roster_.members_size()))
      .Suffice(quorum->workers());
}

void PartitionPrimary::CloseRound(absl::Time now) {
  const WorkPlan::Run run = *rules_.RoundAt(state_->tip_version());
  late_.Close();
  grace_.Close();
  Update update;
  update.kind = LogEntry::Kind::kRound;
  update.clock = state_->tip_version();
  update.base_version = state_->tip_version();
  update.shards = {{run.first_ordinal, run.count}};
  for (const LeafRun& leaves : round_->Missing()) {
    update.dropped.push_back({run.first_ordinal + leaves.first, leaves.count});
  }
  update.sum = round_->Take();
  round_.reset();
  if (!carried_.shards.empty()) AddTo(carried_.sum, spec_.elements, &update.sum);
  update.carried = std::exchange(carried_, {}).shards;
  update.pushes = std::exchange(round_pushes_, 0);
  if (clip_global_norm_.has_value()) {
    HoldForNorm(std::move(update));
  } else {
    Apply(now, std::move(update));
  }
}

uint64_t PartitionPrimary::TakeLate(absl::Time now, const v1::PushHeader& header,
                                    const std::shared_ptr<Block>& gradients) {
  if (rules_.quorum() == nullptr) return 0;
  const bool carries = rules_.carries() && state_of_job_ == v1::RUNNING;
  uint64_t late = 0;
  for (int i = 0; i < header.pieces_size(); ++i) {
    const ShardExtent shards = ExtentOf(header.pieces(i));
    if (!MayCarry(shards)) continue;
    late += shards.count;
    if (carries) Carry(SumOf(header.pieces(i), gradients, static_cast<size_t>(i)), shards);
  }
  if (late > 0) grace_.Arrived(now, header.clock(), rules_.RoundAt(header.clock())->count);
  return late;
}

bool PartitionPrimary::MayCarry(ShardExtent shards) const {
  if (!state_->dropped().Contains(shards)) return false;
  // Neither for the open round nor in one that is closed and not yet in the log.
  const auto is_taken = [shards](const std::vector<ShardExtent>& carried) {
    return std::any_of(carried.begin(), carried.end(),
                       [shards](ShardExtent one) { return Overlap(one, shards); });
  };
  if (awaiting_norm_.has_value() && is_taken(awaiting_norm_->carried)) return false;
  if (ready_.has_value() && is_taken(ready_->carried)) return false;
  return !is_taken(carried_.shards);
}

void PartitionPrimary::Carry(GradientSum sum, ShardExtent shards) {
  const double factor = rules_.quorum()->carry_weight();
  for (float& value : sum.block->floats().subspan(sum.begin, spec_.elements)) {
    value = static_cast<float>(value * factor);
  }
  sum.weight *= factor;
  if (carried_.shards.empty()) {
    carried_.sum = std::move(sum);
  } else {
    AddTo(sum, spec_.elements, &carried_.sum);
  }
  carried_.shards.push_back(shards);
}

PartitionPrimary::Update PartitionPrimary::TakeAlone(const v1::PushHeader& header,
                                                     std::shared_ptr<Block> gradients,
                                                     double damping) {
  Update update;
  update.kind = LogEntry::Kind::kPush;
  update.worker = header.worker().id();
  update.incarnation = header.worker().incarnation();
  update.clock = header.clock();
  update.staleness = StalenessOf(header.base_version());
  update.base_version = state_->tip_version() - update.staleness;
  update.shards = ShardsOf(header);
  update.sum = SumOf(header.pieces(0), std::move(gradients), 0);
  update.damping = damping;
  update.total_square_norm = header.square_norm();
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
  BlockSquareNorms(
      absl::MakeConstSpan(update.sum.block->floats()).subspan(update.sum.begin, spec_.elements),
      spec_.segment_elements, 1 / update.sum.weight, &update.square_norms);
  awaiting_norm_ = std::move(update);
  has_progress_ = true;
}

LogEntry PartitionPrimary::EntryOf(Update update) const {
  GradientSum& sum = update.sum;
  double scale = 1 / sum.weight * update.damping;
  if (clip_global_norm_.has_value()) {
    scale *= ClipFactor(*clip_global_norm_, update.total_square_norm);
  }
  LogEntry entry;
  entry.term = term_;
  entry.index = state_->last_index() + 1;
  entry.kind = update.kind;
  entry.worker = std::move(update.worker);
  entry.incarnation = update.incarnation;
  entry.clock = update.clock;
  entry.shards = std::move(update.shards);
  entry.base_version = update.base_version;
  entry.step = state_->tip_version() + 1;
  entry.gradient_scale = scale;
  entry.gradient = std::move(sum.block);
  entry.gradient_begin = sum.begin;
  entry.weight = sum.weight;
  entry.samples = sum.samples;
  entry.loss_sum = sum.loss_sum;
  entry.correct = sum.correct;
  entry.staleness = update.staleness;
  entry.pushes = update.pushes;
  entry.damped = update.damping != 1;
  entry.square_norms = std::move(update.square_norms);
  entry.dropped = std::move(update.dropped);
  entry.carried = std::move(update.carried);
  return entry;
}

void PartitionPrimary::Apply(absl::Time now, Update update) {
  if (!log_->may_append()) {
    PACELINE_CHECK(rules_.has_rounds() && !ready_.has_value());
    ready_ = std::move(update);
    return;
  }
  LogEntry entry = EntryOf(std::move(update));
  state_->Append(entry);
  Publish(now, log_->Append(now, std::move(entry)));
  has_progress_ |= acknowledges_alone_;
}

void PartitionPrimary::ApplyHeld(absl::Time now, Answers* answers) {
  if (!log_->may_append()) return;
  if (ready_.has_value()) {
    Update update = *std::move(ready_);
    ready_.reset();
    Apply(now, std::move(update));
  }
  for (HeldPush& push : std::exchange(held_, {})) {
    OnPush(now, push.call, push.header, std::move(push.gradients), push.want_parameters, answers);
  }
}

void PartitionPrimary::Publish(absl::Time now, uint64_t committed) {
  if (!state_->Publish(committed)) return;
  if (rules_.has_rounds()) late_.Open(now);
  has_progress_ = true;
  news_ = news_ || IsMilestone();
}

bool PartitionPrimary::IsMilestone() const {
  if (rules_.last_version() == state_->version()) return true;
  return rules_.has_rounds() && state_->version() == rules_.first_version() + granted_rounds_;
}

}  // namespace paceline
