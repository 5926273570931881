#include "server/coordinator/roster.h"

#include <algorithm>

#include "common/base/check.h"

namespace paceline {
namespace {

// Where `id` is or belongs.
int PlaceOf(const v1::Roster& roster, const std::string& id) {
  const auto it = std::lower_bound(
      roster.members().begin(), roster.members().end(), id,
      [](const v1::RosterMember& m, const std::string& wanted) { return m.worker().id() < wanted; });
  return static_cast<int>(it - roster.members().begin());
}

bool Holds(const v1::Roster& roster, int place, const std::string& id) {
  return place < roster.members_size() && roster.members(place).worker().id() == id;
}

v1::RosterMember* Mutable(v1::Roster* roster, const std::string& id) {
  const int place = PlaceOf(*roster, id);
  PACELINE_CHECK(Holds(*roster, place, id));
  return roster->mutable_members(place);
}

void Bump(v1::Roster* roster) { roster->set_version(roster->version() + 1); }

}  // namespace

const v1::RosterMember* FindMember(const v1::Roster& roster, const std::string& id) {
  const int place = PlaceOf(roster, id);
  return Holds(roster, place, id) ? &roster.members(place) : nullptr;
}

void AddMember(const v1::WorkerIdentity& worker, uint64_t start_clock, v1::Roster* roster) {
  const int place = PlaceOf(*roster, worker.id());
  if (!Holds(*roster, place, worker.id())) {
    roster->add_members();
    for (int i = roster->members_size() - 1; i > place; --i) {
      roster->mutable_members()->SwapElements(i, i - 1);
    }
  }
  v1::RosterMember* member = roster->mutable_members(place);
  member->Clear();
  *member->mutable_worker() = worker;
  member->set_start_clock(start_clock);
  Bump(roster);
}

bool RemoveMember(const std::string& id, v1::Roster* roster) {
  const int place = PlaceOf(*roster, id);
  if (!Holds(*roster, place, id)) return false;
  roster->mutable_members()->DeleteSubrange(place, 1);
  Bump(roster);
  return true;
}

void SetIdle(const std::string& id, v1::Roster* roster) {
  Mutable(roster, id)->set_idle(true);
  Bump(roster);
}

void SetBusy(const std::string& id, uint64_t start_clock, v1::Roster* roster) {
  v1::RosterMember* member = Mutable(roster, id);
  member->set_idle(false);
  member->set_start_clock(start_clock);
  Bump(roster);
}

void StartAll(uint64_t start_clock, v1::Roster* roster) {
  for (v1::RosterMember& member : *roster->mutable_members()) {
    member.set_idle(false);
    member.set_start_clock(start_clock);
  }
  Bump(roster);
}

}  // namespace paceline
