#include "tests/sim/oracle.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace paceline::sim {
namespace {

std::string Show(const std::set<uint64_t>& shards) {
  return absl::StrCat("{", absl::StrJoin(shards, ","), "}");
}

std::set<uint64_t> ShardsOf(const v1::PushHeader& header) {
  std::set<uint64_t> shards;
  for (const v1::Piece& piece : header.pieces()) {
    for (uint64_t i = 0; i < piece.shards(); ++i) shards.insert(piece.first_shard() + i);
  }
  return shards;
}

bool Contains(const std::set<uint64_t>& all, const std::set<uint64_t>& some) {
  return std::includes(all.begin(), all.end(), some.begin(), some.end());
}

}  // namespace

std::set<uint64_t> Oracle::AppliedIn(const v1::PartitionReport& report) {
  std::set<uint64_t> applied;
  for (uint64_t i = 0; i < report.applied_below(); ++i) applied.insert(i);
  for (const v1::ShardExtent& extent : report.applied()) {
    for (uint64_t i = 0; i < extent.count(); ++i) applied.insert(extent.first() + i);
  }
  return applied;
}

WorkPlan Oracle::PlanOf(const v1::Segment& segment) const {
  const v1::TrainSpec& train = scenario_->spec.train();
  return WorkPlan(
      segment.first_shard(), scenario_->shards_per_epoch(), scenario_->total_shards(),
      segment.consistency().has_sync() ? train.shards_per_round() : train.shards_per_push());
}

// ---- What goes in ----

void Oracle::OnDirectives(const v1::ServerSyncReply& reply) {
  for (const v1::JobDirective& directive : reply.jobs()) {
    const v1::Segment& segment = directive.segment();
    if (directive.placement_size() == 0) continue;
    const auto known = segments_.emplace(segment.index(), segment).first;
    if (known->second.SerializeAsString() != segment.SerializeAsString()) {
      Fail(absl::StrCat("segment ", segment.index(), " was ", known->second.ShortDebugString(),
                        " and is now ", segment.ShortDebugString()));
    }
    for (const v1::PartitionPlacement& placement : directive.placement()) {
      if (placement.server() != reply.server().id()) continue;
      View& view = views_[placement.partition()];
      holder_[placement.partition()] = placement.server();
      if (directive.roster().version() >= view.roster.version()) view.roster = directive.roster();
    }
  }
}

Oracle::Call& Oracle::Note(uint64_t call, const v1::PartitionKey& key,
                           const v1::WorkerIdentity& worker) {
  Call& noted = calls_[call];
  noted.partition = key.partition();
  noted.segment = key.segment();
  noted.worker = worker;
  View& view = views_[noted.partition];
  noted.version_before = view.report.version();
  uint64_t& newest = view.newest[worker.id()];
  newest = std::max(newest, worker.incarnation());
  return noted;
}

void Oracle::OnPush(uint64_t call, const v1::PushHeader& header) {
  ++counts_.pushes;
  Call& push = Note(call, header.key(), header.worker());
  push.is_push = true;
  push.clock = header.clock();
  push.shards = ShardsOf(header);
  push.base_version = header.base_version();
  const auto segment = segments_.find(push.segment);
  if (segment != segments_.end() && segment->second.consistency().has_ssp()) {
    push.read_clock = header.clock() + 1;
  }
}

void Oracle::OnPull(uint64_t call, const v1::PullRequest& request) {
  Note(call, request.key(), request.worker()).read_clock = request.clock();
}

void Oracle::OnSettle(uint64_t call, const v1::SettleRequest& request) {
  Note(call, request.key(), request.worker());
}

// ---- What comes out ----

void Oracle::OnAnswer(const Answer& answer) {
  const auto found = calls_.find(answer.call);
  if (found == calls_.end()) return Fail(absl::StrCat("call ", answer.call, " answered twice"));
  const Call call = found->second;
  calls_.erase(found);
  if (!answer.status.ok()) {
    ++counts_.refused;
    if (absl::IsAborted(answer.status)) ++counts_.stale;
    if (absl::IsInvalidArgument(answer.status) || absl::IsInternal(answer.status)) {
      Fail(absl::StrCat("a correct sender was refused: ", answer.status.ToString()));
    }
    return;
  }
  if (answer.header.duplicate()) ++counts_.duplicates;
  acknowledged_.push_back({call, answer.header});
}

// Once the whole event is known: a push may have freed the reads of others.
void Oracle::CheckAnswered(const Call& call, const v1::ParametersHeader& header) {
  const auto found = segments_.find(call.segment);
  const View& view = views_[call.partition];
  if (found == segments_.end()) return;
  const v1::Segment& segment = found->second;
  const bool is_current = view.reported && view.report.segment() == call.segment;
  if (segment.consistency().has_ssp() && call.read_clock > 0 && is_current) {
    ++counts_.gated_reads;
    std::string why;
    if (!MayRead(view, segment, call, false, &why)) {
      Fail(absl::StrCat("partition ", call.partition, " answered ", call.worker.id(),
                        "'s read at clock ", call.read_clock, " too early: ", why));
    }
  }
  if (segment.consistency().has_async() && call.is_push && is_current) {
    CheckStaleness(call, header, segment);
  }
}

void Oracle::CheckStaleness(const Call& call, const v1::ParametersHeader& header,
                            const v1::Segment& segment) {
  const v1::AsyncMode& mode = segment.consistency().async();
  if (header.duplicate()) return;
  const uint64_t staleness = call.version_before - call.base_version;
  if (header.staleness() != staleness) {
    Fail(absl::StrCat("a push computed on version ", call.base_version, " came to version ",
                      call.version_before, " and was told staleness ", header.staleness()));
  }
  if (mode.has_max_staleness() && mode.on_stale() == v1::AsyncMode::REFUSE &&
      staleness > mode.max_staleness()) {
    Fail(absl::StrCat("a push of staleness ", staleness, " was applied; at most ",
                      mode.max_staleness(), " is allowed"));
  }
}

bool Oracle::MayRead(const View& view, const v1::Segment& segment, const Call& call, bool strict,
                     std::string* why) const {
  const uint64_t staleness = segment.consistency().ssp().staleness();
  for (const v1::RosterMember& member : view.roster.members()) {
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
  for (const v1::PartitionReport& report : reports) FollowReport(report);
  for (const Acknowledged& done : acknowledged_) CheckAnswered(done.call, done.header);
  CheckWaits(server);
  for (auto& [number, call] : calls_) call.is_new = false;
  acknowledged_.clear();
}

void Oracle::FollowReport(const v1::PartitionReport& report) {
  View& view = views_[report.partition()];
  if (report.segment() != view.report.segment()) view.arrived.clear();
  TakePushes(report, &view);
  const std::set<uint64_t> applied = AppliedIn(report);
  if (!view.reported || report.segment() != view.report.segment()) CheckSegmentStart(report);
  if (report.version() < view.report.version() || !Contains(applied, view.applied)) {
    Fail(absl::StrCat("partition ", report.partition(), " went back from version ",
                      view.report.version(), " to ", report.version()));
  }
  CheckSteps(view, report, applied);
  NoteDamping(report, view);
  for (const auto& [call, header] : acknowledged_) {
    if (call.partition != report.partition() || header.awaiting_norm()) continue;
    if (!Contains(applied, call.shards)) {
      Fail(absl::StrCat("partition ", report.partition(), " acknowledged data shards ",
                        Show(call.shards), " and has applied ", Show(applied)));
    }
  }
  // A push that was taken or known, and is applied, ends its clock for its worker.
  const auto commit = [&view, &applied](const Call& call) {
    if (!call.is_push || !Contains(applied, call.shards)) return;
    uint64_t& next = view.next_clock[{call.worker.id(), call.worker.incarnation()}];
    next = std::max(next, call.clock + 1);
  };
  for (const auto& [call, header] : acknowledged_) {
    if (call.partition == report.partition()) commit(call);
  }
  for (const auto& [number, call] : calls_) {
    if (call.partition == report.partition() && call.segment == report.segment()) commit(call);
  }
  view.report = report;
  view.applied = applied;
  view.reported = true;
  CheckAgreement(report);
}

// sync: what arrived in this event and was not refused is in the open round.
void Oracle::TakePushes(const v1::PartitionReport& report, View* view) {
  const auto take = [&report, view](const Call& call) {
    if (call.partition != report.partition() || call.segment != report.segment()) return;
    if (!call.is_push || !call.is_new) return;
    view->arrived[call.clock].insert(call.shards.begin(), call.shards.end());
  };
  for (const auto& [number, call] : calls_) take(call);
  for (const auto& [call, header] : acknowledged_) take(call);
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
                      Show(AppliedIn(report))));
  }
}

void Oracle::CheckSteps(const View& view, const v1::PartitionReport& report,
                        const std::set<uint64_t>& applied) {
  const v1::Segment& segment = segments_[report.segment()];
  const WorkPlan plan = PlanOf(segment);
  const uint64_t before = std::max(view.report.version(), segment.first_version());
  uint64_t shards = segment.first_shard();
  if (segment.consistency().has_sync()) {
    for (uint64_t v = before; v < report.version(); ++v) CheckRound(view, segment, v);
    const uint64_t rounds = report.version() - segment.first_version();
    if (rounds > 0) shards = plan.At(rounds - 1).first_ordinal + plan.At(rounds - 1).count;
    if (report.applied_below() != shards) {
      Fail(absl::StrCat("partition ", report.partition(), " at version ", report.version(),
                        " has applied all below ", report.applied_below(), "; wanted ", shards));
    }
  } else {
    uint64_t runs = 0;
    for (uint64_t run = 0; run < plan.size(); ++run) {
      runs += applied.count(plan.At(run).first_ordinal);
    }
    if (report.version() != segment.first_version() + runs) {
      Fail(absl::StrCat("partition ", report.partition(), " is at version ", report.version(),
                        " of a segment from version ", segment.first_version(), " with ", runs,
                        " runs applied"));
    }
  }
  uint64_t samples = 0;
  for (const uint64_t shard : applied) samples += scenario_->SamplesOf(shard);
  if (report.samples() != samples) {
    Fail(absl::StrCat("partition ", report.partition(), " counts ", report.samples(),
                      " samples for ", applied.size(), " data shards; wanted ", samples));
  }
}

void Oracle::CheckRound(const View& view, const v1::Segment& segment, uint64_t version) {
  ++counts_.rounds;
  const WorkPlan::Run run = PlanOf(segment).At(version - segment.first_version());
  std::set<uint64_t> wanted;
  for (uint64_t i = 0; i < run.count; ++i) wanted.insert(run.first_ordinal + i);
  const auto found = view.arrived.find(version);
  const std::set<uint64_t> arrived =
      found == view.arrived.end() ? std::set<uint64_t>() : found->second;
  if (arrived != wanted) {
    Fail(absl::StrCat("round from version ", version, " was closed with data shards ",
                      Show(arrived), "; wanted ", Show(wanted)));
  }
}

// async: a push that made a version was as stale as the versions say.
void Oracle::NoteDamping(const v1::PartitionReport& report, const View& view) {
  const v1::ConsistencySpec& mode = segments_[report.segment()].consistency();
  if (!mode.has_async() || !mode.async().has_max_staleness()) return;
  if (mode.async().on_stale() != v1::AsyncMode::DAMP) return;
  if (report.version() != view.report.version() + 1) return;
  for (const auto& [call, header] : acknowledged_) {
    if (!call.is_push || !call.is_new || call.partition != report.partition()) continue;
    const uint64_t staleness = call.version_before - call.base_version;
    if (staleness <= mode.async().max_staleness()) continue;
    for (const uint64_t shard : call.shards) {
      damping_[{call.partition, shard}] = 1.0 / (1.0 + static_cast<double>(staleness));
    }
  }
}

// sync: all partitions that reach a version counted the same contributions on the way.
void Oracle::CheckAgreement(const v1::PartitionReport& report) {
  if (!segments_[report.segment()].consistency().has_sync()) return;
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

// ssp: whoever need not wait any longer has been answered.
void Oracle::CheckWaits(const std::string& server) {
  for (const auto& [number, call] : calls_) {
    const auto holder = holder_.find(call.partition);
    if (call.read_clock == 0 || holder == holder_.end() || holder->second != server) continue;
    const View& view = views_[call.partition];
    if (!view.reported || view.report.segment() != call.segment) continue;
    const v1::Segment& segment = segments_[call.segment];
    if (!segment.consistency().has_ssp() || !Contains(view.applied, call.shards)) continue;
    std::string why;
    if (MayRead(view, segment, call, true, &why)) {
      Fail(absl::StrCat("partition ", call.partition, " keeps ", call.worker.id(),
                        "'s read at clock ", call.read_clock, " waiting for nothing"));
    }
  }
}

// ---- The end ----

void Oracle::CheckEnd(const v1::JobStatus& status) {
  const uint64_t samples = scenario_->spec.train().epochs() * scenario_->facts.train_samples();
  if (segments_.empty() || views_.size() != static_cast<size_t>(status.placement_size())) {
    return Fail(absl::StrCat("the job ended with ", views_.size(), " partitions seen of ",
                             status.placement_size()));
  }
  const v1::Segment& last = segments_.rbegin()->second;
  const uint64_t version = last.first_version() + PlanOf(last).size();
  for (const auto& [partition, view] : views_) {
    if (view.report.version() != version || view.report.samples() != samples ||
        view.applied.size() != scenario_->total_shards()) {
      Fail(absl::StrCat("partition ", partition, " ended at version ", view.report.version(),
                        " with ", view.report.samples(), " samples; wanted version ", version,
                        " and ", samples));
    }
  }
}

}  // namespace paceline::sim
