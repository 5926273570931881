#include "server/store/memory.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "common/base/status_macros.h"

namespace paceline {

absl::StatusOr<CommitResult> MemoryStore::Commit(const Transaction& transaction) {
  ++commits_;
  writes_max_ = std::max(writes_max_, transaction.puts.size() + transaction.deletes.size());
  RETURN_IF_ERROR(CheckTransaction(transaction));
  RETURN_IF_ERROR(failure_);
  for (const Compare& compare : transaction.compares) {
    const auto it = entries_.find(compare.key);
    const uint64_t revision = it == entries_.end() ? 0 : it->second.revision;
    if (revision != compare.revision) return CommitResult{false, revision_};
  }
  if (transaction.puts.empty() && transaction.deletes.empty()) {
    return CommitResult{true, revision_};
  }
  ++revision_;
  for (const Put& put : transaction.puts) entries_[put.key] = {put.value, revision_};
  for (const Delete& erase : transaction.deletes) entries_.erase(erase.key);
  return CommitResult{true, revision_};
}

absl::StatusOr<std::vector<Entry>> MemoryStore::Range(absl::string_view prefix) {
  std::vector<Entry> range;
  for (auto it = entries_.lower_bound(std::string(prefix));
       it != entries_.end() && absl::StartsWith(it->first, prefix); ++it) {
    range.push_back({it->first, it->second.value, it->second.revision});
  }
  return range;
}

}  // namespace paceline
