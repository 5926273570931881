// The calls of one service that have not been answered: whoever takes one out, and nobody else,
// answers it.
//
// Threads  Safe.
#ifndef PACELINE_SERVER_SERVICE_PENDING_CALLS_H_
#define PACELINE_SERVER_SERVICE_PENDING_CALLS_H_

#include <cstdint>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"

namespace paceline {

template <typename Call>
class PendingCalls {
 public:
  // A number, from 1, that no other call of this object has had; 0 after Stop.
  uint64_t Add(Call* call) {
    absl::MutexLock lock(&mutex_);
    if (stopped_) return 0;
    calls_[++last_] = call;
    return last_;
  }

  // Null when it has been taken already.
  Call* Take(uint64_t number) {
    absl::MutexLock lock(&mutex_);
    const auto found = calls_.find(number);
    if (found == calls_.end()) return nullptr;
    Call* const call = found->second;
    calls_.erase(found);
    return call;
  }

  // Of all that are left.
  std::vector<uint64_t> Numbers() const {
    absl::MutexLock lock(&mutex_);
    return NumbersLocked();
  }

  // As Numbers. Nothing is added from now on.
  std::vector<uint64_t> Stop() {
    absl::MutexLock lock(&mutex_);
    stopped_ = true;
    return NumbersLocked();
  }

 private:
  std::vector<uint64_t> NumbersLocked() const ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    std::vector<uint64_t> numbers;
    for (const auto& entry : calls_) numbers.push_back(entry.first);
    return numbers;
  }

  mutable absl::Mutex mutex_;
  absl::flat_hash_map<uint64_t, Call*> calls_ ABSL_GUARDED_BY(mutex_);
  uint64_t last_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace paceline

#endif  // PACELINE_SERVER_SERVICE_PENDING_CALLS_H_
