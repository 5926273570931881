// What clients with bare parameters did and were told, and whether that can have been one parameter
// server that counts each push once and forgets none.
//
// Units    Times of one clock, of all clients.
// Threads  Pure functions.
// Source   docs/protocol.md; docs/guarantees.md, promises 1 and 2.
#ifndef PACELINE_TESTS_HISTORY_HISTORY_H_
#define PACELINE_TESTS_HISTORY_HISTORY_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "tests/history/fence.h"

namespace paceline::history {

// Pushes of clients that make one after the other, each when the one before is acknowledged: so
// those that a partition has are the first few of each client.
class Pushes {
 public:
  Pushes() = default;
  explicit Pushes(std::map<uint32_t, uint64_t> counts) : counts_(std::move(counts)) {}

  void Insert(const Pushes& other);
  bool Contains(const Pushes& some) const;
  bool operator==(const Pushes& other) const { return Contains(other) && other.Contains(*this); }
  uint64_t size() const;
  // "{2: 17, 5: 3}".
  std::string Show() const;

  const std::map<uint32_t, uint64_t>& counts() const { return counts_; }

 private:
  std::map<uint32_t, uint64_t> counts_;  // By client.
};

struct Operation {
  enum Kind {
    // A client is about to make a push for the first time; nobody can have it before.
    kBegin,
    // A partition has acknowledged it.
    kAcknowledge,
    // A partition has answered with its parameters.
    kRead,
  };
  Kind kind = kBegin;

  // From the first sign of it to the last. kBegin: both the same.
  absl::Time begin;
  absl::Time end;

  // kBegin, kAcknowledge: push number `push`, from 0 on, of a client.
  uint32_t client = 0;
  uint64_t push = 0;

  // kAcknowledge, kRead.
  Answerer answerer;

  // kAcknowledge: it had counted before.
  bool is_duplicate = false;

  // kRead: the pushes that are in the parameters.
  Pushes seen;
};

// Every broken promise, a sentence each; none: all is well. For partitions whose first version is 0
// and of which each push makes the next one.
std::vector<std::string> Check(const std::vector<Operation>& history);

}  // namespace paceline::history

#endif  // PACELINE_TESTS_HISTORY_HISTORY_H_
