// The workers that a job counts on: changes of v1::Roster.
//
// Shapes   Members are in id order, one for each id. Every change makes the version larger by one.
// Threads  Pure functions.
#ifndef PACELINE_SERVER_COORDINATOR_ROSTER_H_
#define PACELINE_SERVER_COORDINATOR_ROSTER_H_

#include <cstdint>
#include <string>

#include "proto/control.pb.h"

namespace paceline {

// The member named `id`, or null.
const v1::RosterMember* FindMember(const v1::Roster& roster, const std::string& id);

// Adds `worker`, in place of a member of the same id, if there is one.
void AddMember(const v1::WorkerIdentity& worker, uint64_t start_clock, v1::Roster* roster);

// Removes the member named `id`; whether there was one.
bool RemoveMember(const std::string& id, v1::Roster* roster);

// Nobody waits for the clock of `id`, which is a member, any longer.
void SetIdle(const std::string& id, v1::Roster* roster);

// `id`, which is a member, owes pushes from `start_clock` on.
void SetBusy(const std::string& id, uint64_t start_clock, v1::Roster* roster);

// All members owe pushes from `start_clock` on: a new segment.
void StartAll(uint64_t start_clock, v1::Roster* roster);

}  // namespace paceline

#endif  // PACELINE_SERVER_COORDINATOR_ROSTER_H_
