#include "server/replica/log.h"

#include <utility>

#include "common/base/check.h"

namespace paceline {
namespace {

size_t BytesOf(const LogEntry& entry) {
  return entry.gradient == nullptr ? 0 : entry.gradient->elements() * sizeof(float);
}

}  // namespace

LocalLog::LocalLog(Limits limits) : limits_(limits) {}

uint64_t LocalLog::Append(LogEntry entry) {
  PACELINE_CHECK(entry.index == last_index_ + 1);
  last_index_ = entry.index;
  bytes_ += BytesOf(entry);
  entries_.push_back(std::move(entry));
  Truncate();
  return last_index_;
}

void LocalLog::Truncate() {
  while (!entries_.empty() &&
         (entries_.size() > limits_.entries_max || bytes_ > limits_.bytes_max)) {
    bytes_ -= BytesOf(entries_.front());
    entries_.pop_front();
  }
}

}  // namespace paceline
