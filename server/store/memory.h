// A Store in memory, for tests and the simulator: as durable as the object.
//
// Threads  One thread at a time. May outlive the coordinators that use it, one after the other.
#ifndef PACELINE_SERVER_STORE_MEMORY_H_
#define PACELINE_SERVER_STORE_MEMORY_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "server/store/store.h"

namespace paceline {

class MemoryStore : public Store {
 public:
  absl::StatusOr<CommitResult> Commit(const Transaction& transaction) override;
  absl::StatusOr<std::vector<Entry>> Range(absl::string_view prefix) override;

  absl::Status health() const override { return health_; }

  // Until it is called again with OkStatus, every Commit fails with `status` and writes nothing: a
  // full disk.
  void FailCommits(absl::Status status) { failure_ = std::move(status); }

  // The same, and known before anything is written: a network that is away.
  void SetHealth(absl::Status status) {
    health_ = status;
    FailCommits(std::move(status));
  }

  // Calls of Commit, those that failed among them, and the most writes that one had.
  size_t commits() const { return commits_; }
  size_t writes_max() const { return writes_max_; }

 private:
  struct Stored {
    std::string value;
    uint64_t revision = 0;
  };

  std::map<std::string, Stored> entries_;
  uint64_t revision_ = 0;
  absl::Status failure_;
  absl::Status health_;
  size_t commits_ = 0;
  size_t writes_max_ = 0;
};

}  // namespace paceline

#endif  // PACELINE_SERVER_STORE_MEMORY_H_
