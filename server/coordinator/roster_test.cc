#include "server/coordinator/roster.h"

#include <catch2/catch.hpp>

namespace paceline {
namespace {

v1::WorkerIdentity Worker(const std::string& id, uint64_t incarnation) {
  v1::WorkerIdentity worker;
  worker.set_id(id);
  worker.set_incarnation(incarnation);
  return worker;
}

std::string Show(const v1::Roster& roster) {
  std::string text = "v" + std::to_string(roster.version());
  for (const v1::RosterMember& m : roster.members()) {
    text += " " + m.worker().id() + "." + std::to_string(m.worker().incarnation()) + "@" +
            std::to_string(m.start_clock()) + (m.idle() ? "idle" : "");
  }
  return text;
}

TEST_CASE("members stay in id order and every change makes the version larger") {
  v1::Roster roster;
  AddMember(Worker("w2", 5), 0, &roster);
  AddMember(Worker("w1", 6), 3, &roster);
  AddMember(Worker("w3", 7), 3, &roster);
  CHECK(Show(roster) == "v3 w1.6@3 w2.5@0 w3.7@3");

  CHECK(RemoveMember("w2", &roster));
  CHECK_FALSE(RemoveMember("w2", &roster));
  CHECK(Show(roster) == "v4 w1.6@3 w3.7@3");
  CHECK(FindMember(roster, "w2") == nullptr);
  CHECK(FindMember(roster, "w3")->worker().incarnation() == 7);
}

TEST_CASE("a new incarnation takes its predecessor's place") {
  v1::Roster roster;
  AddMember(Worker("w1", 5), 0, &roster);
  SetIdle("w1", &roster);

  AddMember(Worker("w1", 9), 4, &roster);

  CHECK(Show(roster) == "v3 w1.9@4");
}

TEST_CASE("an idle member that gets work again owes pushes from its new start on") {
  v1::Roster roster;
  AddMember(Worker("w1", 5), 0, &roster);
  AddMember(Worker("w2", 6), 0, &roster);

  SetIdle("w1", &roster);
  CHECK(Show(roster) == "v3 w1.5@0idle w2.6@0");
  SetBusy("w1", 8, &roster);
  CHECK(Show(roster) == "v4 w1.5@8 w2.6@0");
  SetIdle("w2", &roster);
  StartAll(20, &roster);
  CHECK(Show(roster) == "v6 w1.5@20 w2.6@20");
}

}  // namespace
}  // namespace paceline
