#include "server/coordinator/reservation.h"

#include <algorithm>

namespace paceline {
namespace {

// Covered at the present pace, at least.
constexpr absl::Duration kReserved = absl::Seconds(60);

// Before there is a pace, and of what is very slow.
constexpr uint64_t kAheadMin = 64;

// The pace is measured over so long, at least.
constexpr double kMeasuredS = 1;

}  // namespace

void Reservation::OnGrant(absl::Time now, uint64_t granted) {
  if (!begun_) {
    begun_ = true;
    since_ = now;
    from_ = granted;
  }
  granted_ = std::max(granted_, granted);
  seconds_ = absl::ToDoubleSeconds(now - since_);
  if (seconds_ < kMeasuredS) return;
  rate_ = std::max(static_cast<double>(granted_ - from_) / seconds_, rate_ / 2);
  since_ = now;
  from_ = granted_;
  seconds_ = 0;
}

uint64_t Reservation::Ahead() const {
  // What is faster than ever before need not be so for a whole time.
  const double now = static_cast<double>(granted_ - from_) / std::max(seconds_, kMeasuredS);
  const double ahead = std::max(rate_, now) * absl::ToDoubleSeconds(kReserved);
  return std::max(kAheadMin, static_cast<uint64_t>(ahead));
}

std::optional<uint64_t> Reservation::Next(uint64_t granted, uint64_t reserved,
                                          uint64_t size) const {
  const uint64_t ahead = Ahead();
  if (reserved >= std::min(size, granted + ahead)) return std::nullopt;
  // A quarter more, so that it is rarely written.
  return std::min(size, granted + ahead + ahead / 4);
}

}  // namespace paceline
