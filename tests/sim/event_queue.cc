#include "tests/sim/event_queue.h"

#include <algorithm>
#include <cstdio>

namespace paceline::sim {

EventQueue::EventQueue(uint64_t seed, bool print, ClockSkew skew)
    : seed_(seed),
      skew_(skew),
      start_(absl::FromUnixSeconds(1'000'000)),
      print_(print),
      now_(start_),
      ties_(seed, "ties") {}

void EventQueue::At(absl::Time when, std::function<void()> event) {
  heap_.push_back({std::max(when, now_), ties_.Bits(), std::move(event)});
  std::push_heap(heap_.begin(), heap_.end(), IsLater);
}

bool EventQueue::RunNext() {
  if (heap_.empty()) return false;
  std::pop_heap(heap_.begin(), heap_.end(), IsLater);
  Entry next = std::move(heap_.back());
  heap_.pop_back();
  now_ = next.when;
  ++events_;
  next.event();
  return true;
}

void EventQueue::Record(absl::string_view line) {
  const int64_t ns = absl::ToInt64Nanoseconds(elapsed());
  const auto mix = [this](uint64_t value) { hash_ = (hash_ ^ value) * 0x100000001b3; };
  mix(static_cast<uint64_t>(ns));
  for (const char c : line) mix(static_cast<unsigned char>(c));
  if (!print_) return;
  std::printf("%11.6f %.*s\n", static_cast<double>(ns) * 1e-9, static_cast<int>(line.size()),
              line.data());
}

}  // namespace paceline::sim
