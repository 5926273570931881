// Lets time pass for a PartitionHost: calls OnTick when it is due.
//
// Units    A tick comes at most 20 ms late, and not more often than every millisecond.
// Threads  Safe. One of its own, from construction until Stop.
#ifndef PACELINE_SERVER_HOST_TIMER_H_
#define PACELINE_SERVER_HOST_TIMER_H_

#include <functional>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "server/partition/partition_host.h"

namespace paceline {

class HostTimer {
 public:
  // `host` outlives the timer. `on_news` as in ParameterService.
  HostTimer(PartitionHost* host, std::function<void()> on_news);

  // Stop.
  ~HostTimer();
  HostTimer(const HostTimer&) = delete;
  HostTimer& operator=(const HostTimer&) = delete;

  // Waits until a tick under way is over. By one thread.
  void Stop() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  void Run() ABSL_LOCKS_EXCLUDED(mutex_);

  PartitionHost* const host_;  // Safe by itself.
  const std::function<void()> on_news_;

  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;

  std::thread thread_;
};

}  // namespace paceline

#endif  // PACELINE_SERVER_HOST_TIMER_H_
