#include "server/checkpoint/memory_file_system.h"

#include <limits>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/random.h"
#include "common/base/status_macros.h"

namespace paceline {
namespace {

std::string ParentOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash);
}

// Of what a fault made of the contents.
std::string HalfOf(const std::string& contents) { return contents.substr(0, contents.size() / 2); }

absl::Status NoSuch(const std::string& path) {
  return absl::NotFoundError(absl::StrCat("there is no \"", path, "\""));
}

absl::Status CrashedAt(const std::string& path) {
  return absl::UnavailableError(absl::StrCat("the machine died at \"", path, "\""));
}

absl::Status NoSpaceAt(const std::string& path) {
  return absl::ResourceExhaustedError(absl::StrCat("no space left for \"", path, "\""));
}

// A disk that is full may say so only then.
absl::Status CannotSync(MemoryFileSystem::Fault fault, const std::string& path) {
  if (fault == MemoryFileSystem::Fault::kNoSpace) return NoSpaceAt(path);
  return absl::InternalError(absl::StrCat("cannot sync \"", path, "\""));
}

}  // namespace

struct MemoryFileSystem::LockCount {
  absl::Mutex mutex;
  int shared ABSL_GUARDED_BY(mutex) = 0;
  bool exclusive ABSL_GUARDED_BY(mutex) = false;
};

class MemoryFileSystem::MemoryLock final : public FileLock {
 public:
  MemoryLock(std::shared_ptr<LockCount> count, LockKind kind)
      : count_(std::move(count)), kind_(kind) {}
  ~MemoryLock() override {
    const absl::MutexLock lock(&count_->mutex);
    if (kind_ == LockKind::kShared) {
      --count_->shared;
    } else {
      count_->exclusive = false;
    }
  }

 private:
  const std::shared_ptr<LockCount> count_;
  const LockKind kind_;
};

void MemoryFileSystem::FailAt(uint64_t first, Fault fault, uint64_t count) {
  const absl::MutexLock lock(&mutex_);
  fault_ = fault;
  fault_first_ = operations_ + first;
  fault_end_ = fault == Fault::kCrash ? std::numeric_limits<uint64_t>::max() : fault_first_ + count;
}

uint64_t MemoryFileSystem::operations() const {
  const absl::MutexLock lock(&mutex_);
  return operations_;
}

void MemoryFileSystem::Restart(uint64_t seed) {
  const absl::MutexLock lock(&mutex_);
  const RandomStream stream(seed, "restart");
  uint64_t draws = 0;
  const auto survives = [&] { return seed == 1 || (seed != 0 && stream.Bits(draws++) % 2 == 0); };
  Names after = safe_;
  for (const auto& [path, node] : now_) {
    const auto before = safe_.find(path);
    if ((before == safe_.end() || before->second != node) && survives()) after[path] = node;
  }
  for (const auto& [path, node] : safe_) {
    if (now_.count(path) == 0 && survives()) after.erase(path);
  }
  for (auto& [path, node] : after) {
    if (node == nullptr || node->synced || survives()) continue;
    node->contents = HalfOf(node->contents);
  }
  // What is in a folder that is gone is gone.
  now_.clear();
  for (const auto& [path, node] : after) {
    const std::string parent = ParentOf(path);
    if (parent.empty() || now_.count(parent) > 0) now_[path] = node;
  }
  safe_ = now_;
  locks_.clear();
  fault_ = Fault::kNone;
}

absl::Status MemoryFileSystem::Flip(const std::string& path, size_t offset, uint8_t mask) {
  const absl::MutexLock lock(&mutex_);
  ASSIGN_OR_RETURN(const Node file, FindFileLocked(path));
  if (offset >= file->contents.size()) return absl::OutOfRangeError("no such byte");
  file->contents[offset] = static_cast<char>(file->contents[offset] ^ mask);
  return absl::OkStatus();
}

absl::Status MemoryFileSystem::Truncate(const std::string& path, size_t bytes) {
  const absl::MutexLock lock(&mutex_);
  ASSIGN_OR_RETURN(const Node file, FindFileLocked(path));
  if (bytes > file->contents.size()) return absl::OutOfRangeError("it is shorter than that");
  file->contents.resize(bytes);
  return absl::OkStatus();
}

std::vector<std::string> MemoryFileSystem::Files() const {
  const absl::MutexLock lock(&mutex_);
  std::vector<std::string> paths;
  for (const auto& [path, node] : now_) {
    if (node != nullptr) paths.push_back(path);
  }
  return paths;
}

MemoryFileSystem::Fault MemoryFileSystem::NextFaultLocked() {
  const uint64_t operation = operations_++;
  const bool meets = operation >= fault_first_ && operation < fault_end_;
  return meets ? fault_ : Fault::kNone;
}

absl::Status MemoryFileSystem::MeetFaultLocked(bool needs_room, const std::string& path) {
  const Fault fault = NextFaultLocked();
  if (fault == Fault::kCrash) return CrashedAt(path);
  if (fault == Fault::kNoSpace && needs_room) return NoSpaceAt(path);
  return absl::OkStatus();
}

absl::Status MemoryFileSystem::RequireParentLocked(const std::string& path) const {
  const std::string parent = ParentOf(path);
  const auto found = now_.find(parent);
  if (parent.empty() || (found != now_.end() && found->second == nullptr)) return absl::OkStatus();
  return NoSuch(parent);
}

absl::StatusOr<MemoryFileSystem::Node> MemoryFileSystem::FindFileLocked(
    const std::string& path) const {
  const auto found = now_.find(path);
  if (found == now_.end() || found->second == nullptr) return NoSuch(path);
  return found->second;
}

absl::Status MemoryFileSystem::MakeFolder(const std::string& path) {
  const absl::MutexLock lock(&mutex_);
  RETURN_IF_ERROR(MeetFaultLocked(/*needs_room=*/now_.count(path) == 0, path));
  RETURN_IF_ERROR(RequireParentLocked(path));
  const auto found = now_.find(path);
  if (found != now_.end() && found->second != nullptr) {
    return absl::AlreadyExistsError(absl::StrCat("\"", path, "\" is a file"));
  }
  now_[path] = nullptr;
  return absl::OkStatus();
}

absl::StatusOr<std::string> MemoryFileSystem::WriteTemporary(
    const std::string& path, absl::Span<const absl::string_view> pieces) {
  const absl::MutexLock lock(&mutex_);
  const std::string temporary = absl::StrCat(path, ".", ++temporaries_, kTemporarySuffix);
  // A power cut may come before the file is there, in the middle of the bytes, or before the sync.
  RETURN_IF_ERROR(MeetFaultLocked(/*needs_room=*/true, temporary));
  RETURN_IF_ERROR(RequireParentLocked(temporary));
  const auto file = std::make_shared<File>();
  now_[temporary] = file;
  std::string contents;
  for (const absl::string_view piece : pieces) contents.append(piece.data(), piece.size());

  const Fault writing = NextFaultLocked();
  const bool halved = writing != Fault::kNone && writing != Fault::kFailedSync;
  file->contents = halved ? HalfOf(contents) : contents;
  if (writing == Fault::kCrash) return CrashedAt(temporary);
  if (writing == Fault::kNoSpace) {
    now_.erase(temporary);
    return NoSpaceAt(temporary);
  }

  const Fault syncing = NextFaultLocked();
  if (syncing == Fault::kCrash) return CrashedAt(temporary);
  if (syncing == Fault::kFailedSync || syncing == Fault::kNoSpace) {
    now_.erase(temporary);
    return CannotSync(syncing, temporary);
  }
  file->synced = true;
  return temporary;
}

absl::Status MemoryFileSystem::MoveLocked(const std::string& from, const std::string& to) {
  ASSIGN_OR_RETURN(const Node file, FindFileLocked(from));
  RETURN_IF_ERROR(RequireParentLocked(to));
  now_.erase(from);
  now_[to] = file;
  return absl::OkStatus();
}

absl::Status MemoryFileSystem::Rename(const std::string& from, const std::string& to) {
  const absl::MutexLock lock(&mutex_);
  RETURN_IF_ERROR(MeetFaultLocked(/*needs_room=*/true, to));
  return MoveLocked(from, to);
}

absl::Status MemoryFileSystem::RenameNew(const std::string& from, const std::string& to) {
  const absl::MutexLock lock(&mutex_);
  RETURN_IF_ERROR(MeetFaultLocked(/*needs_room=*/true, to));
  if (now_.count(to) > 0) return absl::AlreadyExistsError(absl::StrCat("\"", to, "\" is there"));
  return MoveLocked(from, to);
}

absl::Status MemoryFileSystem::SyncFolder(const std::string& path) {
  const absl::MutexLock lock(&mutex_);
  const Fault fault = NextFaultLocked();
  if (fault == Fault::kCrash) return CrashedAt(path);
  if (fault == Fault::kFailedSync || fault == Fault::kNoSpace) return CannotSync(fault, path);
  const bool is_root = path.empty() || path == "." || path == "/";
  if (!is_root && now_.count(path) == 0) return NoSuch(path);
  const std::string prefix = is_root ? (path == "/" ? "/" : "") : path + "/";
  const auto is_in_it = [&](const std::string& name) {
    return absl::StartsWith(name, prefix) && name.find('/', prefix.size()) == std::string::npos;
  };
  for (auto it = safe_.begin(); it != safe_.end();) {
    it = is_in_it(it->first) && now_.count(it->first) == 0 ? safe_.erase(it) : std::next(it);
  }
  for (const auto& [name, node] : now_) {
    if (is_in_it(name)) safe_[name] = node;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> MemoryFileSystem::Read(const std::string& path, size_t bytes_max) {
  const absl::MutexLock lock(&mutex_);
  RETURN_IF_ERROR(MeetFaultLocked(/*needs_room=*/false, path));
  ASSIGN_OR_RETURN(const Node file, FindFileLocked(path));
  if (file->contents.size() <= bytes_max) return file->contents;
  return absl::ResourceExhaustedError(
      absl::StrCat("\"", path, "\" is larger than ", bytes_max, " bytes"));
}

absl::StatusOr<uint64_t> MemoryFileSystem::Size(const std::string& path) {
  const absl::MutexLock lock(&mutex_);
  RETURN_IF_ERROR(MeetFaultLocked(/*needs_room=*/false, path));
  ASSIGN_OR_RETURN(const Node file, FindFileLocked(path));
  return file->contents.size();
}

absl::StatusOr<std::vector<std::string>> MemoryFileSystem::List(const std::string& path) {
  const absl::MutexLock lock(&mutex_);
  RETURN_IF_ERROR(MeetFaultLocked(/*needs_room=*/false, path));
  if (now_.count(path) == 0) return NoSuch(path);
  const std::string prefix = path + "/";
  std::vector<std::string> names;
  for (auto it = now_.lower_bound(prefix); it != now_.end(); ++it) {
    if (!absl::StartsWith(it->first, prefix)) break;
    const std::string name = it->first.substr(prefix.size());
    if (name.find('/') == std::string::npos) names.push_back(name);
  }
  return names;
}

absl::Status MemoryFileSystem::Remove(const std::string& path) {
  const absl::MutexLock lock(&mutex_);
  RETURN_IF_ERROR(MeetFaultLocked(/*needs_room=*/false, path));
  RETURN_IF_ERROR(FindFileLocked(path).status());
  now_.erase(path);
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<FileLock>> MemoryFileSystem::TryLock(const std::string& path,
                                                                    LockKind kind) {
  const absl::MutexLock lock(&mutex_);
  const bool is_new = now_.count(path) == 0;
  RETURN_IF_ERROR(MeetFaultLocked(/*needs_room=*/is_new, path));
  RETURN_IF_ERROR(RequireParentLocked(path));
  if (is_new) now_[path] = std::make_shared<File>();
  std::shared_ptr<LockCount> count = locks_[path].lock();
  if (count == nullptr) locks_[path] = count = std::make_shared<LockCount>();
  {
    const absl::MutexLock count_lock(&count->mutex);
    const bool is_taken = count->exclusive || (kind == LockKind::kExclusive && count->shared > 0);
    if (is_taken) return absl::UnavailableError(absl::StrCat("\"", path, "\" is held by another"));
    if (kind == LockKind::kShared) {
      ++count->shared;
    } else {
      count->exclusive = true;
    }
  }
  return std::make_unique<MemoryLock>(std::move(count), kind);
}

}  // namespace paceline
