#include "server/host_timer.h"

#include <algorithm>
#include <utility>

#include "absl/time/time.h"
#include "common/base/clock.h"

namespace paceline {
namespace {

// Another thread's event may make the next tick due earlier; it is looked for this often.
constexpr absl::Duration kLatest = absl::Milliseconds(20);
constexpr absl::Duration kSpacing = absl::Milliseconds(1);

}  // namespace

HostTimer::HostTimer(PartitionHost* host, std::function<void()> on_news)
    : host_(host), on_news_(std::move(on_news)), thread_([this] { Run(); }) {}

HostTimer::~HostTimer() { Stop(); }

void HostTimer::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  if (thread_.joinable()) thread_.join();
}

void HostTimer::Run() {
  for (;;) {
    const absl::Duration left = host_->NextTick() - SteadyNow();
    {
      absl::MutexLock lock(&mutex_);
      mutex_.AwaitWithTimeout(absl::Condition(&stopping_), std::clamp(left, kSpacing, kLatest));
      if (stopping_) return;
    }
    const absl::Time now = SteadyNow();
    if (now < host_->NextTick()) continue;
    host_->OnTick(now);
    if (host_->TakeNews()) on_news_();
  }
}

}  // namespace paceline
