// Virtual time: what happens next, in one order that the seed decides, and the record of it.
//
// Threads  One thread at a time.
#ifndef PACELINE_TESTS_SIM_EVENT_QUEUE_H_
#define PACELINE_TESTS_SIM_EVENT_QUEUE_H_

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "tests/sim/random.h"

namespace paceline::sim {

// How far a machine's clock may be off.
struct ClockSkew {
  absl::Duration offset_max = absl::ZeroDuration();
  // Seconds it gains or loses per second.
  double rate_max = 0;
};

class EventQueue {
 public:
  // With `print`, every traced line goes to standard output as well.
  EventQueue(uint64_t seed, bool print, ClockSkew skew = {});

  uint64_t seed() const { return seed_; }
  const ClockSkew& skew() const { return skew_; }

  absl::Time now() const { return now_; }
  // Since the start.
  absl::Duration elapsed() const { return now_ - start_; }
  absl::Time start() const { return start_; }
  uint64_t events() const { return events_; }

  // Runs `event` at `when`, or now if that is over. Events of one instant run in an order that the
  // seed decides.
  void At(absl::Time when, std::function<void()> event);

  // Runs the next event; false: there is none.
  bool RunNext();

  // Adds a line to the record: `parts` are what absl::StrCat takes.
  template <typename... Parts>
  void Trace(const Parts&... parts) {
    Record(absl::StrCat(parts...));
  }
  // A number that is equal for equal records.
  uint64_t trace_hash() const { return hash_; }

 private:
  struct Entry {
    absl::Time when;
    uint64_t tie = 0;
    std::function<void()> event;
  };
  static bool IsLater(const Entry& a, const Entry& b) {
    return a.when != b.when ? a.when > b.when : a.tie > b.tie;
  }

  void Record(absl::string_view line);

  const uint64_t seed_;
  const ClockSkew skew_;
  const absl::Time start_;
  const bool print_;
  absl::Time now_;
  Random ties_;
  std::vector<Entry> heap_;
  uint64_t events_ = 0;
  uint64_t hash_ = 0xcbf29ce484222325;
};

}  // namespace paceline::sim

#endif  // PACELINE_TESTS_SIM_EVENT_QUEUE_H_
