// Whom to ask for the coordinator: a list that somebody gave, and what servers say about it.
//
// A server that is not the coordinator refuses a call of ControlService with UNAVAILABLE and names
// in the trailing metadata, under kCoordinatorKey, who is.
//
// Errors   ParseCoordinators: InvalidArgument: one of them is not host:port.
// Threads  Safe.
#ifndef PACELINE_COMMON_NET_COORDINATOR_CHOICE_H_
#define PACELINE_COMMON_NET_COORDINATOR_CHOICE_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"

namespace paceline {

// The value: host:port; empty while nobody is known; kCoordinatorHere.
inline constexpr char kCoordinatorKey[] = "paceline-coordinator";
// Who refuses is the coordinator: there is nobody better to ask.
inline constexpr char kCoordinatorHere[] = ".";

// "host:port[,host:port...]", as --join and --fleet take it.
absl::StatusOr<std::vector<std::string>> ParseCoordinators(absl::string_view text);

class CoordinatorChoice {
 public:
  // Of a list as above; what is no address in it will not answer.
  explicit CoordinatorChoice(absl::string_view addresses);

  // Whom to ask now.
  std::string current() const ABSL_LOCKS_EXCLUDED(mutex_);
  // Of the list.
  size_t size() const { return addresses_.size(); }

  // A call to `asked` found no coordinator there. With a hint, that one is next, else the next of
  // the list. Nothing changes if somebody else is asked by now.
  void OnFailed(absl::string_view asked, absl::string_view hint) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  const std::vector<std::string> addresses_;  // At least one.
  mutable absl::Mutex mutex_;
  size_t index_ ABSL_GUARDED_BY(mutex_) = 0;  // In the list: the last of it that was asked.
  std::string current_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace paceline

#endif  // PACELINE_COMMON_NET_COORDINATOR_CHOICE_H_
