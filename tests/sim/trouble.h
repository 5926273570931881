// Everything that goes wrong in a run, and what the people who run the fleet do meanwhile.
//
// Threads  Pure functions.
#ifndef PACELINE_TESTS_SIM_TROUBLE_H_
#define PACELINE_TESTS_SIM_TROUBLE_H_

#include "tests/sim/random.h"
#include "tests/sim/scenario.h"

namespace paceline::sim {

// Fills in the links, the clocks, the faults and the orders of a scenario whose job and fleet are
// drawn.
void DrawTrouble(Random* random, Scenario* scenario);

// In some scenarios: checkpoints, the disk that they lie on, and that all copies are lost.
void DrawCheckpoints(Scenario* scenario);

// In some scenarios: times at which the coordinator can write nothing.
void DrawStoreFaults(Scenario* scenario);

// In some scenarios with replicas: servers elect the coordinator, and what would befall it alone
// befalls the server that it is.
void DrawElections(Scenario* scenario);

// In some scenarios: the job is cancelled in the middle of it all.
void DrawCancel(Scenario* scenario);

// In some scenarios of liveness: a server stays drained, and the job is long enough to see it.
void DrawDrained(Scenario* scenario);

}  // namespace paceline::sim

#endif  // PACELINE_TESTS_SIM_TROUBLE_H_
