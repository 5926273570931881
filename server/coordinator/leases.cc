#include "server/coordinator/leases.h"

#include <algorithm>

namespace paceline {

void Leases::Renew(const std::string& id, absl::Time now) {
  End(id);
  whole_[id] = now + lease_;
  end_of_[id] = now + lease_;
  by_end_.insert({now + lease_, id});
}

void Leases::Shorten(const std::string& id, absl::Time end) {
  const auto it = end_of_.find(id);
  if (it == end_of_.end() || it->second <= end) return;
  by_end_.erase({it->second, id});
  it->second = end;
  by_end_.insert({end, id});
}

void Leases::Unshorten(const std::string& id) {
  const auto it = end_of_.find(id);
  if (it == end_of_.end()) return;
  by_end_.erase({it->second, id});
  it->second = whole_.at(id);
  by_end_.insert({it->second, id});
}

void Leases::End(const std::string& id) {
  const auto it = end_of_.find(id);
  if (it == end_of_.end()) return;
  by_end_.erase({it->second, id});
  end_of_.erase(it);
  whole_.erase(id);
}

std::vector<std::string> Leases::Expired(absl::Time now) const {
  std::vector<std::string> expired;
  for (const auto& [end, id] : by_end_) {
    if (end > now) break;
    expired.push_back(id);
  }
  std::sort(expired.begin(), expired.end());
  return expired;
}

absl::Time Leases::EndOf(const std::string& id) const {
  const auto it = end_of_.find(id);
  return it == end_of_.end() ? absl::InfinitePast() : it->second;
}

absl::Time Leases::Next() const {
  return by_end_.empty() ? absl::InfiniteFuture() : by_end_.begin()->first;
}

}  // namespace paceline
