// How far a synchronous segment may run ahead of what the coordinator has heard.
//
// Units    Rounds of the segment.
// Threads  One object, one thread.
// Source   docs/protocol.md, "Consistency" (granted_rounds).
#ifndef PACELINE_SERVER_COORDINATOR_ROUND_GRANTS_H_
#define PACELINE_SERVER_COORDINATOR_ROUND_GRANTS_H_

#include <cstdint>

namespace paceline {

// At least this many rounds are granted ahead.
inline constexpr uint64_t kRoundSlackMin = 16;

class RoundGrants {
 public:
  // Rounds below `granted` are granted already; a segment has `size` of them.
  RoundGrants(uint64_t granted, uint64_t size);

  // A partition that is always the same one has applied `rounds`: the pace.
  void OnPace(uint64_t rounds);

  // How far to grant when every partition has applied `rounds`: max(kRoundSlackMin, 4 x pace) ahead.
  // Moves in strides of at least a quarter of that, so that few directives change.
  uint64_t Target(uint64_t rounds) const;

  void Grant(uint64_t rounds) { granted_ = rounds; }
  uint64_t granted() const { return granted_; }

 private:
  uint64_t Slack() const;

  const uint64_t size_;
  uint64_t granted_;
  uint64_t last_ = 0;
  bool heard_ = false;
  uint64_t pace_ = 0;
};

}  // namespace paceline

#endif  // PACELINE_SERVER_COORDINATOR_ROUND_GRANTS_H_
