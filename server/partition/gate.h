// Admit, wait or refuse, and why: the consistency dial.
//
// Units    A member's next clock is the count of clocks it has committed here: c + 1 after clock c.
// Threads  Pure functions.
// Source   docs/protocol.md, "Consistency"; ssp: Ho et al., "More Effective Distributed ML via a
//          Stale Synchronous Parallel Parameter Server", NIPS 2013.
#ifndef PACELINE_SERVER_PARTITION_GATE_H_
#define PACELINE_SERVER_PARTITION_GATE_H_

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "absl/types/span.h"
#include "common/job/round_plan.h"
#include "proto/control.pb.h"
#include "proto/job.pb.h"
#include "server/partition/dedupe.h"

namespace paceline {

// What a call waits for; `on` names workers where they are known.
struct WaitReason {
  std::string what;
  std::vector<std::string> on;
};

// Rounds. Whether a push that starts from version `clock` may count at a partition whose version is
// `version`: FailedPrecondition if its round has not begun. (A round that is over is a duplicate.)
absl::Status AdmitRound(uint64_t clock, uint64_t version);

// ssp. The slowest member that somebody has to wait for: absent if there is none. Nobody waits for
// an idle one, nor for an incarnation whose successor is known.
struct SlowestMember {
  uint64_t next_clock = 0;
};
absl::optional<SlowestMember> FindSlowest(const v1::Roster& roster, const Dedupe& clocks);

// ssp. Whether a read at `clock` may be answered: every member that is not idle has committed clock
// - staleness - 1. Clock 0 waits for nothing.
bool AdmitRead(uint64_t clock, uint64_t staleness, const absl::optional<SlowestMember>& slowest);

// ssp. `clock` minus the slowest member's committed clock, at least 0; at most staleness + 1 for a
// read that was admitted. 0 where nobody is waited for.
uint64_t ReadLead(uint64_t clock, const absl::optional<SlowestMember>& slowest);

// async. What a push may count for: 1, or less where it is damped; Aborted if it is refused.
struct PushAdmission {
  absl::Status status;
  double damping = 1;
};
PushAdmission AdmitStale(uint64_t staleness, const v1::AsyncMode& mode);

// Rounds. A wait for the end of a round: the data shards that are missing (leaves `missing` of the
// round's run) and the members they fall to. `round` is the version it starts from.
WaitReason WaitForRound(uint64_t round, WorkPlan::Run run, absl::Span<const LeafRun> missing,
                        const v1::Roster& roster);

// quorum. How many members have brought all their data shards of a round of `leaves` that lacks
// `missing`, and how many have any.
struct MembersIn {
  uint32_t in = 0;
  uint32_t all = 0;

  // Enough for the round to be closed if so many are wanted: no more than there are.
  bool Suffice(uint32_t wanted) const { return all > 0 && in >= std::min(wanted, all); }
};
MembersIn CountMembersIn(uint64_t leaves, absl::Span<const LeafRun> missing, uint32_t members);

// quorum. As WaitForRound, and what it takes to close the round without what is missing.
WaitReason WaitForQuorum(uint64_t round, WorkPlan::Run run, absl::Span<const LeafRun> missing,
                         const v1::Roster& roster, uint32_t wanted, absl::Duration grace);

// ssp. A wait for clock `clock` - staleness - 1 and the members that have not committed it.
WaitReason WaitForClock(uint64_t clock, uint64_t staleness, const v1::Roster& roster,
                        const Dedupe& clocks);

}  // namespace paceline

#endif  // PACELINE_SERVER_PARTITION_GATE_H_
