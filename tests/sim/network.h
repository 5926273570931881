// The simulated machines and the unary calls between them, with gRPC's promises and no better ones.
//
// A call ends at its caller exactly once: with the server's answer, UNAVAILABLE (the connection
// broke; the request may have arrived), or DEADLINE_EXCEEDED. Its request may arrive twice, late,
// after the caller's death, or after calls that were made later. A server is told that a caller has
// gone, late or never.
//
// Threads  One thread at a time.
#ifndef PACELINE_TESTS_SIM_NETWORK_H_
#define PACELINE_TESTS_SIM_NETWORK_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "tests/sim/event_queue.h"
#include "tests/sim/random.h"

namespace paceline::sim {

// A machine with one process, which may be dead, or alive and not scheduled (SIGSTOP), and a clock
// of its own, which runs a little too fast or too slow.
class Node {
 public:
  Node(std::string name, EventQueue* queue) : name_(std::move(name)), queue_(queue) {}
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  const std::string& name() const { return name_; }
  bool up() const { return up_; }
  // Counts the processes this machine has had.
  uint64_t life() const { return life_; }

  // Runs `work` in this process at `when`; later if it is paused then, never if it has died.
  void At(absl::Time when, std::function<void()> work);
  void After(absl::Duration delay, std::function<void()> work) {
    At(queue_->now() + delay, std::move(work));
  }

  // What its clock shows: with a monotonic clock's promises and no better ones.
  absl::Time clock() const { return ClockAt(queue_->now()); }
  // As At, when its clock shows `shown`.
  void AtClock(absl::Time shown, std::function<void()> work);

  // Each process finds a clock of its own.
  void Start();
  void Kill();
  // Nothing runs until `until`; then everything that was due runs, in order.
  void Pause(absl::Time until);

 private:
  void Resume();
  absl::Time ClockAt(absl::Time when) const {
    return queue_->start() + offset_ + rate_ * (when - queue_->start());
  }

  const std::string name_;
  EventQueue* const queue_;
  bool up_ = false;
  uint64_t life_ = 0;
  absl::Duration offset_;
  double rate_ = 1;
  absl::Time paused_until_ = absl::InfinitePast();
  std::deque<std::function<void()>> backlog_;
};

// What the links do to a message, each with its own draw.
struct LinkFaults {
  double lose = 0;       // It vanishes; nobody is told.
  double reset = 0;      // It vanishes and the connection breaks.
  double duplicate = 0;  // A request arrives twice.
  double straggle = 0;   // It takes up to `straggle_max`.
  absl::Duration delay_min = absl::Microseconds(50);
  absl::Duration delay_max = absl::Microseconds(500);
  absl::Duration straggle_max = absl::ZeroDuration();
};

class Network {
 public:
  // A call at its server.
  struct Incoming {
    uint64_t number = 0;  // Never used twice.
    // What to do when the caller has gone; the server sets it.
    std::function<void()> on_cancel;
    // Answers. Once.
    std::function<void(absl::Status, std::shared_ptr<const void>)> answer;
  };
  using Serve = std::function<void(std::shared_ptr<Incoming>)>;
  using Done = std::function<void(const absl::Status&, const void* answer)>;

  Network(EventQueue* queue, uint64_t seed) : queue_(queue), random_(seed, "network") {}

  // The faults of the links of workers and clients, of those between the coordinator and servers,
  // and of those between servers.
  struct Faults {
    LinkFaults edge;
    LinkFaults spine;
    LinkFaults peers;
  };
  void SetFaults(Faults faults) { faults_ = faults; }
  enum class Role { kEdge, kServer, kCoordinator };
  void SetRole(const Node* node, Role role) { roles_[node] = role; }

  // No message of `from` reaches `to` until `until`.
  void Cut(const Node* from, const Node* to, absl::Time until);
  // Whether that is so now.
  bool IsCut(const Node* from, const Node* to) const;
  // Each takes `extra` longer until `until`.
  void Slow(const Node* from, const Node* to, absl::Duration extra, absl::Time until);

  // What a call is: between servers it has the faults of `spine` if it is one of control. `once`:
  // its request is never duplicated.
  struct Kind {
    bool is_control = false;
    bool once = false;
  };
  // `serve` runs in `to`, `done` in `from`, which may be the same. Returns the call's id.
  uint64_t Call(Node* from, Node* to, absl::Duration timeout, Serve serve, Done done, Kind kind);
  uint64_t Call(Node* from, Node* to, absl::Duration timeout, Serve serve, Done done) {
    return Call(from, to, timeout, std::move(serve), std::move(done), Kind());
  }
  // The caller has lost interest: `done` is not run.
  void Cancel(uint64_t id);
  // The node's process has just died: breaks its connections.
  void OnKilled(const Node* node);

 private:
  // One direction of a call.
  struct Way {
    Node* from = nullptr;
    Node* to = nullptr;
    bool is_control = false;
    Way Back() const { return {to, from, is_control}; }
  };
  struct Open {
    Way way;
    Done done;
    std::map<uint64_t, std::weak_ptr<Incoming>> arrived;  // By number.
  };
  enum class Fate { kArrives, kLost, kReset };

  const LinkFaults& FaultsOf(const Way& way) const;
  Role RoleOf(const Node* node) const;
  Fate DrawFate(const Way& way);
  absl::Duration DrawDelay(const Way& way);
  void SendRequest(uint64_t id, uint64_t caller_life, const Way& way, const Serve& serve);
  void Arrive(uint64_t id, const Way& way, const Serve& serve);
  void SendAnswer(uint64_t id, const Way& way, absl::Status status,
                  std::shared_ptr<const void> answer);
  void Finish(uint64_t id, const absl::Status& status, const void* answer);
  void Break(uint64_t id);
  void TellServer(const Open& open);

  EventQueue* const queue_;
  Random random_;
  // What is wrong with one direction of one link, and until when.
  struct Ailment {
    absl::Time cut_until = absl::InfinitePast();
    absl::Duration extra;
    absl::Time slow_until = absl::InfinitePast();
  };

  Faults faults_;
  std::map<const Node*, Role> roles_;
  std::map<std::pair<const Node*, const Node*>, Ailment> ailments_;
  std::map<uint64_t, Open> open_;
  uint64_t next_id_ = 1;
  uint64_t next_number_ = 1;
};

}  // namespace paceline::sim

#endif  // PACELINE_TESTS_SIM_NETWORK_H_
