#include "tests/sim/disk.h"

namespace paceline::sim {
namespace {

using Fault = MemoryFileSystem::Fault;

// What one operation of MemoryFileSystem asks for faults at most.
constexpr uint64_t kSteps = 3;

Fault FaultOf(DiskPlan::Fault fault) {
  switch (fault) {
    case DiskPlan::Fault::kNoSpace:
      return Fault::kNoSpace;
    case DiskPlan::Fault::kFailedSync:
      return Fault::kFailedSync;
    case DiskPlan::Fault::kTornWrite:
      return Fault::kTornWrite;
    default:
      return Fault::kNone;
  }
}

}  // namespace

Fault Disk::Draw() {
  if (left_.has_value()) {
    if (*left_ == 0) return Fault::kCrash;
    --*left_;
  }
  return plan_.chance > 0 && random_.Chance(plan_.chance) ? FaultOf(plan_.fault) : Fault::kNone;
}

template <typename Operation>
auto Disk::Do(Operation operation) -> decltype(operation()) {
  const Fault fault = Draw();
  if (fault != Fault::kNone) {
    const bool is_over = left_.has_value() && *left_ == 0;
    shared_.FailAt(is_over ? 0 : random_.Below(kSteps), fault);
  }
  auto result = operation();
  shared_.FailAt(0, Fault::kNone, 0);
  return result;
}

absl::Status Disk::MakeFolder(const std::string& path) {
  return Do([&] { return shared_.MakeFolder(path); });
}

absl::StatusOr<std::string> Disk::WriteTemporary(const std::string& path,
                                                 absl::Span<const absl::string_view> pieces) {
  return Do([&] { return shared_.WriteTemporary(path, pieces); });
}

absl::Status Disk::Rename(const std::string& from, const std::string& to) {
  return Do([&] { return shared_.Rename(from, to); });
}

absl::Status Disk::RenameNew(const std::string& from, const std::string& to) {
  return Do([&] { return shared_.RenameNew(from, to); });
}

absl::Status Disk::SyncFolder(const std::string& path) {
  return Do([&] { return shared_.SyncFolder(path); });
}

absl::StatusOr<std::string> Disk::Read(const std::string& path, size_t bytes_max) {
  const bool rots = plan_.fault == DiskPlan::Fault::kRot && plan_.chance > 0;
  if (rots && random_.Chance(plan_.chance)) {
    const absl::StatusOr<uint64_t> bytes = shared_.Size(path);
    if (bytes.ok() && *bytes > 0) {
      const auto mask = static_cast<uint8_t>(1 << random_.Below(8));
      shared_.Flip(path, random_.Below(*bytes), mask).IgnoreError();
    }
  }
  return Do([&] { return shared_.Read(path, bytes_max); });
}

absl::StatusOr<uint64_t> Disk::Size(const std::string& path) {
  return Do([&] { return shared_.Size(path); });
}

absl::StatusOr<std::vector<std::string>> Disk::List(const std::string& path) {
  return Do([&] { return shared_.List(path); });
}

absl::Status Disk::Remove(const std::string& path) {
  return Do([&] { return shared_.Remove(path); });
}

absl::StatusOr<std::unique_ptr<FileLock>> Disk::TryLock(const std::string& path, LockKind kind) {
  return Do([&] { return shared_.TryLock(path, kind); });
}

}  // namespace paceline::sim
