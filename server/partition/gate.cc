#include "server/partition/gate.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace paceline {
namespace {

// Names and extents in one explanation; a person reads no further.
constexpr size_t kNamedMax = 16;

// Clocks the member has committed here, or never owed.
uint64_t NextClock(const v1::RosterMember& member, const Dedupe& clocks) {
  const absl::optional<uint64_t> committed =
      clocks.Clock(member.worker().id(), member.worker().incarnation());
  const uint64_t next = committed.has_value() ? *committed + 1 : 0;
  return std::max(next, member.start_clock());
}

// Neither an idle member nor one whose successor has spoken: nothing of it is taken any more,
// and the roster that says so is on its way.
bool IsWaitedFor(const v1::RosterMember& member, const Dedupe& clocks) {
  const v1::WorkerIdentity& worker = member.worker();
  return !member.idle() && clocks.CheckIncarnation(worker.id(), worker.incarnation()).ok();
}

bool Overlap(LeafRun a, LeafRun b) {
  return a.first < b.first + b.count && b.first < a.first + a.count;
}

}  // namespace

absl::Status AdmitRound(uint64_t clock, uint64_t version) {
  if (clock <= version) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat("the push starts from version ", clock,
                                                    "; this partition is at version ", version,
                                                    ", so round ", clock, " has not begun"));
}

absl::optional<SlowestMember> FindSlowest(const v1::Roster& roster, const Dedupe& clocks) {
  absl::optional<SlowestMember> slowest;
  for (const v1::RosterMember& member : roster.members()) {
    if (!IsWaitedFor(member, clocks)) continue;
    const uint64_t next = NextClock(member, clocks);
    if (!slowest.has_value() || next < slowest->next_clock) slowest = SlowestMember{next};
  }
  return slowest;
}

bool AdmitRead(uint64_t clock, uint64_t staleness, const absl::optional<SlowestMember>& slowest) {
  // committed >= clock - staleness - 1, with next = committed + 1 and no number below 0.
  return clock <= staleness || !slowest.has_value() || clock - staleness <= slowest->next_clock;
}

uint64_t ReadLead(uint64_t clock, const absl::optional<SlowestMember>& slowest) {
  if (!slowest.has_value() || clock < slowest->next_clock) return 0;
  return clock - slowest->next_clock + 1;
}

PushAdmission AdmitStale(uint64_t staleness, const v1::AsyncMode& mode) {
  if (!mode.has_max_staleness() || staleness <= mode.max_staleness()) return {};
  if (mode.on_stale() == v1::AsyncMode::DAMP) {
    return {absl::OkStatus(), 1.0 / (1.0 + static_cast<double>(staleness))};
  }
  return {absl::AbortedError(absl::StrCat("the gradient is ", staleness,
                                          " updates old; the job accepts ", mode.max_staleness(),
                                          ": pull and compute anew")),
          1};
}

WaitReason WaitForRound(uint64_t round, WorkPlan::Run run, absl::Span<const LeafRun> missing,
                        const v1::Roster& roster) {
  std::vector<std::string> extents;
  for (const LeafRun& leaves : missing) {
    if (extents.size() == kNamedMax) {
      extents.push_back("...");
      break;
    }
    const uint64_t first = run.first_ordinal + leaves.first;
    extents.push_back(leaves.count == 1 ? absl::StrCat(first)
                                        : absl::StrCat(first, "..", first + leaves.count - 1));
  }
  WaitReason reason;
  reason.what =
      absl::StrCat("round ", round, ": data shards ", absl::StrJoin(extents, ", "), " missing");
  const uint32_t members = static_cast<uint32_t>(roster.members_size());
  for (uint32_t rank = 0; rank < members && reason.on.size() < kNamedMax; ++rank) {
    const LeafRun owned = LeavesOf(run.count, rank, members);
    const bool owes = std::any_of(missing.begin(), missing.end(),
                                  [&](LeafRun leaves) { return Overlap(leaves, owned); });
    if (owes) reason.on.push_back(roster.members(static_cast<int>(rank)).worker().id());
  }
  return reason;
}

MembersIn CountMembersIn(uint64_t leaves, absl::Span<const LeafRun> missing, uint32_t members) {
  MembersIn count;
  // Both ascend. More members than leaves: some have none.
  auto gap = missing.begin();
  for (uint32_t rank = 0; rank < members; ++rank) {
    const LeafRun owned = LeavesOf(leaves, rank, members);
    if (owned.count == 0) continue;
    while (gap != missing.end() && gap->first + gap->count <= owned.first) ++gap;
    ++count.all;
    if (gap == missing.end() || !Overlap(*gap, owned)) ++count.in;
  }
  return count;
}

WaitReason WaitForQuorum(uint64_t round, WorkPlan::Run run, absl::Span<const LeafRun> missing,
                         const v1::Roster& roster, uint32_t wanted, absl::Duration grace) {
  WaitReason reason = WaitForRound(round, run, missing, roster);
  const MembersIn members =
      CountMembersIn(run.count, missing, static_cast<uint32_t>(roster.members_size()));
  absl::StrAppend(&reason.what, "; ", members.in, " of ", members.all,
                  " workers are in, the quorum is ", std::min(wanted, members.all));
  if (grace == absl::InfiniteDuration()) return reason;
  if (grace > absl::ZeroDuration()) {
    absl::StrAppend(&reason.what, ", the grace ends in ", 1 + absl::ToInt64Milliseconds(grace),
                    " ms");
  } else {
    absl::StrAppend(&reason.what, ", the grace is over");
  }
  return reason;
}

WaitReason WaitForClock(uint64_t clock, uint64_t staleness, const v1::Roster& roster,
                        const Dedupe& clocks) {
  const uint64_t needed = clock > staleness ? clock - staleness : 0;
  WaitReason reason;
  for (const v1::RosterMember& member : roster.members()) {
    if (!IsWaitedFor(member, clocks) || NextClock(member, clocks) >= needed) continue;
    reason.on.push_back(member.worker().id());
    if (reason.on.size() == kNamedMax) break;
  }
  reason.what =
      absl::StrCat("clock ", needed == 0 ? 0 : needed - 1, " of ", absl::StrJoin(reason.on, ", "));
  return reason;
}

}  // namespace paceline
