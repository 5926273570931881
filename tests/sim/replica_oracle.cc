#include "tests/sim/replica_oracle.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/job/job_work.h"

namespace paceline::sim {
namespace {

// What entries make of a partition, as far as a report shows it.
bool IsSameState(const v1::PartitionReport& a, const v1::PartitionReport& b) {
  if (a.applied_below() != b.applied_below() || a.applied_size() != b.applied_size()) return false;
  for (int i = 0; i < a.applied_size(); ++i) {
    if (a.applied(i).first() != b.applied(i).first()) return false;
    if (a.applied(i).count() != b.applied(i).count()) return false;
  }
  if (a.shards_dropped() != b.shards_dropped() || a.shards_carried() != b.shards_carried()) {
    return false;
  }
  return a.samples() == b.samples() && a.loss_sum() == b.loss_sum() && a.correct() == b.correct();
}

std::string ShowState(const v1::PartitionReport& report) {
  v1::PartitionReport part;
  part.set_version(report.version());
  part.set_applied_below(report.applied_below());
  *part.mutable_applied() = report.applied();
  part.set_samples(report.samples());
  part.set_loss_sum(report.loss_sum());
  part.set_correct(report.correct());
  part.set_shards_dropped(report.shards_dropped());
  part.set_shards_carried(report.shards_carried());
  return part.ShortDebugString();
}

}  // namespace

bool ReplicaOracle::IsAlive(const v1::PartitionReplica& replica) const {
  const auto gone = gone_.find(replica.server());
  return gone == gone_.end() || replica.server_incarnation() > gone->second;
}

const v1::PartitionReport* ReplicaOracle::ReportOf(const std::string& server,
                                                   uint32_t partition) const {
  const auto found = reports_.find({server, partition});
  return found == reports_.end() ? nullptr : &found->second;
}

bool ReplicaOracle::MayBeTakenOut(uint64_t replica, const v1::PartitionPlacement& placement) const {
  const auto known = known_.find(placement.partition());
  if (known == known_.end()) return false;
  const auto denounced = known->second.denounced.find(replica);
  return denounced != known->second.denounced.end() && denounced->second >= placement.config();
}

// ---- The coordinator ----

// A copy is promoted or made by another; only from a checkpoint all begin at once under new ids.
bool ReplicaOracle::IsRestart(const v1::JobDirective& directive) const {
  if (directive.placement().empty()) return false;
  if (placements_.empty() && !directive.has_restore()) return false;
  if (!placements_.empty() && directive.segment().index() <= segment_) return false;
  for (const v1::PartitionPlacement& placement : directive.placement()) {
    const auto before = placements_.find(placement.partition());
    if (placement.replicas().empty()) return false;
    for (const v1::PartitionReplica& replica : placement.replicas()) {
      if (!replica.in_sync()) return false;
      if (before == placements_.end()) continue;
      for (const v1::PartitionReplica& old : before->second.replicas()) {
        if (old.id() >= replica.id()) return false;
      }
    }
  }
  return true;
}

void ReplicaOracle::Restart(const v1::PartitionPlacement& placement) {
  Known& known = known_[placement.partition()];
  Known anew;
  anew.placements = std::move(known.placements);
  anew.primary = std::move(known.primary);
  anew.places = std::move(known.places);
  anew.denounced = std::move(known.denounced);
  anew.past = std::move(known.past);
  anew.past.push_back(std::move(known.states));
  for (const v1::PartitionReplica& replica : placement.replicas()) {
    anew.beginners.insert(replica.id());
  }
  anew.has_begun = false;
  known = std::move(anew);
}

bool ReplicaOracle::OnTold(uint64_t life, const v1::JobDirective& directive) {
  if (life < life_) {
    for (const v1::PartitionPlacement& placement : directive.placement()) {
      if (!placement.replicas().empty()) OnPlacement(placement, true);
    }
    return false;
  }
  life_ = life;
  const bool is_restart = IsRestart(directive);
  if (directive.has_restore()) origin_ = directive.restore().id();
  if (is_restart) {
    has_restarted_ = true;
    has_rounds_at_origin_ = HasRounds(directive.segment().consistency());
    for (const v1::PartitionPlacement& placement : directive.placement()) Restart(placement);
  }
  for (const v1::PartitionPlacement& placement : directive.placement()) {
    if (placement.replicas().empty()) continue;  // The job waits for servers.
    segment_ = directive.segment().index();
    OnPlacement(placement, false);
  }
  return is_restart;
}

bool ReplicaOracle::IsPast(const v1::PartitionReport& report) const {
  const auto known = known_.find(report.partition());
  if (known == known_.end() || known->second.beginners.empty()) return false;
  if (report.replica() < *known->second.beginners.begin()) return true;
  return !known->second.has_begun || CouldNotBegin(report);
}

bool ReplicaOracle::CouldNotBegin(const v1::PartitionReport& report) const {
  return report.checkpoint().id() == origin_ && !report.checkpoint().error().empty();
}

// What it begins as it once was, as far as that was seen.
void ReplicaOracle::Begin(const std::string& server, const v1::PartitionReport& report,
                          const ShardSet& applied, Known* known) {
  if (CouldNotBegin(report)) return;
  known->has_begun = true;
  known->origin = known->committed = report.version();
  known->fence.Acknowledge(applied);
  bool is_known = false;
  bool is_same = false;
  for (const auto& states : known->past) {
    const auto state = states.find(report.version());
    if (state == states.end()) continue;
    is_known = true;
    is_same |= IsSameState(state->second.report, report);
  }
  if (is_known && !is_same) {
    verdict_->Fail(absl::StrCat("partition ", report.partition(), " begins anew on ", server,
                                " as what it never was: ", ShowState(report)));
  }
  for (const auto& [partition, other] : known_) {
    if (!has_rounds_at_origin_ || !other.has_begun || other.origin == known->origin) continue;
    verdict_->Fail(absl::StrCat("in rounds, partition ", report.partition(),
                                " begins anew at version ", known->origin, ", partition ",
                                partition, " at version ", other.origin));
  }
}

void ReplicaOracle::OnPlacement(const v1::PartitionPlacement& placement, bool may_be_late) {
  v1::PartitionPlacement& newest = placements_[placement.partition()];
  Known& known = known_[placement.partition()];
  const std::string text = placement.SerializeAsString();
  const auto [told, is_first] = known.placements.emplace(placement.config(), text);
  if (told->second != text) {
    v1::PartitionPlacement other;
    other.ParseFromString(told->second);
    return verdict_->Fail(absl::StrCat("one config, two placements: ", other.ShortDebugString(),
                                       " and ", placement.ShortDebugString()));
  }
  if (placement.config() == newest.config() && !is_first) return;
  if (may_be_late && placement.config() < newest.config()) return;
  if (placement.config() < newest.config() || placement.term() < newest.term()) {
    return verdict_->Fail(absl::StrCat("the coordinator goes back from ", newest.ShortDebugString(),
                                       " to ", placement.ShortDebugString()));
  }
  if (placement.term() > newest.term() && newest.term() > 0) ++promotions_;
  newest = placement;
  bool has_primary = placement.server().empty();
  for (const v1::PartitionReplica& replica : placement.replicas()) {
    const std::pair<std::string, uint64_t> place(replica.server(), replica.server_incarnation());
    if (known.places.emplace(replica.id(), place).first->second != place) {
      verdict_->Fail(absl::StrCat("replica id ", replica.id(),
                                  " is used twice: ", placement.ShortDebugString()));
    }
    has_primary |= replica.in_sync() && replica.server() == placement.server();
  }
  if (placement.replicas_size() > 0 && !has_primary) {
    verdict_->Fail(absl::StrCat("the primary is not in sync: ", placement.ShortDebugString()));
  }
  CheckInSync(placement, known.committed, "the coordinator says");
}

void ReplicaOracle::CheckInSync(const v1::PartitionPlacement& placement, uint64_t committed,
                                const std::string& why) {
  const Known& known = known_[placement.partition()];
  if (!known.has_begun || committed <= known.origin) return;
  for (const v1::PartitionReplica& replica : placement.replicas()) {
    if (!replica.in_sync() || !IsAlive(replica)) continue;
    const v1::PartitionReport* report = ReportOf(replica.server(), placement.partition());
    const bool is_it = report != nullptr && report->replica() == replica.id();
    if (!is_it && is_cancelled_) continue;
    const uint64_t last = is_it ? std::max(report->last_index(), report->version()) : 0;
    if (last >= committed) continue;
    verdict_->Fail(absl::StrCat("partition ", placement.partition(), " is committed up to entry ",
                                committed, "; replica ", replica.id(), " on ", replica.server(),
                                " counts as in sync and has ",
                                is_it ? absl::StrCat("up to ", last) : "never been seen", " (", why,
                                "): ", placement.ShortDebugString()));
  }
}

// ---- The copies ----

void ReplicaOracle::OnServerGone(const std::string& server, uint64_t incarnation) {
  uint64_t& gone = gone_[server];
  gone = std::max(gone, incarnation);
  for (auto it = reports_.begin(); it != reports_.end();) {
    it = it->first.first == server ? reports_.erase(it) : std::next(it);
  }
}

void ReplicaOracle::OnHeld(const std::string& server,
                           const std::vector<v1::PartitionReport>& reports) {
  for (auto it = reports_.lower_bound({server, 0});
       it != reports_.end() && it->first.first == server;) {
    const bool is_held =
        std::any_of(reports.begin(), reports.end(), [&it](const v1::PartitionReport& report) {
          return report.partition() == it->first.second;
        });
    it = is_held ? std::next(it) : reports_.erase(it);
  }
}

void ReplicaOracle::CheckState(const std::string& server, const v1::PartitionReport& report,
                               const ShardSet& applied, Known* known) {
  const auto [state, is_first] =
      known->states.emplace(report.version(), State{report, server, applied});
  if (is_first || IsSameState(state->second.report, report)) return;
  verdict_->Fail(absl::StrCat("partition ", report.partition(), " is two things at one version: ",
                              ShowState(state->second.report), " on ", state->second.server,
                              " and ", ShowState(report), " on ", server));
}

void ReplicaOracle::OnReport(const std::string& server, const v1::PartitionReport& report,
                             const ShardSet& applied) {
  Known& known = known_[report.partition()];
  v1::PartitionReport& before = reports_[{server, report.partition()}];
  const bool is_beginner = known.beginners.count(report.replica()) > 0;
  if (!known.has_begun && is_beginner) Begin(server, report, applied, &known);
  if (IsPast(report)) {
    before = report;
    return;
  }
  const bool is_same_copy = before.replica() == report.replica();
  if (is_same_copy && report.version() < before.version()) {
    verdict_->Fail(absl::StrCat("replica ", report.replica(), " of partition ", report.partition(),
                                " on ", server, " went back from version ", before.version(),
                                " to ", report.version()));
  }
  if (!is_same_copy || report.version() != before.version())
    CheckState(server, report, applied, &known);
  before = report;
  if (report.is_backup()) {
    if (report.version() <= known.committed) return;
    return verdict_->Fail(absl::StrCat("replica ", report.replica(), " of partition ",
                                       report.partition(), " on ", server, " is at version ",
                                       report.version(), "; no primary has committed more than ",
                                       known.committed));
  }
  const std::pair<std::string, uint64_t> who(server, report.replica());
  if (known.primary.emplace(report.term(), who).first->second != who) {
    verdict_->Fail(absl::StrCat("partition ", report.partition(), " has two primaries of term ",
                                report.term(), ": ", known.primary[report.term()].first, " and ",
                                server));
  }
  for (const v1::BackupReport& backup : report.backups()) {
    const bool is_denounced =
        backup.state() == v1::BackupReport::LAGGING || backup.state() == v1::BackupReport::DIVERGED;
    if (!is_denounced) continue;
    // A deposed primary says it too, under a config that is over.
    uint64_t& newest = known.denounced[backup.replica()];
    newest = std::max(newest, report.config());
  }
  if (report.version() <= known.committed) return;
  known.committed = report.version();
  if (!applied.Contains(known.fence.acknowledged())) {
    verdict_->Fail(absl::StrCat("partition ", report.partition(), " on ", server,
                                " came to version ", report.version(),
                                " without what was acknowledged: it has ", applied.Show(),
                                ", acknowledged are ", known.fence.acknowledged().Show()));
  }
  const auto placement = placements_.find(report.partition());
  if (placement == placements_.end()) return;
  CheckInSync(placement->second, known.committed, absl::StrCat(server, " has committed"));
}

// ---- What workers hear ----

void ReplicaOracle::CheckAhead(const std::string& server, const v1::PartitionReport& report,
                               const ShardSet& applied, const ShardSet& shards, Known* known) {
  std::set<uint64_t>& ahead = known->ahead[{server, report.term()}];
  if (!shards.All().empty()) ahead.insert(*shards.All().begin());
  for (auto it = ahead.begin(); it != ahead.end();) {
    it = applied.Has(*it) ? ahead.erase(it) : std::next(it);
  }
  if (ahead.size() <= ahead_) return;
  verdict_->Fail(absl::StrCat(server, " has acknowledged ", ahead.size(), " pushes to partition ",
                              report.partition(), " that are not committed; at most ", ahead_,
                              " are allowed"));
}

void ReplicaOracle::OnAnswer(const std::string& server, const v1::PartitionReport& report,
                             const ShardSet& applied, const uint64_t* read,
                             const ShardSet& shards) {
  Known& known = known_[report.partition()];
  if (ahead_ > 0) CheckAhead(server, report, applied, shards, &known);
  if (ahead_ == 0 || applied.Contains(shards)) known.fence.Acknowledge(shards);
  if (read == nullptr) return;
  // With acks: leader only terms do not go back; what is committed is there.
  const uint64_t version = ahead_ > 0 ? 0 : *read;
  const history::Answerer answerer = {server, report.partition(), report.term(), version};
  if (report.is_backup()) verdict_->Fail(absl::StrCat(answerer.Show(), ", answered as a backup"));
  if (ahead_ > 0 && report.last_index() < known.committed) {
    verdict_->Fail(absl::StrCat(answerer.Show(), ", answered a read with entries up to ",
                                report.last_index(), "; committed is ", known.committed));
  }
  const auto state = known.states.find(*read);
  const bool is_known = ahead_ == 0 && state != known.states.end();
  const std::string broken =
      known.fence.CheckRead(answerer, is_known ? &state->second.applied : nullptr);
  if (!broken.empty()) verdict_->Fail(broken);
  known.fence.Saw(answerer);
}

}  // namespace paceline::sim
