// Servers, a coordinator and clients with bare parameters, each on a host of its own, whose links a
// test cuts; and the history of what the clients were told meanwhile.
//
// Errors   What has to be true for a test to mean anything fails the running test case.
// Threads  One thread.
#ifndef PACELINE_TESTS_CHAOS_SCENE_H_
#define PACELINE_TESTS_CHAOS_SCENE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cli/process.h"
#include "tests/chaos/links.h"
#include "tests/history/history.h"
#include "tests/integration/fleet.h"

namespace paceline::chaos {

class Scene {
 public:
  // Three servers with two copies of each of three partitions, and two clients that push to them.
  // Null where there are no links.
  static std::unique_ptr<Scene> Make();

  Links& links() { return *links_; }
  Fleet& fleet() { return *fleet_; }
  const std::string& job() const { return job_; }

  // The server that is the primary of the first partition, and one that holds a copy of it.
  std::string Primary() const;
  std::string Backup() const;

  // Whether every client's pushes are acknowledged again, from now on, within 20 s.
  bool PushesGoOn() const;

  // Ends the clients, and holds what they were told against the promises.
  void CheckHistory();

 private:
  explicit Scene(std::unique_ptr<Links> links);
  void StartClient(const std::string& name, int first_client);
  std::string HistoryOf(const std::string& name) const;
  std::vector<history::Operation> Operations(const std::string& name) const;
  uint64_t Acknowledged(const std::string& name) const;

  const std::string folder_;
  const std::unique_ptr<Links> links_;
  std::unique_ptr<Fleet> fleet_;
  std::string job_;
  std::map<std::string, std::unique_ptr<cli::Process>> clients_;
};

}  // namespace paceline::chaos

#endif  // PACELINE_TESTS_CHAOS_SCENE_H_
