#include "server/coordinator/parked.h"

#include "common/base/check.h"

namespace paceline {

void ParkedCalls::Park(uint64_t call, ParkedCall parked) {
  by_kind_[parked.kind].insert(call);
  by_deadline_.insert({parked.deadline, call});
  PACELINE_CHECK(calls_.emplace(call, std::move(parked)).second);
}

std::optional<ParkedCall> ParkedCalls::Take(uint64_t call) {
  auto node = calls_.extract(call);
  if (node.empty()) return std::nullopt;
  by_kind_[node.mapped().kind].erase(call);
  by_deadline_.erase({node.mapped().deadline, call});
  return std::move(node.mapped());
}

const ParkedCall* ParkedCalls::Find(uint64_t call) const {
  const auto it = calls_.find(call);
  return it == calls_.end() ? nullptr : &it->second;
}

std::vector<uint64_t> ParkedCalls::Due(absl::Time now) const {
  std::vector<uint64_t> due;
  for (const auto& [deadline, call] : by_deadline_) {
    if (deadline > now) break;
    due.push_back(call);
  }
  return due;
}

absl::Time ParkedCalls::Next() const {
  return by_deadline_.empty() ? absl::InfiniteFuture() : by_deadline_.begin()->first;
}

std::vector<uint64_t> ParkedCalls::Of(ParkedCall::Kind kind) const {
  const auto it = by_kind_.find(kind);
  if (it == by_kind_.end()) return {};
  return {it->second.begin(), it->second.end()};
}

}  // namespace paceline
