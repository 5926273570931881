// Which worker of a job is slow, by what its reports say of the last few seconds (of
// all its time, if it has finished nothing in them).
//
// Units    Slowness is seconds of computing and transferring a sample.
// Threads  One thread at a time.
// Source   docs/protocol.md, "Stragglers".
#ifndef PACELINE_SERVER_COORDINATOR_STRAGGLER_H_
#define PACELINE_SERVER_COORDINATOR_STRAGGLER_H_

#include <deque>
#include <map>
#include <optional>
#include <string>

#include "absl/time/time.h"
#include "proto/control.pb.h"
#include "proto/parameter.pb.h"

namespace paceline {

class StragglerWatch {
 public:
  // What that worker reports of its whole work on the job. An incarnation starts anew.
  void Report(absl::Time now, const v1::WorkerIdentity& worker, const v1::WorkerJobReport& report);
  void Forget(const std::string& worker);

  // The slowest worker, if it takes half as long again for a sample as the median of the others, or
  // longer. One that has not worked for a fifth of a second, or finished no sample, counts for
  // nothing.
  std::optional<v1::Straggler> Find() const;

 private:
  struct Sums {
    absl::Time time;
    double samples = 0;
    double compute_s = 0;
    double wait_s = 0;
    double transfer_s = 0;
  };

  struct Worker {
    v1::WorkerIdentity identity;
    std::deque<Sums> sums;  // Ascending; the first is as old as the window, or all there is.
  };

  // Seconds a sample; no value: not known.
  struct Cost {
    const v1::WorkerIdentity* worker = nullptr;
    double compute_s = 0;
    double wait_s = 0;
    double transfer_s = 0;
    double work_s() const { return compute_s + transfer_s; }
  };
  static std::optional<Cost> CostOf(const Worker& worker);

  std::map<std::string, Worker> workers_;
};

}  // namespace paceline

#endif  // PACELINE_SERVER_COORDINATOR_STRAGGLER_H_
