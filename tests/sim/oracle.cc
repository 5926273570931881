#include "tests/sim/oracle.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/job/job_work.h"

namespace paceline::sim {
namespace {

ShardSet ShardsOf(const v1::PushHeader& header) {
  ShardSet shards;
  for (const v1::Piece& piece : header.pieces()) shards.Insert(piece.first_shard(), piece.shards());
  return shards;
}

}  // namespace

ShardSet Oracle::AppliedIn(const v1::PartitionReport& report) {
  ShardSet applied;
  applied.Insert(0, report.applied_below());
  for (const v1::ShardExtent& extent : report.applied()) {
    applied.Insert(extent.first(), extent.count());
  }
  return applied;
}

WorkPlan Oracle::PlanOf(const v1::Segment& segment) const {
  const v1::TrainSpec& train = scenario_->spec.train();
  return WorkPlan(
      segment.first_shard(), scenario_->shards_per_epoch(), scenario_->total_shards(),
      HasRounds(segment.consistency()) ? train.shards_per_round() : train.shards_per_push());
}

// ---- What goes in ----

void Oracle::OnTold(uint64_t life, const v1::JobDirective& directive) {
  if (!replicas_.OnTold(life, directive)) return;
  ++counts_.restores;
  views_.clear();
  rounds_.clear();
  if (!scenario_->may_lose_all())
    Fail("the job goes back to a checkpoint, although none need have");
}

void Oracle::OnDirectives(const std::string& server, const v1::ServerSyncReply& reply) {
  for (const v1::JobDirective& directive : reply.jobs()) {
    const v1::Segment& segment = directive.segment();
    if (directive.placement_size() == 0) continue;
    const auto known = segments_.emplace(segment.index(), segment).first;
    if (known->second.SerializeAsString() != segment.SerializeAsString()) {
      Fail(absl::StrCat("segment ", segment.index(), " was ", known->second.ShortDebugString(),
                        " and is now ", segment.ShortDebugString()));
    }
    for (const v1::PartitionPlacement& placement : directive.placement()) {
      v1::Roster& roster = copies_[{server, placement.partition()}].roster;
      if (directive.roster().version() >= roster.version()) roster = directive.roster();
    }
  }
}

Oracle::Call& Oracle::Note(const std::string& server, uint64_t call, const v1::PartitionKey& key,
                           const v1::WorkerIdentity& worker) {
  Call& noted = calls_[call];
  noted.server = server;
  noted.partition = key.partition();
  noted.segment = key.segment();
  noted.worker = worker;
  noted.version_before = copies_[{server, noted.partition}].report.version();
  uint64_t& newest = views_[noted.partition].newest[worker.id()];
  newest = std::max(newest, worker.incarnation());
  return noted;
}

void Oracle::OnPush(const std::string& server, uint64_t call, const v1::PushHeader& header) {
  ++counts_.pushes;
  Call& push = Note(server, call, header.key(), header.worker());
  push.is_push = true;
  push.clock = header.clock();
  push.shards = ShardsOf(header);
  push.base_version = header.base_version();
  const auto segment = segments_.find(push.segment);
  if (segment != segments_.end() && segment->second.consistency().has_ssp()) {
    push.read_clock = header.clock() + 1;
  }
  push.wants_newest = segment != segments_.end() && !HasRounds(segment->second.consistency());
}

void Oracle::OnPull(const std::string& server, uint64_t call, const v1::PullRequest& request) {
  Call& pull = Note(server, call, request.key(), request.worker());
  pull.read_clock = request.clock();
  pull.wants_newest = !request.has_exact_version();
}

void Oracle::OnSettle(const std::string& server, uint64_t call, const v1::SettleRequest& request) {
  Note(server, call, request.key(), request.worker());
}

// A push that nobody waits for any more may still be applied.
void Oracle::Orphan(Call call) {
  if (!call.is_push || !IsReplicated()) return;
  views_[call.partition].orphans.push_back(std::move(call));
}

void Oracle::OnCancel(uint64_t call) {
  const auto found = calls_.find(call);
  if (found == calls_.end()) return;
  Orphan(std::move(found->second));
  calls_.erase(found);
}

void Oracle::OnServerGone(const std::string& server, uint64_t incarnation) {
  for (auto it = calls_.begin(); it != calls_.end();) {
    if (it->second.server != server) {
      ++it;
      continue;
    }
    Orphan(std::move(it->second));
    it = calls_.erase(it);
  }
  for (auto it = copies_.lower_bound({server, 0});
       it != copies_.end() && it->first.first == server;) {
    it = copies_.erase(it);
  }
  replicas_.OnServerGone(server, incarnation);
}

// Whether an answer need not come in the event that makes it possible: it may wait for a backup.
bool Oracle::IsReplicated() const {
  return scenario_->replicas() > 1 || !scenario_->orders.empty();
}

// ---- What comes out ----

void Oracle::OnAnswer(const Answer& answer) {
  const auto found = calls_.find(answer.call);
  if (found == calls_.end()) return Fail(absl::StrCat("call ", answer.call, " answered twice"));
  Call call = std::move(found->second);
  calls_.erase(found);
  if (!answer.status.ok()) {
    ++counts_.refused;
    if (absl::IsAborted(answer.status)) ++counts_.stale;
    if (absl::IsInvalidArgument(answer.status) || absl::IsInternal(answer.status)) {
      Fail(absl::StrCat("a correct sender was refused: ", answer.status.ToString()));
    }
    if (!call.is_new) Orphan(std::move(call));
    return;
  }
  if (answer.header.duplicate()) ++counts_.duplicates;
  acknowledged_.push_back({std::move(call), answer.header, answer.parameters != nullptr});
}

// Once the whole event is known: a push may have freed the reads of others.
void Oracle::CheckAnswered(const Acknowledged& done) {
  const Call& call = done.call;
  const Copy& copy = copies_[{call.server, call.partition}];
  if (replicas_.IsPast(copy.report)) return;
  // Neither a wait for a norm nor a call for help acknowledges anything.
  if (!done.header.awaiting_norm() && done.header.missing().empty()) {
    if (scenario_->ahead() == 0 && !copy.applied.Contains(call.shards)) {
      Fail(absl::StrCat("partition ", call.partition, " on ", call.server,
                        " acknowledged data shards ", call.shards.Show(), " and has applied ",
                        copy.applied.Show()));
    }
    const uint64_t read = call.wants_newest ? done.header.version() : copy.report.version();
    replicas_.OnAnswer(call.server, copy.report, copy.applied, done.is_read ? &read : nullptr,
                       call.shards);
  }
  const auto found = segments_.find(call.segment);
  if (found == segments_.end()) return;
  const v1::Segment& segment = found->second;
  const bool is_current = copy.reported && copy.report.segment() == call.segment;
  if (segment.consistency().has_ssp() && call.read_clock > 0 && is_current) {
    ++counts_.gated_reads;
    std::string why;
    if (done.is_read && !MayRead(copy, views_[call.partition], segment, call, false, &why)) {
      Fail(absl::StrCat("partition ", call.partition, " answered ", call.worker.id(),
                        "'s read at clock ", call.read_clock, " too early: ", why));
    }
  }
  if (segment.consistency().has_async() && call.is_push && is_current) {
    CheckStaleness(done, segment);
  }
}

// With replicas, others may have been appended before it and be committed with it.
void Oracle::CheckStaleness(const Acknowledged& done, const v1::Segment& segment) {
  const Call& call = done.call;
  const v1::AsyncMode& mode = segment.consistency().async();
  if (done.header.duplicate()) return;
  const uint64_t staleness = done.header.staleness();
  const v1::PartitionReport& report = copies_[{call.server, call.partition}].report;
  // Entry i makes version i.
  const uint64_t version = scenario_->ahead() > 0 ? report.last_index() : report.version();
  const uint64_t least =
      call.version_before > call.base_version ? call.version_before - call.base_version : 0;
  const uint64_t before = version - std::min<uint64_t>(version, 1);
  const bool is_alone = call.is_new && !IsReplicated();
  const uint64_t most = is_alone ? least : before - std::min(before, call.base_version);
  if (staleness < least || staleness > most) {
    Fail(absl::StrCat("a push computed on version ", call.base_version, " came to version ",
                      call.version_before, ", was answered at version ", version,
                      " and was told staleness ", staleness));
  }
  if (mode.has_max_staleness() && mode.on_stale() == v1::AsyncMode::REFUSE &&
      staleness > mode.max_staleness()) {
    Fail(absl::StrCat("a push of staleness ", staleness, " was applied; at most ",
                      mode.max_staleness(), " is allowed"));
  }
}

bool Oracle::MayRead(const Copy& copy, const View& view, const v1::Segment& segment,
                     const Call& call, bool strict, std::string* why) const {
  const uint64_t staleness = segment.consistency().ssp().staleness();
  for (const v1::RosterMember& member : copy.roster.members()) {
    if (member.idle()) continue;
    const auto newest = view.newest.find(member.worker().id());
    const bool is_replaced =
        newest != view.newest.end() && newest->second > member.worker().incarnation();
    if (is_replaced && !strict) continue;
    const auto known = view.next_clock.find({member.worker().id(), member.worker().incarnation()});
    const uint64_t next =
        std::max(member.start_clock(), known == view.next_clock.end() ? 0 : known->second);
    // Committed read_clock - staleness - 1, that is: next > that.
    if (next + staleness >= call.read_clock) continue;
    *why = absl::StrCat(member.worker().id(), "#", member.worker().incarnation(),
                        " has committed all below clock ", next, " only, staleness is ", staleness);
    return false;
  }
  return true;
}

// ---- What a partition has become ----

void Oracle::AfterEvent(const std::string& server,
                        const std::vector<v1::PartitionReport>& reports) {
  replicas_.OnHeld(server, reports);
  for (const v1::PartitionReport& report : reports) FollowReport(server, report);
  if (scenario_->ahead() > 0) CountArrived();
  for (const Acknowledged& done : acknowledged_) CheckAnswered(done);
  CheckWaits(server);
  for (auto& [number, call] : calls_) call.is_new = false;
  acknowledged_.clear();
}

void Oracle::FollowReport(const std::string& server, const v1::PartitionReport& report) {
  Copy& copy = copies_[{server, report.partition()}];
  if (!copy.reported || copy.report.version() != report.version() ||
      copy.report.replica() != report.replica() || copy.report.applied_size() > 0 ||
      report.applied_size() > 0 || copy.report.applied_below() != report.applied_below()) {
    copy.applied = AppliedIn(report);
  }
  replicas_.OnReport(server, report, copy.applied);
  if (!report.is_backup() && !replicas_.IsPast(report)) FollowPrimary(server, report, &copy);
  copy.report = report;
  copy.reported = true;
}

void Oracle::FollowPrimary(const std::string& server, const v1::PartitionReport& report,
                           Copy* copy) {
  View& view = views_[report.partition()];
  TakePushes(server, report, &view);
  const bool is_older = view.reported && report.segment() < view.report.segment();
  // A new primary may not know yet that the segment's beginning is committed.
  if (IsReplicated() && report.version() < segments_[report.segment()].first_version()) return;
  const bool is_restored = !view.reported && replicas_.has_restarted();
  const bool is_next = !view.reported || report.segment() > view.report.segment();
  if (is_next && !is_restored) CheckSegmentStart(report);
  const bool is_same = copy->reported && !copy->report.is_backup() &&
                       copy->report.version() == report.version() &&
                       copy->report.segment() == report.segment();
  if (!is_same) CheckSteps(report, copy->applied);
  if (is_restored) return BeginAnew(report, copy->applied, &view);
  if (view.reported && (is_older || report.version() < view.report.version())) return;
  if (!copy->applied.Contains(view.applied)) {
    Fail(absl::StrCat("partition ", report.partition(), " at version ", report.version(), " on ",
                      server, " has applied ", copy->applied.Show(), "; it had applied ",
                      view.applied.Show()));
  }
  const v1::Segment& segment = segments_[report.segment()];
  const uint64_t before = std::max(view.report.version(), segment.first_version());
  if (segment.consistency().has_sync()) {
    for (uint64_t v = before; v < report.version(); ++v) CheckRound(view, segment, v);
  }
  if (segment.consistency().has_quorum() && report.version() == before + 1) {
    CheckQuorum(server, view, segment, report);
  }
  NoteDamping(report, view);
  view.report = report;
  view.applied = copy->applied;
  view.reported = true;
  CommitClocks(report, &view);
  CheckAgreement(report);
}

void Oracle::BeginAnew(const v1::PartitionReport& report, const ShardSet& applied, View* view) {
  view->report = report;
  view->applied = applied;
  view->reported = true;
  for (auto it = damping_.begin(); it != damping_.end();) {
    const auto& [partition, shard] = it->first;
    const bool is_undone = partition == report.partition() && !applied.Has(shard);
    it = is_undone ? damping_.erase(it) : std::next(it);
  }
  CheckAgreement(report);
}

// acks: leader: a push that has arrived may end its clock, whatever becomes of it.
void Oracle::CountArrived() {
  const auto count = [this](const Call& call) {
    View& view = views_[call.partition];
    uint64_t& next = view.next_clock[{call.worker.id(), call.worker.incarnation()}];
    next = std::max(next, call.is_push ? call.clock + 1 : call.read_clock);
  };
  for (const Acknowledged& done : acknowledged_) count(done.call);
  for (const auto& [number, call] : calls_) count(call);
}

// A push that was taken or known, and is applied, ends its clock for its worker. Whoever reads at a
// clock has nothing under way of those before it, some of which it may never have had.
void Oracle::CommitClocks(const v1::PartitionReport& report, View* view) {
  const auto commit = [view, &report](const Call& call) {
    if (call.segment != report.segment() || !view->applied.Contains(call.shards)) return false;
    uint64_t& next = view->next_clock[{call.worker.id(), call.worker.incarnation()}];
    next = std::max(next, call.is_push ? call.clock + 1 : call.read_clock);
    return true;
  };
  for (const Acknowledged& done : acknowledged_) {
    if (done.call.partition == report.partition()) commit(done.call);
  }
  for (const auto& [number, call] : calls_) {
    if (call.partition == report.partition()) commit(call);
  }
  auto& orphans = view->orphans;
  orphans.erase(std::remove_if(orphans.begin(), orphans.end(), commit), orphans.end());
}

// Rounds: what arrived in this event and was not refused is in the open one.
void Oracle::TakePushes(const std::string& server, const v1::PartitionReport& report, View* view) {
  if (!HasRounds(segments_[report.segment()].consistency())) return;
  const auto take = [&](const Call& call) {
    if (call.server != server || call.partition != report.partition()) return;
    if (call.segment != report.segment() || !call.is_push || !call.is_new) return;
    view->arrived[call.clock][{server, report.term()}].Insert(call.shards);
  };
  for (const auto& [number, call] : calls_) take(call);
  for (const Acknowledged& done : acknowledged_) take(done.call);
}

void Oracle::CheckSegmentStart(const v1::PartitionReport& report) {
  const auto segment = segments_.find(report.segment());
  if (segment == segments_.end()) {
    return Fail(absl::StrCat("partition ", report.partition(), " runs segment ", report.segment(),
                             ", which no directive named"));
  }
  const v1::Segment& s = segment->second;
  if (report.version() != s.first_version() || report.applied_below() != s.first_shard() ||
      report.applied_size() > 0) {
    Fail(absl::StrCat("segment ", s.ShortDebugString(), " began at partition ", report.partition(),
                      " with version ", report.version(), " and data shards ",
                      AppliedIn(report).Show()));
  }
}

void Oracle::CheckSteps(const v1::PartitionReport& report, const ShardSet& applied) {
  const v1::Segment& segment = segments_[report.segment()];
  const WorkPlan plan = PlanOf(segment);
  if (report.version() < segment.first_version()) {
    return Fail(absl::StrCat("partition ", report.partition(), " runs segment ",
                             segment.ShortDebugString(), " at version ", report.version()));
  }
  uint64_t shards = segment.first_shard();
  if (HasRounds(segment.consistency())) {
    const uint64_t rounds = report.version() - segment.first_version();
    if (rounds > 0) shards = plan.At(rounds - 1).first_ordinal + plan.At(rounds - 1).count;
    if (report.applied_below() != shards) {
      Fail(absl::StrCat("partition ", report.partition(), " at version ", report.version(),
                        " has applied all below ", report.applied_below(), "; wanted ", shards));
    }
  } else {
    uint64_t runs = 0;
    for (uint64_t run = 0; run < plan.size(); ++run) {
      runs += applied.Has(plan.At(run).first_ordinal) ? 1 : 0;
    }
    if (report.version() != segment.first_version() + runs) {
      Fail(absl::StrCat("partition ", report.partition(), " is at version ", report.version(),
                        " of a segment from version ", segment.first_version(), " with ", runs,
                        " runs applied"));
    }
  }
  CheckSamples(report, applied);
}

// Those of all data shards that are over, but for what was dropped and never carried.
void Oracle::CheckSamples(const v1::PartitionReport& report, const ShardSet& applied) {
  const uint64_t lost = report.shards_dropped() - report.shards_carried();
  uint64_t samples = 0;
  uint64_t least = scenario_->spec.data().shard_samples();
  for (const uint64_t shard : applied.All()) {
    samples += scenario_->SamplesOf(shard);
    least = std::min(least, scenario_->SamplesOf(shard));
  }
  const uint64_t most_lost = lost * scenario_->spec.data().shard_samples();
  if (report.shards_carried() <= report.shards_dropped() && lost <= applied.size() &&
      report.samples() + most_lost >= samples && report.samples() + lost * least <= samples) {
    return;
  }
  Fail(absl::StrCat("partition ", report.partition(), " counts ", report.samples(), " samples for ",
                    applied.size(), " data shards, of which ", report.shards_dropped(),
                    " were dropped and ", report.shards_carried(), " carried; wanted ", samples,
                    " but for those"));
}

void Oracle::CheckRound(const View& view, const v1::Segment& segment, uint64_t version) {
  ++counts_.rounds;
  const WorkPlan::Run run = PlanOf(segment).At(version - segment.first_version());
  ShardSet wanted;
  wanted.Insert(run.first_ordinal, run.count);
  const auto found = view.arrived.find(version);
  std::string seen;
  if (found != view.arrived.end()) {
    for (const auto& [place, arrived] : found->second) {
      if (arrived == wanted) return;
      absl::StrAppend(&seen, " ", place.first, ": ", arrived.Show());
    }
  }
  Fail(absl::StrCat("round from version ", version, " was closed; wanted ", wanted.Show(),
                    ", arrived have", seen));
}

// quorum: what is dropped is what had not come, where all that comes is seen to be taken at once;
// and enough members were in.
void Oracle::CheckQuorum(const std::string& server, const View& view, const v1::Segment& segment,
                         const v1::PartitionReport& report) {
  const uint64_t version = report.version() - 1;
  const WorkPlan::Run run = PlanOf(segment).At(version - segment.first_version());
  const uint64_t dropped = report.shards_dropped() - view.report.shards_dropped();
  ++counts_.quorum_rounds;
  counts_.dropped += dropped;
  counts_.carried += report.shards_carried() - view.report.shards_carried();
  if (dropped >= run.count) {
    return Fail(absl::StrCat("round from version ", version, " of ", run.count,
                             " data shards dropped ", dropped));
  }
  const bool is_settled = scenario_->spec.optimizer().has_clip_global_norm();
  if (IsReplicated() || is_settled) return;
  ShardSet arrived;
  const auto found = view.arrived.find(version);
  if (found != view.arrived.end()) {
    const auto here = found->second.find({server, report.term()});
    if (here != found->second.end()) arrived = here->second;
  }
  uint32_t all = 0;
  uint32_t in = 0;
  const auto members =
      static_cast<uint32_t>(copies_[{server, report.partition()}].roster.members_size());
  for (uint32_t rank = 0; rank < members; ++rank) {
    const LeafRun leaves = LeavesOf(run.count, rank, members);
    ShardSet part;
    part.Insert(run.first_ordinal + leaves.first, leaves.count);
    all += leaves.count > 0 ? 1 : 0;
    in += leaves.count > 0 && arrived.Contains(part) ? 1 : 0;
  }
  const uint32_t wanted = std::min(all, segment.consistency().quorum().workers());
  if (dropped + arrived.size() == run.count && (dropped == 0 || in >= wanted)) return;
  Fail(absl::StrCat("round from version ", version, " of ", run.count, " data shards dropped ",
                    dropped, "; arrived have ", arrived.Show(), ", of ", in, " of ", all,
                    " workers all; wanted ", wanted));
}

// async: an entry is as stale as its versions say.
void Oracle::OnEntries(const v1::AppendHeader& header) {
  for (const v1::EntryHeader& entry : header.entries()) {
    if (!entry.is_push()) continue;
    const uint64_t staleness = entry.step() - 1 - entry.base_version();
    if (entry.damped() && staleness != entry.staleness()) {
      Fail(absl::StrCat("an entry that makes version ", entry.step(), " out of a push on version ",
                        entry.base_version(), " is said to have staleness ", entry.staleness()));
    }
  }
}

// async: a push that made a version was as stale as the versions say.
void Oracle::NoteDamping(const v1::PartitionReport& report, const View& view) {
  const v1::ConsistencySpec& mode = segments_[report.segment()].consistency();
  if (!mode.has_async() || !mode.async().has_max_staleness()) return;
  if (mode.async().on_stale() != v1::AsyncMode::DAMP) return;
  if (report.version() != view.report.version() + 1) return;
  for (const Acknowledged& done : acknowledged_) {
    const Call& call = done.call;
    if (!call.is_push || !call.is_new || call.partition != report.partition()) continue;
    const uint64_t staleness = call.version_before - call.base_version;
    if (staleness <= mode.async().max_staleness()) continue;
    for (const uint64_t shard : call.shards.All()) {
      damping_[{call.partition, shard}] = 1.0 / (1.0 + static_cast<double>(staleness));
    }
  }
}

// sync: all partitions that reach a version counted the same contributions on the way, unless each
// had closed rounds of its own before.
void Oracle::CheckAgreement(const v1::PartitionReport& report) {
  if (!segments_[report.segment()].consistency().has_sync() || scenario_->has_quorum()) return;
  const auto [known, is_first] = rounds_.emplace(
      report.version(), Round{report.samples(), report.loss_sum(), report.correct()});
  const Round& round = known->second;
  if (is_first || (round.samples == report.samples() && round.loss_sum == report.loss_sum() &&
                   round.correct == report.correct())) {
    return;
  }
  Fail(absl::StrCat("partition ", report.partition(), " at version ", report.version(), " counts ",
                    report.samples(), " samples and loss ", report.loss_sum(),
                    "; another partition ", round.samples, " and ", round.loss_sum));
}

// ssp: whoever need not wait any longer has been answered. (A primary with backups may have to wait
// for a promise.)
void Oracle::CheckWaits(const std::string& server) {
  for (const auto& [number, call] : calls_) {
    if (call.read_clock == 0 || call.server != server || IsReplicated()) continue;
    const Copy& copy = copies_[{server, call.partition}];
    if (!copy.reported || copy.report.segment() != call.segment) continue;
    if (replicas_.IsPast(copy.report)) continue;
    const v1::Segment& segment = segments_[call.segment];
    if (!segment.consistency().has_ssp() || !copy.applied.Contains(call.shards)) continue;
    std::string why;
    if (MayRead(copy, views_[call.partition], segment, call, true, &why)) {
      Fail(absl::StrCat("partition ", call.partition, " keeps ", call.worker.id(),
                        "'s read at clock ", call.read_clock, " waiting for nothing"));
    }
  }
}

// ---- The end ----

std::map<uint32_t, v1::PartitionReport> Oracle::counted() const {
  std::map<uint32_t, v1::PartitionReport> counted;
  for (const auto& [partition, view] : views_) counted[partition] = view.report;
  return counted;
}

void Oracle::CheckEnd(const v1::JobStatus& status) {
  const uint64_t samples = scenario_->spec.train().epochs() * scenario_->facts.train_samples();
  if (segments_.empty() || views_.size() != static_cast<size_t>(status.placement_size())) {
    return Fail(absl::StrCat("the job ended with ", views_.size(), " partitions seen of ",
                             status.placement_size()));
  }
  const v1::Segment& last = segments_.rbegin()->second;
  const uint64_t version = last.first_version() + PlanOf(last).size();
  for (const auto& [partition, view] : views_) {
    const bool is_short = !scenario_->has_quorum() && view.report.samples() != samples;
    if (view.report.version() != version || is_short ||
        view.applied.size() != scenario_->total_shards()) {
      Fail(absl::StrCat("partition ", partition, " ended at version ", view.report.version(),
                        " with ", view.report.samples(), " samples; wanted version ", version,
                        " and ", samples));
    }
  }
}

}  // namespace paceline::sim
