// The people who run the fleet: submit the job, watch it, change its mode, drain servers.
//
// Threads  One thread at a time.
#ifndef PACELINE_TESTS_SIM_OPERATORS_H_
#define PACELINE_TESTS_SIM_OPERATORS_H_

#include <functional>
#include <string>

#include "absl/time/time.h"
#include "proto/control.pb.h"
#include "tests/sim/control_line.h"
#include "tests/sim/network.h"
#include "tests/sim/scenario.h"
#include "tests/sim/sim_server.h"

namespace paceline::sim {

class Operators {
 public:
  // Told of each new look at the job.
  using Seen = std::function<void(const v1::JobStatus&)>;
  // Told each time that it is no longer there.
  using Gone = std::function<void()>;

  // `world` outlives the object.
  Operators(const World* world, Seen seen, Gone gone);

  // Submits and watches; orders come at their time.
  void Begin();

 private:
  void Submit();
  void Watch();
  void Change(const v1::ConsistencySpec& consistency);
  void Give(const AdminOrder& order);
  void TakeCheckpoint();
  void Cancel();

  // Until the coordinator has answered.
  template <typename Request, typename Answer>
  void Insist(void (Coordinator::*method)(absl::Time, uint64_t, const Request&),
              const Request& request);

  const World& world_;
  const Seen seen_;
  const Gone gone_;
  Node client_;
  ControlLine control_;
  std::string job_;
};

}  // namespace paceline::sim

#endif  // PACELINE_TESTS_SIM_OPERATORS_H_
