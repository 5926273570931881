#include "server/checkpoint_files.h"

#include <algorithm>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/job/parameters.h"
#include "common/job/partitioning.h"
#include "proto/checkpoint.pb.h"
#include "server/checkpoint/manifest.h"

namespace paceline {
namespace {

// Removing and committing take moments; a restore of another server may take longer.
constexpr absl::Duration kLockWait = absl::Milliseconds(50);
constexpr int kLockTries = 100;

absl::StatusOr<std::string> FolderOf(const std::string& path, const std::string& job) {
  if (path.empty()) return absl::InvalidArgumentError("no directory for checkpoints is named");
  const bool is_name = !job.empty() && job != "." && job != ".." && !absl::StrContains(job, '/');
  if (is_name) return absl::StrCat(path, "/", job);
  return absl::InvalidArgumentError(absl::StrCat("\"", job, "\" is no job's name"));
}

// With the folders above it.
absl::Status MakePath(FileSystem* files, const std::string& path) {
  absl::Status status = files->MakeFolder(path);
  const std::string above = FolderAbove(path);
  if (absl::IsNotFound(status) && above != "." && above != "/") {
    RETURN_IF_ERROR(MakePath(files, above));
    status = files->MakeFolder(path);
  }
  RETURN_IF_ERROR(status);
  // One that is empty may be new, and its name not safe from a power cut yet, whoever made it.
  ASSIGN_OR_RETURN(const std::vector<std::string> there, files->List(path));
  return there.empty() ? files->SyncFolder(above) : absl::OkStatus();
}

// A part may have been taken before the segment that is under way began, if the job's mode changed
// meanwhile: then there is no one moment that all parts are of.
absl::Status CheckSegment(const v1::JobDirective& directive, const v1::CheckpointPartition& part) {
  // Bare parameters have no work that a segment could end.
  if (directive.spec().model().parameters_size() > 0) return absl::OkStatus();
  const v1::Segment& segment = directive.segment();
  const uint64_t below = part.state().applied_below();
  if (part.version() >= segment.first_version() && below >= segment.first_shard()) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(
      absl::StrCat("partition ", part.partition(), " was taken at version ", part.version(),
                   " with all data shards below ", below, " applied; segment ", segment.index(),
                   " has begun since, at version ", segment.first_version(), " and data shard ",
                   segment.first_shard()));
}

absl::StatusOr<ManifestHead> HeadOf(const CheckpointWork& work, absl::Time created) {
  const v1::JobSpec& spec = work.directive.spec();
  ManifestHead head;
  head.checkpoint = work.order.id();
  head.job = work.job;
  head.created = created;
  head.spec = spec;
  head.facts = work.directive.facts();
  head.segment = work.directive.segment();
  ASSIGN_OR_RETURN(head.parameters, ParametersOf(spec, head.facts));
  head.partitions = PartitionsOf(head.parameters, std::max(1u, LayoutServers(spec.fleet())),
                                 KeepsParametersWhole(spec.optimizer()));
  return head;
}

// FailedPrecondition: the folder holds checkpoints of another fleet's job of the same name. Numbers
// only grow in a job's life, so older ones would outlive ours.
absl::Status CheckOurs(const v1::CheckpointOrder& order, CheckpointStore* store) {
  ASSIGN_OR_RETURN(const std::vector<uint64_t> there, store->List());
  for (const uint64_t id : there) {
    const bool is_possible = order.first() ? id == order.id() : id <= order.id();
    if (is_possible) continue;
    return absl::FailedPreconditionError(
        absl::StrCat("\"", store->folder(), "\" holds checkpoint ", id, "; wanted none ",
                     order.first() ? "but " : "above ", order.id(),
                     ": it is another job's of the same name"));
  }
  return absl::OkStatus();
}

// A commit whose answer was lost is done again, by another server perhaps.
absl::Status CommitOnce(CheckpointStore* store, const v1::CheckpointManifest& manifest) {
  const absl::Status status = store->Commit(manifest);
  if (!absl::IsAlreadyExists(status)) return status;
  ASSIGN_OR_RETURN(const v1::CheckpointManifest there, store->Read(manifest.checkpoint()));
  bool is_same =
      there.job() == manifest.job() && there.partitions_size() == manifest.partitions_size();
  for (int i = 0; is_same && i < manifest.partitions_size(); ++i) {
    // Through text, as the manifest there has been.
    v1::CheckpointManifest a;
    v1::CheckpointManifest b;
    *a.add_partitions() = there.partitions(i);
    *b.add_partitions() = manifest.partitions(i);
    is_same = ManifestToText(a) == ManifestToText(b);
  }
  return is_same ? absl::OkStatus() : status;
}

absl::Status Mismatch(const v1::RestoreOrigin& origin, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("checkpoint ", origin.id(), " in ", origin.path(),
                                                 "/", origin.job(), " ", what));
}

absl::Status CheckParameters(const v1::RestoreOrigin& origin, const JobLayout& layout,
                             const v1::CheckpointManifest& manifest) {
  const std::vector<ParameterInfo> seen = ParametersOf(manifest);
  if (seen.size() != layout.parameters.size()) {
    return Mismatch(origin, absl::StrCat("has ", seen.size(), " parameters; wanted ",
                                         layout.parameters.size()));
  }
  for (size_t i = 0; i < seen.size(); ++i) {
    const ParameterInfo& wanted = layout.parameters[i];
    if (seen[i].name == wanted.name && seen[i].shape == wanted.shape) continue;
    return Mismatch(origin, absl::StrCat("has parameter \"", seen[i].name, "\" of ",
                                         seen[i].elements, " elements; wanted \"", wanted.name,
                                         "\" of ", wanted.elements, ", in the same shape"));
  }
  return absl::OkStatus();
}

absl::Status CheckPartition(const v1::RestoreOrigin& origin, const JobLayout& layout,
                            const v1::CheckpointManifest& manifest, uint32_t partition) {
  const size_t seen = static_cast<size_t>(manifest.partitions_size());
  if (seen != layout.partitions.size() || partition >= seen) {
    return Mismatch(origin,
                    absl::StrCat("has ", seen, " partitions; wanted ", layout.partitions.size(),
                                 ", number ", partition, " among them"));
  }
  const v1::CheckpointPartition& held = manifest.partitions(static_cast<int>(partition));
  const Partition& wanted = layout.partitions[partition];
  if (held.offset() == wanted.offset && held.elements() == wanted.elements) {
    return absl::OkStatus();
  }
  return Mismatch(origin, absl::StrCat("has partition ", partition, " with ", held.elements(),
                                       " elements from ", held.offset(), " on; wanted ",
                                       wanted.elements, " from ", wanted.offset, " on"));
}

}  // namespace

v1::CheckpointReport CheckpointFiles::Do(const CheckpointWork& work) {
  v1::CheckpointReport report;
  report.set_id(work.order.id());
  absl::Status status = CheckWanted(work);
  if (status.ok()) {
    status = work.order.parts_size() == 0 ? WritePart(work, &report) : WriteManifest(work, &report);
  }
  if (!status.ok()) report.set_error(std::string(status.message()));
  return report;
}

absl::Status CheckpointFiles::CheckWanted(const CheckpointWork& work) {
  absl::MutexLock lock(&mutex_);
  if (!wanted_.has_value()) return absl::OkStatus();
  const auto it = wanted_->find(work.job);
  if (it != wanted_->end() && it->second == work.order.id()) return absl::OkStatus();
  return absl::CancelledError(
      absl::StrCat("checkpoint ", work.order.id(), " of ", work.job, " is no longer wanted"));
}

absl::StatusOr<std::unique_ptr<FileLock>> CheckpointFiles::Lock(CheckpointStore* store) const {
  for (int tries = 1;; ++tries) {
    absl::StatusOr<std::unique_ptr<FileLock>> lock = store->Hold();
    if (!absl::IsUnavailable(lock.status()) || tries == kLockTries) return lock;
    if (options_.wait == nullptr || !options_.wait(kLockWait)) return lock;
  }
}

absl::Status CheckpointFiles::HoldFor(const CheckpointWork& work, CheckpointStore* store) {
  {
    absl::MutexLock lock(&mutex_);
    const auto it = held_.find(work.job);
    if (it != held_.end() && it->second.id == work.order.id()) return absl::OkStatus();
  }
  Release(work.job);
  ASSIGN_OR_RETURN(std::shared_ptr<FileLock> taken, Lock(store));
  absl::MutexLock lock(&mutex_);
  held_[work.job] = {work.order.id(), std::move(taken)};
  return absl::OkStatus();
}

void CheckpointFiles::Release(const std::string& job) {
  Held released;
  absl::MutexLock lock(&mutex_);
  const auto it = held_.find(job);
  if (it == held_.end()) return;
  released = std::move(it->second);
  held_.erase(it);
}

absl::Status CheckpointFiles::WritePart(const CheckpointWork& work, v1::CheckpointReport* report) {
  ASSIGN_OR_RETURN(const std::string folder, FolderOf(work.order.path(), work.job));
  RETURN_IF_ERROR(MakePath(options_.files, work.order.path()));
  ASSIGN_OR_RETURN(const auto store, CheckpointStore::Create(options_.files, folder));
  RETURN_IF_ERROR(HoldFor(work, store.get()));
  if (const absl::Status status = CheckOurs(work.order, store.get()); !status.ok()) {
    report->set_taken(absl::IsFailedPrecondition(status));
    return status;
  }
  ASSIGN_OR_RETURN(const v1::CheckpointPartition part, store->WritePartition(work.image));
  ASSIGN_OR_RETURN(*report->mutable_part(), store->PutPart(part));
  report->set_version(work.image.version);
  report->set_bytes(store->bytes_written());
  return absl::OkStatus();
}

absl::Status CheckpointFiles::WriteManifest(const CheckpointWork& work,
                                            v1::CheckpointReport* report) {
  ASSIGN_OR_RETURN(const std::string folder, FolderOf(work.order.path(), work.job));
  ASSIGN_OR_RETURN(const auto store, CheckpointStore::Open(options_.files, folder));
  RETURN_IF_ERROR(HoldFor(work, store.get()));
  std::vector<v1::CheckpointPartition> parts;
  uint64_t version = 0;
  for (const std::string& sha256 : work.order.parts()) {
    ASSIGN_OR_RETURN(v1::CheckpointPartition part, store->GetPart(sha256));
    RETURN_IF_ERROR(CheckSegment(work.directive, part));
    version = parts.empty() ? part.version() : std::min(version, part.version());
    parts.push_back(std::move(part));
  }
  ASSIGN_OR_RETURN(const ManifestHead head, HeadOf(work, options_.now()));
  ASSIGN_OR_RETURN(const v1::CheckpointManifest manifest, MakeManifest(head, std::move(parts)));
  if (const absl::Status status = CommitOnce(store.get(), manifest); !status.ok()) {
    report->set_taken(work.order.first() && absl::IsAlreadyExists(status));
    return status;
  }
  report->set_committed(true);
  report->set_version(version);
  Release(work.job);
  absl::MutexLock lock(&mutex_);
  const auto& pinned = work.order.pinned();
  untidy_[folder] = {std::max(1u, work.order.keep()), 0, {pinned.begin(), pinned.end()}};
  return absl::OkStatus();
}

void CheckpointFiles::Follow(const v1::ServerSyncReply& reply) {
  std::map<std::string, uint64_t> wanted;
  for (const v1::JobDirective& directive : reply.jobs()) {
    const v1::CheckpointOrder& order = directive.checkpoint();
    const bool is_ours =
        order.parts_size() == 0 ||
        (directive.placement_size() > 0 && directive.placement(0).server() == reply.server().id());
    if (is_ours) wanted[directive.job()] = order.id();
  }
  std::vector<Held> released;  // Ends after the lock.
  absl::MutexLock lock(&mutex_);
  for (auto held = held_.begin(); held != held_.end();) {
    const auto it = wanted.find(held->first);
    if (it != wanted.end() && it->second == held->second.id) {
      ++held;
      continue;
    }
    released.push_back(std::move(held->second));
    held = held_.erase(held);
  }
  wanted_ = std::move(wanted);
}

bool CheckpointFiles::Tidy() {
  std::map<std::string, Retention> untidy;
  {
    absl::MutexLock lock(&mutex_);
    untidy.swap(untidy_);
  }
  bool is_done = true;
  for (const auto& [folder, retention] : untidy) {
    const auto store = CheckpointStore::Open(options_.files, folder);
    const absl::Status status = store.ok() ? (*store)->Retain(retention).status() : store.status();
    if (absl::IsUnavailable(status)) {
      is_done = false;
      absl::MutexLock lock(&mutex_);
      untidy_.emplace(folder, retention);
    } else if (!status.ok() && options_.complain != nullptr) {
      options_.complain(absl::StrCat("old checkpoints stay: ", status.message()));
    }
  }
  return is_done;
}

absl::StatusOr<PartitionImage> CheckpointFiles::Restore(const v1::RestoreOrigin& origin,
                                                        const JobLayout& layout,
                                                        uint32_t partition) {
  ASSIGN_OR_RETURN(const std::string folder, FolderOf(origin.path(), origin.job()));
  ASSIGN_OR_RETURN(const auto store, CheckpointStore::Open(options_.files, folder));
  ASSIGN_OR_RETURN(const std::unique_ptr<FileLock> hold, Lock(store.get()));
  ASSIGN_OR_RETURN(const v1::CheckpointManifest manifest, store->Read(origin.id()));
  RETURN_IF_ERROR(CheckParameters(origin, layout, manifest));
  RETURN_IF_ERROR(CheckPartition(origin, layout, manifest, partition));
  return store->ReadPartition(manifest, partition);
}

}  // namespace paceline
