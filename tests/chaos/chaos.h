// A training run on real processes that are killed and stopped at random until it ends.
//
// Errors   A broken promise, or a run that does not end, fails the running test case.
// Threads  One thread.
// Source   docs/guarantees.md, promises 1 to 3 and 5.
#ifndef PACELINE_TESTS_CHAOS_CHAOS_H_
#define PACELINE_TESTS_CHAOS_CHAOS_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "tests/integration/fleet.h"
#include "tests/sim/random.h"

namespace paceline::chaos {

// The classifier of examples/fashion-mnist/job.yaml for so many epochs.
std::string MakeTrainingSpec(const std::string& path, int epochs);

// The weights of that job on one server and one worker when nobody dies.
std::string UndisturbedBits(int epochs);

// Something that goes wrong in a fleet, bit by bit, while a job trains.
class Trouble {
 public:
  virtual ~Trouble() = default;
  // Undoes what is to be undone by now, and does the next if its time has come.
  virtual void Step() = 0;
  // Undoes everything.
  virtual void End() = 0;
  // The coordinator cannot be asked now.
  virtual bool HidesCoordinator() const = 0;
  // What was done so far, in a line.
  virtual std::string Done() const = 0;
};

// What is done to a process.
enum class Harm { kKill, kStop };

// Kills and stops processes of `fleet` at random, and brings them back. A server is hit only while a
// copy of each partition, in sync and on a server that is well, remains, as a fleet of `replicas`
// copies is promised to survive.
class ProcessTrouble : public Trouble {
 public:
  // `workers` and `servers` are the names of the processes; "coordinator" is hit too.
  ProcessTrouble(Fleet* fleet, std::string job, uint64_t seed, int replicas,
                 std::vector<std::string> servers, std::vector<std::string> workers);

  void Step() override;
  void End() override;
  bool HidesCoordinator() const override;
  std::string Done() const override;

 private:
  struct Absence {
    Harm harm = Harm::kKill;
    absl::Time until;
  };

  void HitServers(bool coordinator_too);
  void HitWorkers();
  void HitCoordinator();
  // Those of `names` that nothing is done to, in random order.
  std::vector<std::string> Well(std::vector<std::string> names);
  void Hit(const std::string& name, Harm harm, absl::Duration duration);
  void BringBack(const std::string& name, Harm harm);
  // Killed or stopped, and not yet brought back.
  bool IsAway(const std::string& name) const { return away_.count(name) > 0; }
  bool Survives() const;
  Harm AnyHarm() { return random_.Chance(0.7) ? Harm::kKill : Harm::kStop; }
  void Say(const std::string& what) const;

  Fleet* const fleet_;
  const std::string job_;
  const int replicas_;
  const std::vector<std::string> servers_;
  const std::vector<std::string> workers_;
  const absl::Time start_;
  sim::Random random_;
  absl::Time next_;
  std::map<std::string, Absence> away_;
  std::map<std::string, int> done_;  // By "kill server", "stop worker", ...
};

struct RunOptions {
  std::string consistency = "sync";
  int replicas = 2;
  int epochs = 3;
  uint64_t seed = 1;
  // FleetOptions'.
  std::function<Host(const std::string& name)> host;
  // Null: ProcessTrouble.
  std::function<std::unique_ptr<Trouble>(Fleet* fleet, const std::string& job)> trouble;
};

// The processes of such a run, besides "coordinator".
std::vector<std::string> ServersOf(const RunOptions& options);
std::vector<std::string> Workers();

// Trains with three workers on one server more than there are copies, in trouble all the time, and
// checks what became of it; `bits` are the undisturbed ones.
void TrainInTrouble(const RunOptions& options, const std::string& bits);

}  // namespace paceline::chaos

#endif  // PACELINE_TESTS_CHAOS_CHAOS_H_
