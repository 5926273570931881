// When to send again: what each status code asks of the caller, and how long to wait before it.
//
// Units    Delays grow from `shortest` by a factor of two up to `longest`; each is then drawn
//          uniformly from its upper half, so that callers that failed together do not come back
//          together.
// Threads  One object, one thread.
// Source   proto/parameter.proto (the codes); Brooker, "Exponential Backoff And Jitter", AWS 2015.
#ifndef PACELINE_CLIENT_RETRY_H_
#define PACELINE_CLIENT_RETRY_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/base/random.h"

namespace paceline {

// What a caller does about a status.
enum class Remedy {
  kNone,       // OK.
  kRetry,      // The same call again, later: it may or may not have happened.
  kRefresh,    // The same call again with what the next directive says, or a little later.
  kRecompute,  // Read newer parameters and compute anew.
  kStop,       // The job has ended.
  kGiveUp,     // A bug or a refusal that repeating does not change.
};

Remedy RemedyFor(absl::StatusCode code);

struct BackoffOptions {
  absl::Duration shortest = absl::Milliseconds(10);
  absl::Duration longest = absl::Seconds(1);
};

// The delays of one sequence of attempts.
class Backoff {
 public:
  Backoff(RandomStream jitter, BackoffOptions options) : jitter_(jitter), options_(options) {}

  // The delay before the next attempt, longer each time.
  absl::Duration Next();

  // The next delay is short again. Later draws differ from earlier ones all the same.
  void Reset() { attempts_ = 0; }

 private:
  RandomStream jitter_;
  BackoffOptions options_;
  uint64_t draws_ = 0;
  int attempts_ = 0;
};

}  // namespace paceline

#endif  // PACELINE_CLIENT_RETRY_H_
