#include "server/coordinator/straggler.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "common/base/median.h"

namespace paceline {
namespace {

constexpr absl::Duration kWindow = absl::Seconds(10);
// Reports come several times a second; this many in a window are enough.
constexpr absl::Duration kApart = absl::Milliseconds(500);
constexpr double kKnownAfterSeconds = 0.2;
constexpr double kStandsOut = 1.5;
constexpr double kPer = 1000;  // Samples that Straggler's seconds are for.

}  // namespace

void StragglerWatch::Report(absl::Time now, const v1::WorkerIdentity& worker,
                            const v1::WorkerJobReport& report) {
  Worker& known = workers_[worker.id()];
  if (known.identity.incarnation() != worker.incarnation()) known.sums.clear();
  known.identity = worker;
  std::deque<Sums>& sums = known.sums;
  // The newest is replaced until it is far enough from the one before it.
  if (sums.size() > 1 && now - sums[sums.size() - 2].time < kApart) sums.pop_back();
  sums.push_back({now, static_cast<double>(report.samples()), report.compute_s(), report.wait_s(),
                  report.transfer_s()});
  while (sums.size() > 2 && sums[1].time <= now - kWindow) sums.pop_front();
}

void StragglerWatch::Forget(const std::string& worker) { workers_.erase(worker); }

// Reports come from outside: what makes no sense is not known either.
std::optional<StragglerWatch::Cost> StragglerWatch::CostOf(const Worker& worker) {
  const Sums& to = worker.sums.back();
  Sums from = worker.sums.front();
  // One that has finished nothing lately is judged by all that it has done.
  if (!(to.samples > from.samples)) from = {};
  const double samples = to.samples - from.samples;
  const Cost cost{&worker.identity, (to.compute_s - from.compute_s) / samples,
                  (to.wait_s - from.wait_s) / samples, (to.transfer_s - from.transfer_s) / samples};
  const bool is_known = samples > 0 && cost.work_s() * samples >= kKnownAfterSeconds &&
                        std::isfinite(cost.work_s()) && std::isfinite(cost.wait_s);
  return is_known ? std::optional<Cost>(cost) : std::nullopt;
}

std::optional<v1::Straggler> StragglerWatch::Find() const {
  std::vector<Cost> costs;
  for (const auto& [id, worker] : workers_) {
    if (const std::optional<Cost> cost = CostOf(worker)) costs.push_back(*cost);
  }
  if (costs.size() < 2) return std::nullopt;
  const auto slowest =
      std::max_element(costs.begin(), costs.end(),
                       [](const Cost& a, const Cost& b) { return a.work_s() < b.work_s(); });
  const Cost slow = *slowest;
  costs.erase(slowest);
  const auto median = [&costs](const auto& of) {
    std::vector<double> values;
    for (const Cost& cost : costs) values.push_back(of(cost));
    return Median(std::move(values));
  };
  const double others = median([](const Cost& cost) { return cost.work_s(); });
  if (!(slow.work_s() >= kStandsOut * others)) return std::nullopt;
  const double compute_lost =
      slow.compute_s - median([](const Cost& cost) { return cost.compute_s; });
  const double transfer_lost =
      slow.transfer_s - median([](const Cost& cost) { return cost.transfer_s; });
  v1::Straggler straggler;
  *straggler.mutable_worker() = *slow.worker;
  straggler.set_compute_s(kPer * slow.compute_s);
  straggler.set_wait_s(kPer * slow.wait_s);
  straggler.set_transfer_s(kPer * slow.transfer_s);
  straggler.set_times_median(slow.work_s() / others);
  straggler.set_limit(transfer_lost > compute_lost ? "transfer" : "compute");
  return straggler;
}

}  // namespace paceline
