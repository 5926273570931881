#include "server/coordinator/replicas.h"

#include <catch2/catch.hpp>
#include <utility>

namespace paceline {
namespace {

using Kind = CopyChange::Kind;

CopyServer Server(const std::string& id, uint64_t elements = 0, const std::string& zone = "") {
  CopyServer server;
  server.server.set_id(id);
  server.server.set_incarnation(7);
  server.address = id + ":7000";
  server.zone = zone;
  server.elements = elements;
  server.takes_copies = true;
  server.is_sound = true;
  return server;
}

CopyServers Servers(const std::vector<std::string>& ids) {
  CopyServers servers;
  for (const std::string& id : ids) servers[id] = Server(id);
  return servers;
}

// Copies 1, 2, ... on s1, s2, ..., all in sync, s1's the primary, term 1, config 1.
v1::PartitionPlacement Placement(int copies) {
  v1::PartitionPlacement placement;
  for (int i = 1; i <= copies; ++i) {
    AddCopy(Server("s" + std::to_string(i)), i, &placement)->set_in_sync(true);
  }
  placement.set_term(1);
  placement.set_config(1);
  placement.set_server("s1");
  placement.set_server_incarnation(7);
  placement.set_address("s1:7000");
  return placement;
}

v1::PartitionReport Report(uint64_t replica, v1::BackupReport::State state) {
  v1::PartitionReport report;
  report.set_term(1);
  report.set_config(1);
  report.set_replica(1);
  report.add_backups()->set_replica(replica);
  report.mutable_backups(0)->set_state(state);
  return report;
}

std::vector<Kind> KindsOf(const CopyChanges& changes) {
  std::vector<Kind> kinds;
  for (const CopyChange& change : changes) kinds.push_back(change.kind);
  return kinds;
}

// What copies say that have heard of the placement as it is.
CopyWords Words(const v1::PartitionPlacement& placement) {
  CopyWords words;
  for (const v1::PartitionReplica& copy : placement.replicas()) {
    words[copy.id()] = {0, placement.config()};
  }
  return words;
}

// What comes of it once nothing changes any more, and everybody hears of every change.
CopyChanges Settled(const CopiesWanted& wanted, CopyServers* servers, uint64_t* last_id,
                    v1::PartitionPlacement* placement) {
  CopyChanges all;
  for (uint64_t config = 0; config != placement->config();) {
    config = placement->config();
    const CopyChanges some = Upkeep(wanted, Words(*placement), servers, last_id, placement);
    all.insert(all.end(), some.begin(), some.end());
  }
  return all;
}

TEST_CASE("a backup that has caught up is in sync, one that lags is not") {
  v1::PartitionPlacement placement = Placement(2);

  CHECK(KindsOf(TakeReport(Report(2, v1::BackupReport::LAGGING), &placement)) ==
        std::vector<Kind>{Kind::kOutOfSync});
  CHECK(placement.config() == 2);
  CHECK(InSyncOf(placement) == 1);

  v1::PartitionReport report = Report(2, v1::BackupReport::CAUGHT_UP);
  report.set_config(2);
  CHECK(KindsOf(TakeReport(report, &placement)) == std::vector<Kind>{Kind::kInSync});
  CHECK(placement.config() == 3);
  CHECK(InSyncOf(placement) == 2);
}

TEST_CASE("a report of another term, config or copy changes nothing") {
  v1::PartitionPlacement placement = Placement(2);
  placement.mutable_replicas(1)->set_in_sync(false);
  const std::string before = placement.SerializeAsString();
  v1::PartitionReport report = Report(2, v1::BackupReport::CAUGHT_UP);

  report.set_term(2);
  CHECK(TakeReport(report, &placement).empty());
  report.set_term(1);
  report.set_config(0);
  CHECK(TakeReport(report, &placement).empty());
  report.set_config(1);
  report.set_replica(9);
  CHECK(TakeReport(report, &placement).empty());
  report = Report(8, v1::BackupReport::CAUGHT_UP);  // No such copy.
  CHECK(TakeReport(report, &placement).empty());

  CHECK(placement.SerializeAsString() == before);
}

TEST_CASE("the primary itself never lags") {
  v1::PartitionPlacement placement = Placement(2);
  CHECK(TakeReport(Report(1, v1::BackupReport::LAGGING), &placement).empty());
  CHECK(TakeReport(Report(1, v1::BackupReport::DIVERGED), &placement).empty());
  CHECK(InSyncOf(placement) == 2);
}

TEST_CASE("a copy that differs goes, and is made anew under a new id") {
  v1::PartitionPlacement placement = Placement(2);
  CopyServers servers = Servers({"s1", "s2"});
  uint64_t last_id = 2;

  CHECK(KindsOf(TakeReport(Report(2, v1::BackupReport::DIVERGED), &placement)) ==
        std::vector<Kind>{Kind::kDiverged});
  CHECK(placement.replicas_size() == 1);
  CHECK(KindsOf(Upkeep({2, 1, 10}, {}, &servers, &last_id, &placement)) ==
        std::vector<Kind>{Kind::kAdded});

  CHECK(placement.replicas(1).id() == 3);
  CHECK(placement.replicas(1).server() == "s2");
  CHECK_FALSE(placement.replicas(1).in_sync());
  CHECK(last_id == 3);
}

TEST_CASE("the copy with the longest log takes a lost primary's place, under a new term") {
  v1::PartitionPlacement placement = Placement(3);

  const CopyChanges changes = LoseServers({{"s1", "s1 expired"}}, {{2, {5, 1}}, {3, {6, 1}}},
                                          Servers({"s2", "s3"}), &placement);

  CHECK(KindsOf(changes) == std::vector<Kind>{Kind::kRemoved, Kind::kPromoted});
  CHECK(placement.server() == "s3");
  CHECK(placement.address() == "s3:7000");
  CHECK(placement.term() == 2);
  CHECK(placement.config() == 2);
  CHECK(placement.replicas_size() == 2);
}

TEST_CASE("equal logs go by id; a server that may be dead comes last; who is not in sync, never") {
  v1::PartitionPlacement placement = Placement(3);
  CopyServers servers = Servers({"s2", "s3"});
  LoseServers({{"s1", ""}}, {{2, {5, 1}}, {3, {5, 1}}}, servers, &placement);
  CHECK(placement.server() == "s2");

  placement = Placement(3);
  servers["s2"].is_sound = false;
  LoseServers({{"s1", ""}}, {{2, {9, 1}}}, servers, &placement);
  CHECK(placement.server() == "s3");

  placement = Placement(3);
  placement.mutable_replicas(2)->set_in_sync(false);
  LoseServers({{"s1", ""}}, {{3, {9, 1}}}, servers, &placement);
  CHECK(placement.server() == "s2");
}

TEST_CASE("two servers lost at once are both taken out before one is chosen") {
  v1::PartitionPlacement placement = Placement(3);

  LoseServers({{"s1", ""}, {"s2", ""}}, {{2, {9, 1}}}, Servers({"s3"}), &placement);

  CHECK(placement.server() == "s3");
  CHECK(placement.replicas_size() == 1);
}

TEST_CASE("a lost backup changes the config, not the term") {
  v1::PartitionPlacement placement = Placement(2);

  CHECK(KindsOf(LoseServers({{"s2", ""}}, {}, Servers({"s1"}), &placement)) ==
        std::vector<Kind>{Kind::kRemoved});

  CHECK(placement.server() == "s1");
  CHECK(placement.term() == 1);
  CHECK(placement.config() == 2);
  CHECK(LoseServers({{"s9", ""}}, {}, Servers({"s1"}), &placement).empty());
  CHECK(placement.config() == 2);
}

TEST_CASE("with no copy in sync left there is no primary") {
  v1::PartitionPlacement placement = Placement(2);
  placement.mutable_replicas(1)->set_in_sync(false);

  LoseServers({{"s1", ""}}, {}, Servers({"s2"}), &placement);

  CHECK(placement.server().empty());
  CHECK(PrimaryOf(placement) == nullptr);
  CHECK(placement.config() == 2);
}

TEST_CASE("a missing copy goes to another zone, then to the server that holds least") {
  v1::PartitionPlacement placement = Placement(1);
  CopyServers servers;
  servers["s1"] = Server("s1", 0, "east");
  servers["s2"] = Server("s2", 1, "east");
  servers["s3"] = Server("s3", 9, "west");
  servers["s4"] = Server("s4", 8, "west");
  uint64_t last_id = 1;

  Upkeep({2, 1, 10}, {}, &servers, &last_id, &placement);
  CHECK(placement.replicas(1).server() == "s4");
  CHECK(servers["s4"].elements == 18);
  Upkeep({3, 1, 10}, {}, &servers, &last_id, &placement);
  CHECK(placement.replicas(2).server() == "s2");
  CHECK(placement.replicas(2).id() == 3);

  // Nothing more to do, and again.
  const uint64_t config = placement.config();
  CHECK(Upkeep({3, 1, 10}, {}, &servers, &last_id, &placement).empty());
  CHECK(placement.config() == config);
}

TEST_CASE("one primary's server sends a few copies at a time, small ones more of them") {
  // Of 16 Mi elements two; of 1 Mi elements sixteen.
  const auto [elements, most] =
      GENERATE(std::pair(uint64_t{16} << 20, 2), std::pair(uint64_t{1} << 20, 16));
  CopyServers servers = Servers({"s1", "s2"});
  uint64_t last_id = 1;
  int added = 0;
  for (int i = 0; i < 40; ++i) {
    v1::PartitionPlacement placement = Placement(1);
    added += static_cast<int>(Upkeep({2, 1, elements}, {}, &servers, &last_id, &placement).size());
  }
  CHECK(added == most);

  v1::PartitionPlacement other = Placement(1);
  other.set_server("s2");
  other.mutable_replicas(0)->set_server("s2");
  CHECK(Upkeep({2, 1, elements}, {}, &servers, &last_id, &other).size() == 1);
}

TEST_CASE("a copy that is replaced goes when the other is added; one in sync is not replaced") {
  CopyServers servers = Servers({"s1", "s2", "s3"});
  uint64_t last_id = 2;
  v1::PartitionPlacement placement = Placement(2);
  CHECK(Replace(2, "why", {2, 1, 10}, &servers, &last_id, &placement).empty());
  placement.mutable_replicas(1)->set_in_sync(false);

  const CopyChanges changes = Replace(2, "why", {2, 1, 10}, &servers, &last_id, &placement);

  CHECK(KindsOf(changes) == std::vector<Kind>{Kind::kAdded, Kind::kRemoved});
  CHECK(changes[1].why == "why");
  CHECK(placement.replicas_size() == 2);
  CHECK(placement.replicas(1).id() == 3);
  CHECK(placement.replicas(1).server() == "s3");
  CHECK(placement.config() == 2);
  servers.erase("s2");
  CHECK(Replace(3, "why", {2, 1, 10}, &servers, &last_id, &placement).empty());
  CHECK(placement.config() == 2);
}

TEST_CASE("without another server nothing is added and the config stays") {
  v1::PartitionPlacement placement = Placement(1);
  CopyServers servers = Servers({"s1", "s2"});
  servers["s2"].takes_copies = false;
  uint64_t last_id = 1;

  CHECK(Upkeep({2, 1, 10}, {}, &servers, &last_id, &placement).empty());
  CHECK(placement.config() == 1);
}

TEST_CASE("copies on servers that may have died let no other go") {
  CopyServers servers = Servers({"s1", "s2", "s3"});
  servers["s2"].is_sound = false;
  uint64_t last_id = 3;

  // One is surplus, and s2 is not sure to stay.
  v1::PartitionPlacement placement = Placement(3);
  CHECK(Settled({2, 1, 10}, &servers, &last_id, &placement).empty());
  CHECK(placement.replicas_size() == 3);

  // A draining s1 keeps its copy, and the primary's part, while only s2 could take over.
  placement = Placement(2);
  servers["s1"].is_draining = true;
  servers["s1"].takes_copies = false;
  servers["s3"].takes_copies = false;
  Settled({1, 1, 10}, &servers, &last_id, &placement);
  CHECK(placement.server() == "s1");
  CHECK(placement.replicas_size() == 2);
}

TEST_CASE("a backup that lags is no longer waited for, even if it was never taken for in sync") {
  v1::PartitionPlacement placement = Placement(2);
  placement.mutable_replicas(1)->set_in_sync(false);
  v1::PartitionReport report = Report(2, v1::BackupReport::LAGGING);

  CHECK(KindsOf(TakeReport(report, &placement)) == std::vector<Kind>{Kind::kOutOfSync});
  CHECK(placement.config() == 2);
}

TEST_CASE("surplus copies go: those not in sync first, never the primary") {
  v1::PartitionPlacement placement = Placement(3);
  placement.mutable_replicas(1)->set_in_sync(false);
  CopyServers servers = Servers({"s1", "s2", "s3"});
  servers["s1"].elements = 99;
  uint64_t last_id = 3;

  CopyChanges changes = Settled({2, 1, 10}, &servers, &last_id, &placement);
  REQUIRE(KindsOf(changes) == std::vector<Kind>{Kind::kRemoved});
  CHECK(changes[0].server == "s2");
  changes = Settled({1, 1, 10}, &servers, &last_id, &placement);
  REQUIRE(KindsOf(changes) == std::vector<Kind>{Kind::kRemoved});
  CHECK(changes[0].server == "s3");
  CHECK(placement.server() == "s1");
}

TEST_CASE("a draining primary makes another copy, hands over to it and goes") {
  v1::PartitionPlacement placement = Placement(1);
  CopyServers servers = Servers({"s1", "s2"});
  servers["s1"].is_draining = true;
  servers["s1"].takes_copies = false;
  uint64_t last_id = 1;

  CHECK(KindsOf(Upkeep({1, 1, 10}, {}, &servers, &last_id, &placement)) ==
        std::vector<Kind>{Kind::kAdded});
  CHECK(placement.replicas(0).leaving());
  CHECK(placement.server() == "s1");
  CHECK(Upkeep({1, 1, 10}, {}, &servers, &last_id, &placement).empty());

  v1::PartitionReport report = Report(2, v1::BackupReport::CAUGHT_UP);
  report.set_config(placement.config());
  REQUIRE(!TakeReport(report, &placement).empty());
  CHECK(Upkeep({1, 1, 10}, {}, &servers, &last_id, &placement).empty());
  CHECK(KindsOf(Upkeep({1, 1, 10}, Words(placement), &servers, &last_id, &placement)) ==
        std::vector<Kind>{Kind::kPromoted});
  CHECK(placement.server() == "s2");
  CHECK(placement.term() == 2);

  // Until the new primary has spoken, the old copy is what is left if it should be lost.
  CHECK(Upkeep({1, 1, 10}, {}, &servers, &last_id, &placement).empty());
  CHECK(placement.replicas_size() == 2);
  CHECK(KindsOf(Upkeep({1, 1, 10}, Words(placement), &servers, &last_id, &placement)) ==
        std::vector<Kind>{Kind::kRemoved});
  CHECK(placement.replicas_size() == 1);
}

TEST_CASE("with too few servers a leaving copy goes all the same, but not below min_in_sync") {
  CopyServers servers = Servers({"s1", "s2"});
  servers["s2"].is_draining = true;
  servers["s2"].takes_copies = false;
  uint64_t last_id = 2;

  v1::PartitionPlacement placement = Placement(2);
  Settled({2, 2, 10}, &servers, &last_id, &placement);
  CHECK(placement.replicas_size() == 2);
  CHECK(placement.replicas(1).leaving());

  placement = Placement(2);
  Settled({2, 1, 10}, &servers, &last_id, &placement);
  CHECK(placement.replicas_size() == 1);
}

TEST_CASE("a leaving copy waits for a server that is silent for the moment") {
  v1::PartitionPlacement placement = Placement(2);
  CopyServers servers = Servers({"s1", "s2", "s3"});
  servers["s2"].is_draining = true;
  servers["s2"].takes_copies = false;
  servers["s3"].takes_copies = false;
  uint64_t last_id = 2;

  Settled({2, 1, 10}, &servers, &last_id, &placement);
  CHECK(placement.replicas_size() == 2);
  CHECK(placement.replicas(1).leaving());

  servers.erase("s3");
  Settled({2, 1, 10}, &servers, &last_id, &placement);
  CHECK(placement.replicas_size() == 1);
}

TEST_CASE("the last server cannot be emptied") {
  v1::PartitionPlacement placement = Placement(1);
  CopyServers servers = Servers({"s1"});
  servers["s1"].is_draining = true;
  servers["s1"].takes_copies = false;
  uint64_t last_id = 1;

  Upkeep({1, 1, 10}, {}, &servers, &last_id, &placement);

  CHECK(placement.server() == "s1");
  CHECK(placement.replicas(0).leaving());
}

TEST_CASE("a copy that was to move stays if its target is lost and no other place is left") {
  v1::PartitionPlacement placement = Placement(2);
  placement.mutable_replicas(1)->set_leaving(true);
  CopyServers servers = Servers({"s1", "s2"});
  uint64_t last_id = 3;

  Upkeep({2, 1, 10}, {}, &servers, &last_id, &placement);

  CHECK(placement.replicas_size() == 2);
  CHECK_FALSE(placement.replicas(1).leaving());
}

TEST_CASE("a copy that leaves and was never in sync goes at once") {
  v1::PartitionPlacement placement = Placement(2);
  placement.mutable_replicas(1)->set_in_sync(false);
  CopyServers servers = Servers({"s1", "s2", "s3"});
  servers["s2"].is_draining = true;
  servers["s2"].takes_copies = false;
  uint64_t last_id = 2;

  CHECK(KindsOf(Settled({2, 1, 10}, &servers, &last_id, &placement)) ==
        std::vector<Kind>{Kind::kAdded, Kind::kRemoved});
  CHECK(placement.replicas(1).server() == "s3");
}

}  // namespace
}  // namespace paceline
