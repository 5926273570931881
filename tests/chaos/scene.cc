#include "tests/chaos/scene.h"

#include <signal.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <fstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tests/chaos/record.h"
#include "tests/chaos/slots.h"
#include "tests/integration/replicated_job.h"

namespace paceline::chaos {
namespace {

constexpr int kServers = 3;
// Blocks of a partition, the fewest that are worth one.
constexpr int kElements = kServers * 16384;

const std::vector<std::string>& ClientNames() {
  static const auto* const names = new std::vector<std::string>{"client-0", "client-1"};
  return *names;
}

}  // namespace

std::unique_ptr<Scene> Scene::Make() {
  std::vector<std::string> hosts = {"people", "coordinator"};
  for (int i = 0; i < kServers; ++i) hosts.push_back(absl::StrCat("server-", i));
  hosts.insert(hosts.end(), ClientNames().begin(), ClientNames().end());
  auto links = Links::Make(hosts);
  if (links == nullptr) return nullptr;
  return std::unique_ptr<Scene>(new Scene(std::move(links)));
}

Scene::Scene(std::unique_ptr<Links> links)
    : folder_(TestFolder("scene")), links_(std::move(links)) {
  FleetOptions options;
  options.servers = kServers;
  options.workers = 0;
  options.separate_coordinator = true;
  options.server_flags = {"--insecure"};
  options.host = [this](const std::string& name) { return links_->host(name); };
  fleet_ = std::make_unique<Fleet>(options);
  WriteText(folder_ + "/job.yaml",
            absl::StrCat("name: bare\nmodel: {parameters: [{name: w, shape: [", kElements,
                         "], initial: 0}]}\noptimizer: {sgd: {learning_rate: 1}}\n"
                         "consistency: async\nfleet: {servers: ",
                         kServers, ", replicas: 2}\n"));
  job_ = fleet_->Submit(folder_ + "/job.yaml");
  const int clients_each = static_cast<int>(kClientsMax / ClientNames().size());
  int first_client = 0;
  for (const std::string& name : ClientNames()) {
    StartClient(name, first_client);
    first_client += clients_each;
  }
  REQUIRE(AwaitInSync(*fleet_, job_, 2));
  REQUIRE(fleet_->Status(job_)["placement"].size() == kServers);
  REQUIRE(PushesGoOn());
}

void Scene::StartClient(const std::string& name, int first_client) {
  std::vector<std::string> line = links_->host(name).enter;
  line.insert(line.end(), {"tests/chaos/pusher", fleet_->coordinator(), job_, name,
                           absl::StrCat(first_client), HistoryOf(name)});
  auto process = cli::Process::Start(line, absl::StrCat(folder_, "/", name, ".log"));
  REQUIRE(process.ok());
  clients_[name] = *std::move(process);
}

std::string Scene::Primary() const { return fleet_->Status(job_)["placement"][0]["server"]; }

std::string Scene::Backup() const {
  const Json place = fleet_->Status(job_)["placement"][0];
  for (const Json& replica : place["replicas"]) {
    if (replica["server"] != place["server"]) return replica["server"];
  }
  FAIL("partition 0 has no backup: " << place.dump());
  return "";
}

std::string Scene::HistoryOf(const std::string& name) const {
  return absl::StrCat(folder_, "/", name, ".history");
}

std::vector<history::Operation> Scene::Operations(const std::string& name) const {
  std::vector<history::Operation> operations;
  std::ifstream file(HistoryOf(name));
  for (std::string line; std::getline(file, line);) {
    if (file.eof()) break;  // It is still being written.
    auto operation = FromLine(line);
    INFO(operation.status());
    REQUIRE(operation.ok());
    operations.push_back(*std::move(operation));
  }
  return operations;
}

uint64_t Scene::Acknowledged(const std::string& name) const {
  const std::vector<history::Operation> operations = Operations(name);
  return static_cast<uint64_t>(
      std::count_if(operations.begin(), operations.end(), [](const history::Operation& one) {
        return one.kind == history::Operation::kAcknowledge;
      }));
}

bool Scene::PushesGoOn() const {
  std::map<std::string, uint64_t> before;
  for (const std::string& name : ClientNames()) before[name] = Acknowledged(name);
  return Eventually(
      [&] {
        // Of the push that may have been on its way no more than this is left.
        return std::all_of(before.begin(), before.end(), [this](const auto& entry) {
          return Acknowledged(entry.first) > entry.second + kServers;
        });
      },
      absl::Seconds(20));
}

void Scene::CheckHistory() {
  std::vector<history::Operation> all;
  for (auto& [name, process] : clients_) {
    INFO(name << ", log in " << folder_);
    CHECK_FALSE(process->Ended().has_value());
    process->Signal(SIGKILL);
    REQUIRE(process->WaitFor(absl::Seconds(10)));
    const std::vector<history::Operation> operations = Operations(name);
    all.insert(all.end(), operations.begin(), operations.end());
  }
  const std::vector<std::string> broken = history::Check(all);
  INFO("histories in " << folder_ << "\n" << absl::StrJoin(broken, "\n"));
  CHECK(broken.empty());
}

}  // namespace paceline::chaos
