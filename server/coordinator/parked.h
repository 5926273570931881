// Calls that wait for news: each names what it waits for and has an end.
//
// Threads  One object, one thread.
#ifndef PACELINE_SERVER_COORDINATOR_PARKED_H_
#define PACELINE_SERVER_COORDINATOR_PARKED_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"

namespace paceline {

struct ParkedCall {
  enum class Kind {
    kWorkerSync,  // For directives of `who` other than `version`.
    kServerSync,  // As kWorkerSync.
    kLease,       // For runs of `job` that `who` may have, `want` of them.
    kEvents,      // For an event of `job_name` (empty: any) after `version`.
  };
  Kind kind = Kind::kWorkerSync;
  std::string who;
  uint64_t version = 0;
  uint64_t job = 0;
  std::string job_name;
  uint32_t segment = 0;
  uint32_t want = 0;
  absl::Time deadline;
};

class ParkedCalls {
 public:
  // Parks `call`, which is not parked.
  void Park(uint64_t call, ParkedCall parked);

  // No longer parks `call`; what it was, if it was parked.
  std::optional<ParkedCall> Take(uint64_t call);

  const ParkedCall* Find(uint64_t call) const;

  // Calls whose deadline has come at `now`, by deadline.
  std::vector<uint64_t> Due(absl::Time now) const;

  // The next deadline; InfiniteFuture: nothing is parked.
  absl::Time Next() const;

  // All calls of one kind, ascending.
  std::vector<uint64_t> Of(ParkedCall::Kind kind) const;

  size_t size() const { return calls_.size(); }

 private:
  std::map<uint64_t, ParkedCall> calls_;
  std::map<ParkedCall::Kind, std::set<uint64_t>> by_kind_;
  std::set<std::pair<absl::Time, uint64_t>> by_deadline_;
};

}  // namespace paceline

#endif  // PACELINE_SERVER_COORDINATOR_PARKED_H_
