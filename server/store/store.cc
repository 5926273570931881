#include "server/store/store.h"

#include <set>

#include "absl/strings/str_cat.h"

namespace paceline {
namespace {

absl::Status CheckKey(absl::string_view key) {
  if (!key.empty() && key.size() <= kMaxKeyBytes) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("store: a key has ", key.size(),
                                                 " bytes; wanted 1..", kMaxKeyBytes));
}

}  // namespace

absl::Status CheckTransaction(const Transaction& transaction) {
  std::set<absl::string_view> written;
  const auto check_write = [&written](const std::string& key) {
    absl::Status status = CheckKey(key);
    if (status.ok() && !written.insert(key).second) {
      status = absl::InvalidArgumentError(
          absl::StrCat("store: key '", key, "' is written twice in one transaction"));
    }
    return status;
  };
  for (const Compare& compare : transaction.compares) {
    if (absl::Status status = CheckKey(compare.key); !status.ok()) return status;
  }
  for (const Put& put : transaction.puts) {
    if (absl::Status status = check_write(put.key); !status.ok()) return status;
    if (put.value.size() <= kMaxValueBytes) continue;
    return absl::InvalidArgumentError(absl::StrCat("store: the value of '", put.key, "' has ",
                                                   put.value.size(), " bytes; at most ",
                                                   kMaxValueBytes, " fit"));
  }
  for (const Delete& erase : transaction.deletes) {
    if (absl::Status status = check_write(erase.key); !status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace paceline
