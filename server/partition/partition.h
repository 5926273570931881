// One partition where it is served: takes pushes, makes versions, answers reads.
//
// Shapes   A push's gradients are [pieces * elements] float32, piece after piece.
// Units    `call` numbers one request, unique among those not yet answered.
//          `now`, the caller's clock, never goes back.
// Errors   Each call is answered once, by this event or a later one (proto/parameter.proto has the
//          codes). A call answered with an error has changed nothing, but that a worker's newer
//          incarnation is remembered. OnDirective: FailedPrecondition, InvalidArgument: it cannot
//          be followed, and what was refused is as it was.
// Threads  One thread at a time. Blocks handed out in answers are immutable and may outlive it.
// Source   docs/protocol.md.
//
// Events go in, answers come out; no clock, no thread, no I/O but the log's.
#ifndef PACELINE_SERVER_PARTITION_PARTITION_H_
#define PACELINE_SERVER_PARTITION_PARTITION_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "absl/types/span.h"
#include "common/tensor/block.h"
#include "proto/control.pb.h"
#include "proto/parameter.pb.h"
#include "proto/replica.pb.h"
#include "server/partition/answer.h"
#include "server/partition/dedupe.h"
#include "server/partition/gate.h"
#include "server/partition/late_round.h"
#include "server/partition/partition_spec.h"
#include "server/partition/reduction.h"
#include "server/partition/replicated_state.h"
#include "server/partition/round_grace.h"
#include "server/partition/segment_rules.h"
#include "server/replica/install_image.h"
#include "server/replica/log.h"

namespace paceline {

class PartitionPrimary {
 public:
  using Answers = std::vector<Answer>;

  // Calls parked at once; more are refused as RESOURCE_EXHAUSTED.
  static constexpr size_t kParkedMax = 65536;

  // Serves `state`, whose entries `log` goes on with, as primary of `term`; nobody is answered
  // before `serve_after`.
  //   InvalidArgument      the segment's values are wrong.
  static absl::StatusOr<std::unique_ptr<PartitionPrimary>> Create(
      const v1::JobDirective& directive, uint64_t term, std::unique_ptr<ReplicatedState> state,
      std::unique_ptr<ReplicaLog> log, absl::Time serve_after = absl::InfinitePast());

  // Push (want_parameters false) and Exchange (true). `gradients` is given away: sums are made in
  // it.
  void OnPush(absl::Time now, uint64_t call, const v1::PushHeader& header,
              std::shared_ptr<Block> gradients, bool want_parameters, Answers* answers);
  void OnPull(absl::Time now, uint64_t call, const v1::PullRequest& request, Answers* answers);
  void OnSettle(absl::Time now, uint64_t call, const v1::SettleRequest& request, Answers* answers);

  // Forgets a parked call. Unknown ones are ignored.
  void OnCancel(uint64_t call);

  // Whoever offers help with a round that is late is told what it lacks; a quorum round whose grace
  // is over may be closed. NextTick: when next that may be so.
  void OnTick(absl::Time now, Answers* answers);
  absl::Time NextTick() const { return std::min(late_.next(), grace_.next()); }

  // The job's state, term, segment and roster are now these. Older ones are ignored.
  absl::Status OnDirective(absl::Time now, const v1::JobDirective& directive, uint64_t term,
                           Answers* answers);

  // The log has committed all entries up to `committed`: tips become versions. Nobody is answered
  // yet.
  void Publish(absl::Time now, uint64_t committed);
  // The log has committed all entries up to `index`, or a promise has come, or more copies are in
  // sync.
  void OnLogProgress(absl::Time now, uint64_t index, Answers* answers);

  // Answers every call, parked or to come, with `reason`.
  void End(const absl::Status& reason, Answers* answers);
  // Ends, and gives the state away; the primary is of no use afterwards.
  std::unique_ptr<ReplicatedState> StepDown(const absl::Status& reason, Answers* answers);

  // Without what its log says of itself and of backups.
  v1::PartitionReport Report(absl::Time now) const;

  // Whether something happened since the last call that the coordinator should hear soon.
  bool TakeNews();

  // A picture of the newest there is, committed or not.
  InstallImage TakeImage() const { return state_->TakeImage(); }
  absl::optional<v1::StateDigest> DigestAt(uint64_t index) const { return state_->DigestAt(index); }

  const ReplicatedState& state() const { return *state_; }
  uint64_t elements() const { return spec_.elements; }
  // The newest committed version.
  uint64_t version() const { return state_->version(); }

 private:
  // A call and what has to be true before it is answered: all of it.
  struct Parked {
    uint64_t call = 0;
    std::string worker;
    absl::Time since;
    bool want_parameters = true;
    // The log has committed this entry, or with acks: leader lets it be acknowledged; 0: any.
    uint64_t committed_index = 0;
    // This version exists. Then exactly it is answered.
    absl::optional<uint64_t> exact_version;
    // ssp: the roster's members have come far enough for this clock; 0: any.
    uint64_t read_clock = 0;
    // With exact_version: it may be told what the round lacks that makes it.
    bool offers_help = false;
    bool is_duplicate = false;
    // ssp, async: `clock` of this worker is over once committed_index is reached.
    bool must_acknowledge = false;
    uint64_t incarnation = 0;
    uint64_t clock = 0;
    uint64_t staleness = 0;
  };

  // A step that is ready to be made.
  struct Update {
    LogEntry::Kind kind = LogEntry::Kind::kRound;
    std::string worker;
    uint64_t incarnation = 0;
    uint64_t clock = 0;
    std::vector<ShardExtent> shards;
    uint64_t base_version = 0;
    uint64_t staleness = 0;
    GradientSum sum;
    uint64_t pushes = 1;
    double damping = 1;
    // Over all partitions, of sum / weight; used with clip_global_norm.
    double total_square_norm = 0;
    std::vector<double> square_norms;  // kRound with clip_global_norm.
    // quorum: as LogEntry has them.
    std::vector<ShardExtent> dropped;
    std::vector<ShardExtent> carried;
  };

  // quorum: what came after its round, for the next one that is closed.
  struct Carried {
    GradientSum sum;  // No block while there is nothing.
    std::vector<ShardExtent> shards;
  };

  // ssp, async: a push that is right and waits for more copies to be in sync.
  struct HeldPush {
    absl::Time since;
    uint64_t call = 0;
    v1::PushHeader header;
    std::shared_ptr<Block> gradients;
    bool want_parameters = true;
  };

  PartitionPrimary(SegmentRules rules, std::unique_ptr<ReplicatedState> state,
                   std::unique_ptr<ReplicaLog> log);

  // May this caller speak to this partition as it is now, and say this?
  absl::Status CheckCaller(absl::Time now, const v1::PartitionKey& key,
                           const v1::WorkerIdentity& worker) const;
  absl::Status CheckSettle(const v1::SettleRequest& request) const;
  absl::Status CheckFinite(const v1::PushHeader& header, const Block& gradients) const;
  static absl::Status MixedError(const v1::PushHeader& header);

  // The steps of a push.
  Parked CallerOf(absl::Time now, uint64_t call, const v1::PushHeader& header,
                  bool want_parameters) const;
  Seen Classify(const v1::PushHeader& header) const;
  PushAdmission Admit(const v1::PushHeader& header);
  void TakeIntoRound(absl::Time now, const v1::PushHeader& header,
                     const std::shared_ptr<Block>& gradients, Parked* caller);
  // Whether all of the open round is there, or as much as a quorum round can be closed with.
  bool MayClose(absl::Time now) const;
  // Logs the open round, or keeps it until it can be.
  void CloseRound(absl::Time now);
  // quorum: of a push that is in the log as over, what a round was closed without, which is carried
  // if the job carries. Returns how many data shards.
  uint64_t TakeLate(absl::Time now, const v1::PushHeader& header,
                    const std::shared_ptr<Block>& gradients);
  bool MayCarry(ShardExtent shards) const;
  void Carry(GradientSum sum, ShardExtent shards);
  Update TakeAlone(const v1::PushHeader& header, std::shared_ptr<Block> gradients, double damping);
  GradientSum SumOf(const v1::Piece& piece, std::shared_ptr<Block> gradients, size_t index) const;
  void HoldForNorm(Update update);
  // The entry that says how the next tip is made.
  LogEntry EntryOf(Update update) const;
  // 0 for what was computed on a version that a lost primary made.
  uint64_t StalenessOf(uint64_t base_version) const;
  // Makes the next tip and logs it; a round that may not be appended yet is kept until it may.
  void Apply(absl::Time now, Update update);
  void ApplyHeld(absl::Time now, Answers* answers);
  // Answers every parked call that need not wait any longer.
  void Reply(absl::Time now, Answers* answers);

  // What pushes are acknowledged up to, and what reads show.
  uint64_t AcknowledgedIndex() const;
  uint64_t ShownVersion() const;

  void Park(Parked parked, Answers* answers);
  void Refuse(uint64_t call, const v1::WorkerIdentity& worker, const absl::Status& status,
              Answers* answers);
  // The round that makes the version it waits for is reduced and not settled.
  bool IsAwaitingNorm(const Parked& parked) const;
  bool MustWait(const Parked& parked, const absl::optional<SlowestMember>& slowest) const;
  // It offers help, and the round that it waits for is late and wants some.
  bool MayHelp(const Parked& parked) const;
  // For a call that need not wait, and for one that is to help.
  Answer AnswerTo(absl::Time now, const Parked& parked) const;
  Answer AnswerMissing(absl::Time now, const Parked& parked) const;
  // The round that starts from that version is complete, and not yet in the log.
  bool IsReduced(uint64_t version) const;
  WaitReason WhyParked(absl::Time now, const Parked& parked) const;
  WaitReason WhyNotInSync() const;
  WaitReason WhyNotCommitted(uint64_t index) const;
  WaitReason WhyNotPromised(absl::Time now) const;
  void AnswerAllParked(const absl::Status& status, Answers* answers);

  absl::Status FollowSegment(const v1::Segment& segment, Answers* answers);
  void FollowRoster(const v1::Roster& roster);
  bool IsMilestone() const;

  // Constant. The spec is the state's.
  const PartitionSpec& spec_;
  const std::unique_ptr<ReplicaLog> log_;
  absl::optional<double> clip_global_norm_;
  absl::Time serve_after_;
  // acks: leader; then never in sync. Workers are answered out of the tip.
  bool acknowledges_alone_ = false;

  // What directives say.
  uint64_t term_ = 0;
  v1::JobState state_of_job_ = v1::JOB_STATE_UNSPECIFIED;
  SegmentRules rules_;
  v1::Roster roster_;
  uint64_t granted_rounds_ = 0;
  absl::Status ended_;  // Not OK: what every call is answered with.

  // Versions and what has made them. The tip is the newest computed, the version the newest
  // committed.
  std::unique_ptr<ReplicatedState> state_;

  // sync, quorum: the round that starts from the tip, until it is reduced, then until its norm is
  // known, then until enough copies are in sync.
  std::unique_ptr<Reduction> round_;
  uint64_t round_pushes_ = 0;
  LateRound late_;    // sync.
  RoundGrace grace_;  // quorum.
  Carried carried_;
  absl::optional<Update> awaiting_norm_;
  absl::optional<Update> ready_;
  // ssp, async.
  std::deque<HeldPush> held_;

  // In order of arrival. The first examined_ of them are known to wait, unless there was progress:
  // a commit, a reduced round, another roster.
  std::vector<Parked> parked_;
  size_t examined_ = 0;
  bool has_progress_ = false;
  bool news_ = false;
};

}  // namespace paceline

#endif  // PACELINE_SERVER_PARTITION_PARTITION_H_
