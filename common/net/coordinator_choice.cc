#include "common/net/coordinator_choice.h"

#include "absl/strings/str_split.h"
#include "common/base/status_macros.h"
#include "common/net/endpoint.h"

namespace paceline {

absl::StatusOr<std::vector<std::string>> ParseCoordinators(absl::string_view text) {
  std::vector<std::string> addresses;
  for (const absl::string_view part : absl::StrSplit(text, ',')) {
    ASSIGN_OR_RETURN(const Endpoint endpoint, ParseEndpoint(part));
    addresses.push_back(endpoint.ToString());
  }
  return addresses;
}

CoordinatorChoice::CoordinatorChoice(absl::string_view addresses)
    : addresses_(absl::StrSplit(addresses, ',')), current_(addresses_.front()) {}

std::string CoordinatorChoice::current() const {
  absl::MutexLock lock(&mutex_);
  return current_;
}

void CoordinatorChoice::OnFailed(absl::string_view asked, absl::string_view hint) {
  absl::MutexLock lock(&mutex_);
  if (asked != current_) return;
  if (hint == kCoordinatorHere) return;
  if (!hint.empty() && hint != asked) {
    current_ = std::string(hint);
    return;
  }
  index_ = (index_ + 1) % addresses_.size();
  // A hint may have led to it already.
  if (addresses_[index_] == asked) index_ = (index_ + 1) % addresses_.size();
  current_ = addresses_[index_];
}

}  // namespace paceline
