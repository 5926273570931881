// The runs of data shards that one worker holds for one segment, and when to ask for more.
//
// Two runs are wanted in hand, the one in work and the next, so that the question's round trip is
// hidden behind the work. One question is open at a time.
//
// Units    Runs are indices into the segment's WorkPlan (common/job/round_plan.h).
// Threads  One object, one thread.
// Source   docs/protocol.md, "Leases".
#ifndef PACELINE_WORKER_LOOP_LEASE_BOOK_H_
#define PACELINE_WORKER_LOOP_LEASE_BOOK_H_

#include <cstdint>
#include <deque>
#include <optional>
#include <set>

#include "absl/time/time.h"
#include "client/retry.h"
#include "proto/control.pb.h"

namespace paceline {

// Effect: ask the coordinator for runs.
struct LeaseCall {
  uint64_t id = 0;
  uint32_t segment = 0;
  uint32_t want = 0;
};

struct LeaseBookOptions {
  // Between two questions when there was nothing to be had.
  absl::Duration retry = absl::Milliseconds(50);
  // The same after none_left.
  absl::Duration poll = absl::Milliseconds(500);
};

class LeaseBook {
 public:
  LeaseBook(LeaseBookOptions options, Backoff backoff);

  // Begins a segment with `runs` runs, or goes on with it: what is held of it stays held. The next
  // question may be asked at once. With `may_lose`, completed runs are taken again.
  void Begin(absl::Time now, uint32_t segment, uint64_t runs, bool may_lose = false);

  // The question to ask now, if there is one.
  std::optional<LeaseCall> Ask(absl::Time now);

  // The answer to question `id`; one that is not open, or of an earlier segment, brings nothing.
  // Runs that are held or completed already are passed over.
  void OnReply(absl::Time now, uint64_t id, const v1::LeaseReply& reply);
  void OnFailure(absl::Time now, uint64_t id);

  // A failed question may be asked again at once.
  void OnNews(absl::Time now);

  // When Ask has a question, as far as time decides it.
  absl::Time NextAsk() const;

  bool empty() const { return held_.empty(); }
  // The run in work; not if empty().
  uint64_t front() const { return held_.front(); }
  // The front run is applied in every partition.
  void CompleteFront();

  // Whether there is a run behind the one in work.
  bool has_next() const { return held_.size() > 1; }

  // The largest start_clock of this segment's answers.
  uint64_t start_clock() const { return start_clock_; }

  // Of the last answer; at least 1.
  uint32_t runs_per_clock() const { return runs_per_clock_; }

 private:
  bool Wants() const;

  const LeaseBookOptions options_;
  Backoff backoff_;
  uint32_t segment_ = 0;
  uint64_t runs_ = 0;
  bool may_lose_ = false;
  std::deque<uint64_t> held_;
  std::set<uint64_t> completed_;  // The newest of them; more could only be computed once too often.
  uint64_t start_clock_ = 0;
  uint32_t runs_per_clock_ = 1;
  uint64_t next_id_ = 1;
  std::optional<LeaseCall> open_;
  absl::Time ask_at_ = absl::InfiniteFuture();
  bool failed_ = false;
};

}  // namespace paceline

#endif  // PACELINE_WORKER_LOOP_LEASE_BOOK_H_
