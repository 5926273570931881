// One server's way to the folder that all servers share: as slow and as bad as the scenario says.
//
// Errors   As file_system.h; besides, what the scenario's fault says.
// Threads  One thread at a time.
#ifndef PACELINE_TESTS_SIM_DISK_H_
#define PACELINE_TESTS_SIM_DISK_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/types/optional.h"
#include "server/checkpoint/file_system.h"
#include "server/checkpoint/memory_file_system.h"
#include "tests/sim/random.h"
#include "tests/sim/scenario.h"

namespace paceline::sim {

class Disk final : public FileSystem {
 public:
  // `shared` outlives the object.
  Disk(MemoryFileSystem* shared, const DiskPlan& plan, uint64_t seed, const std::string& server)
      : shared_(*shared), plan_(plan), random_(seed, "disk/" + server) {}

  // From here on nothing goes wrong.
  void Calm() { plan_.chance = 0; }

  // The process dies in the middle of what it does: after that many more operations all fail.
  void DieAfter(uint64_t operations) { left_ = operations; }

  absl::Status MakeFolder(const std::string& path) override;
  absl::StatusOr<std::string> WriteTemporary(const std::string& path,
                                             absl::Span<const absl::string_view> pieces) override;
  absl::Status Rename(const std::string& from, const std::string& to) override;
  absl::Status RenameNew(const std::string& from, const std::string& to) override;
  absl::Status SyncFolder(const std::string& path) override;
  absl::StatusOr<std::string> Read(const std::string& path, size_t bytes_max) override;
  absl::StatusOr<uint64_t> Size(const std::string& path) override;
  absl::StatusOr<std::vector<std::string>> List(const std::string& path) override;
  absl::Status Remove(const std::string& path) override;
  absl::StatusOr<std::unique_ptr<FileLock>> TryLock(const std::string& path,
                                                    LockKind kind) override;

 private:
  // Runs `operation` on the shared folder, under the fault that it draws.
  template <typename Operation>
  auto Do(Operation operation) -> decltype(operation());
  MemoryFileSystem::Fault Draw();

  MemoryFileSystem& shared_;
  DiskPlan plan_;
  Random random_;
  absl::optional<uint64_t> left_;
};

}  // namespace paceline::sim

#endif  // PACELINE_TESTS_SIM_DISK_H_
