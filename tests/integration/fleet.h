// Real processes for tests: servers and workers on loopback, and the command line to drive them.
//
// Errors   Whatever goes wrong in the fixture itself fails the running test case.
// Threads  One thread.
#ifndef PACELINE_TESTS_INTEGRATION_FLEET_H_
#define PACELINE_TESTS_INTEGRATION_FLEET_H_

#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "cli/process.h"

namespace paceline {

using Json = nlohmann::json;

// A folder of the test's own.
std::string TestFolder(const std::string& name);

void WriteText(const std::string& path, const std::string& text);
// Empty if there is no such file.
std::string ReadText(const std::string& path);

// A CSV of `samples` rows in two classes that a small model can tell apart; the label comes last.
std::string MakeCsv(const std::string& path, int samples);

// A job on `csv`: 16 inputs, one hidden layer of 4096, adam, and `more` lines of YAML behind it.
std::string MakeSpec(const std::string& path, const std::string& csv, const std::string& more);

struct CommandResult {
  int exit_code = -1;
  std::string out;
  std::string err;

  Json json() const;
};

// Runs `paceline ARGUMENTS` to its end; `enter` goes in front of it (Host).
CommandResult Paceline(const std::vector<std::string>& arguments,
                       const std::vector<std::string>& enter = {});

// The summary of `paceline run SPEC --set ...` with CPU workers, which has to succeed.
Json RunToEnd(const std::string& spec, const std::vector<std::string>& sets = {});

// Whether `condition` became true within `timeout`.
bool Eventually(const std::function<bool()>& condition, absl::Duration timeout = absl::Seconds(30));

// Where a process runs.
struct Host {
  std::string address = "127.0.0.1";  // It listens there.
  std::vector<std::string> enter;     // A command that goes there and runs what follows it.
};

struct FleetOptions {
  int servers = 1;
  int workers = 2;
  // The coordinator in a process of its own, so that killing it loses no partition.
  bool separate_coordinator = false;
  // Where the store is, as --store takes it: then every server may be elected coordinator.
  std::string etcd;
  // Of an embedded store; empty: one of the fleet's own.
  std::string store_folder;
  std::vector<std::string> server_flags;
  std::vector<std::string> worker_flags;
  // Of each process by its name, and of "people", who give commands; null: all are here.
  std::function<Host(const std::string& name)> host;
};

class Fleet {
 public:
  explicit Fleet(const FleetOptions& options);
  ~Fleet();

  // Of an elected one: where to ask for it.
  const std::string& coordinator() const { return coordinator_; }

  // The process of that name: "coordinator", "server-1", "worker-0".
  cli::Process& process(const std::string& name);

  void StartWorker(const std::string& name, const std::vector<std::string>& flags = {});
  // A parameter server of that id, at a port of its own: a new one, or one that has ended.
  void StartServer(const std::string& name, const std::vector<std::string>& flags = {});
  // Again at the same address, with the same store.
  void RestartCoordinator();
  // SIGKILL, and waits for the end.
  void Kill(const std::string& name);

  // What the process of that name has logged so far.
  std::string Log(const std::string& name) const;

  // `paceline ARGUMENTS --fleet ...`.
  CommandResult Paceline(std::vector<std::string> arguments) const;
  // The new job's name.
  std::string Submit(const std::string& spec, const std::vector<std::string>& sets = {}) const;
  // JobStatus as JSON.
  Json Status(const std::string& job) const;
  // The summary, once the job has ended; `exit_code` is checked.
  Json Wait(const std::string& job, int exit_code = 0) const;
  // All events of the job, one JSON line each.
  std::string Events(const std::string& job) const;
  // Waits until samples applied are at least this share of all.
  bool Reached(const std::string& job, double share) const;

 private:
  // Of a process by that name.
  Host host(const std::string& name) const;
  void StartCandidates();
  std::vector<std::string> CoordinatorArguments(const std::string& listen) const;
  // In place of one of that name that has ended.
  void Start(const std::string& name, const std::vector<std::string>& arguments);

  const FleetOptions options_;
  const std::string folder_;
  std::string coordinator_;
  std::map<std::string, std::unique_ptr<cli::Process>> processes_;
};

// A field of a protobuf message printed as JSON: 64-bit numbers are strings there.
uint64_t Number(const Json& value);

// A job has finished, and each partition has every sample of every epoch once.
void CheckCountedOnce(const Json& summary, const Json& status, uint64_t epochs);

}  // namespace paceline

#endif  // PACELINE_TESTS_INTEGRATION_FLEET_H_
