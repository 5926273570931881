#include "server/coordinator/checkpoints.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/base/sha256.h"
#include "common/base/status_macros.h"
#include "server/coordinator/request_check.h"

namespace paceline {
namespace {

constexpr size_t kPathBytesMax = 4096;
constexpr size_t kJobBytesMax = 256;
constexpr size_t kErrorBytesMax = 500;
constexpr size_t kPartBytes = 64;
constexpr uint64_t kIdMax = 9999999999;
constexpr absl::Duration kRetryFirst = absl::Seconds(5);
constexpr absl::Duration kRetryLast = absl::Minutes(5);

double UnixSeconds(absl::Time time) { return absl::ToDoubleSeconds(time - absl::UnixEpoch()); }

absl::Time TimeOf(double unix_s) { return absl::UnixEpoch() + absl::Seconds(unix_s); }

bool IsOwn(const state::CheckpointRecord& checkpoint) { return checkpoint.job().empty(); }

bool Is(const state::CheckpointRecord& checkpoint, v1::CheckpointStatus::State state) {
  return checkpoint.status().state() == state;
}

bool IsFolderName(absl::string_view name) {
  if (name.empty() || name.size() > kJobBytesMax || name == "." || name == "..") return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return absl::ascii_isalnum(c) || c == '.' || c == '_' || c == '-';
  });
}

bool IsPart(const std::string& part) {
  return part.size() == kPartBytes && std::all_of(part.begin(), part.end(), [](char c) {
           return absl::ascii_isxdigit(c);
         });
}

bool SameStretch(const v1::Segment& a, const v1::Segment& b) {
  return a.first_version() == b.first_version() && a.first_shard() == b.first_shard() &&
         a.consistency().SerializeAsString() == b.consistency().SerializeAsString();
}

absl::Duration RetryAfter(const state::JobRecord& record) {
  absl::Duration wait = kRetryFirst;
  int failures = 0;
  for (auto it = record.checkpoints().rbegin(); it != record.checkpoints().rend(); ++it) {
    if (!Is(*it, v1::CheckpointStatus::FAILED)) break;
    if (++failures > 1) wait = std::min(wait * 2, kRetryLast);
  }
  return failures == 0 ? absl::ZeroDuration() : wait;
}

// Forgets what is no longer on the disk, and what is too much.
void Forget(const std::string& path, uint32_t keep, state::JobRecord* record) {
  auto* all = record->mutable_checkpoints();
  uint32_t whole = 0;
  for (int i = all->size() - 1; i >= 0; --i) {
    const state::CheckpointRecord& one = all->Get(i);
    const bool counts = IsOwn(one) && Is(one, v1::CheckpointStatus::WHOLE) &&
                        one.status().path() == path;
    if (counts && ++whole > std::max(keep, 1u)) all->DeleteSubrange(i, 1);
  }
  while (all->size() > kCheckpointsKept) {
    const auto failed = std::find_if(all->begin(), all->end(), [](const auto& one) {
      return Is(one, v1::CheckpointStatus::FAILED);
    });
    all->erase(failed == all->end() ? all->begin() : failed);
  }
}

}  // namespace

absl::Status CheckCheckpointPath(absl::string_view field, absl::string_view path) {
  const bool has_nul = path.find('\0') != absl::string_view::npos;
  if (!path.empty() && path[0] == '/' && path.size() <= kPathBytesMax && !has_nul) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat(field, " is '", absl::CHexEscape(path.substr(0, 64)), "' (", path.size(),
                   " bytes); wanted an absolute path of at most ", kPathBytesMax,
                   " bytes that every server reaches"));
}

absl::Status CheckStart(const v1::StartingPoint& start, bool is_bare) {
  const v1::RestoreOrigin& origin = start.origin();
  RETURN_IF_ERROR(CheckCheckpointPath("start.origin.path", origin.path()));
  if (!IsFolderName(origin.job())) {
    return absl::InvalidArgumentError(
        absl::StrCat("start.origin.job is '", absl::CHexEscape(Clip(origin.job(), 64)), "' (",
                     origin.job().size(), " bytes); wanted the name of a job's folder: 1..",
                     kJobBytesMax, " of letters, digits, '.', '_' and '-'"));
  }
  if (origin.id() < 1 || origin.id() > kIdMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("start.origin.id is ", origin.id(), "; wanted 1..", kIdMax));
  }
  if (start.segment().index() != 0) {
    return absl::InvalidArgumentError(absl::StrCat("start.segment.index is ",
                                                   start.segment().index(),
                                                   "; wanted 0: it is the job's first"));
  }
  if (start.segment().consistency().mode_case() == v1::ConsistencySpec::MODE_NOT_SET) {
    return absl::InvalidArgumentError(
        "start.segment.consistency is not set; wanted the mode that the checkpoint was taken in");
  }
  if (!is_bare == start.has_facts()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      is_bare ? "start.facts is set; a job with bare parameters has none"
              : "start.facts is not set; wanted the data that the checkpoint was trained on");
}

std::string NameOf(const state::CheckpointRecord& checkpoint) {
  return absl::StrCat("checkpoint ", checkpoint.status().id(),
                      IsOwn(checkpoint) ? "" : absl::StrCat(" of ", checkpoint.job()));
}

const state::CheckpointRecord* UnderWay(const state::JobRecord& record) {
  for (const state::CheckpointRecord& one : record.checkpoints()) {
    if (Is(one, v1::CheckpointStatus::WRITING)) return &one;
  }
  return nullptr;
}

state::CheckpointRecord* UnderWay(state::JobRecord* record) {
  for (state::CheckpointRecord& one : *record->mutable_checkpoints()) {
    if (Is(one, v1::CheckpointStatus::WRITING)) return &one;
  }
  return nullptr;
}

const state::CheckpointRecord* NewestWhole(const state::JobRecord& record) {
  const auto& all = record.checkpoints();
  const auto it = std::find_if(all.rbegin(), all.rend(), [](const auto& one) {
    return Is(one, v1::CheckpointStatus::WHOLE);
  });
  return it == all.rend() ? nullptr : &*it;
}

bool IsCheckpointDue(const state::JobRecord& record, uint64_t version, absl::Time now) {
  const v1::CheckpointSpec& spec = record.spec().checkpoint();
  if (!record.spec().has_checkpoint() || spec.path().empty()) return false;
  absl::Time since = TimeOf(record.started_unix_s());
  uint64_t from = record.start().segment().first_version();
  if (const state::CheckpointRecord* whole = NewestWhole(record); whole != nullptr) {
    since = std::max(since, TimeOf(whole->status().ordered_unix_s()));
    from = std::max(from, whole->status().version());
  }
  if (version <= from) return false;
  if (!record.checkpoints().empty()) {
    const v1::CheckpointStatus& last = record.checkpoints().rbegin()->status();
    const absl::Time ended = TimeOf(last.ordered_unix_s() + last.seconds());
    if (now < ended + RetryAfter(record)) return false;
  }
  if (spec.has_every_rounds() && version - from >= spec.every_rounds()) return true;
  return spec.has_every_s() && now >= since + absl::Seconds(spec.every_s());
}

state::CheckpointRecord* AddOrder(const std::string& path, absl::Time now,
                                  state::JobRecord* record) {
  record->set_last_checkpoint(record->last_checkpoint() + 1);
  state::CheckpointRecord* order = record->add_checkpoints();
  order->mutable_status()->set_id(record->last_checkpoint());
  order->mutable_status()->set_state(v1::CheckpointStatus::WRITING);
  order->mutable_status()->set_path(path);
  order->mutable_status()->set_ordered_unix_s(UnixSeconds(now));
  *order->mutable_segment() = record->segment();
  return order;
}

std::string PlaceFor(const std::string& path, const state::JobRecord& record) {
  const auto it = record.checkpoint_paths().find(path);
  return it == record.checkpoint_paths().end() ? path : it->second;
}

bool MovePlace(const std::string& path, state::JobRecord* record) {
  auto& paths = *record->mutable_checkpoint_paths();
  const bool is_moved = std::any_of(paths.begin(), paths.end(),
                                    [&](const auto& entry) { return entry.second == path; });
  if (is_moved) return false;
  // No other job was submitted under that id at that time.
  const std::string mark =
      Sha256Hex(absl::StrCat(record->submission_id(), " ", record->submitted_unix_s()));
  paths[path] = absl::StrCat(path, "/", record->job(), "-", mark.substr(0, 8));
  return true;
}

void ForgetOrder(state::JobRecord* record) {
  auto* all = record->mutable_checkpoints();
  const auto is_under_way = [](const auto& one) { return Is(one, v1::CheckpointStatus::WRITING); };
  all->erase(std::remove_if(all->begin(), all->end(), is_under_way), all->end());
}

bool HasWholeIn(const std::string& path, const state::JobRecord& record) {
  return std::any_of(record.checkpoints().begin(), record.checkpoints().end(), [&](const auto& c) {
    const bool is_in_folder = IsOwn(c) || c.job() == record.job();
    return is_in_folder && Is(c, v1::CheckpointStatus::WHOLE) && c.status().path() == path;
  });
}

std::set<uint64_t> PinnedBy(const std::map<uint64_t, state::JobRecord>& jobs,
                            const std::string& path, const std::string& job) {
  std::set<uint64_t> pinned;
  for (const auto& [number, other] : jobs) {
    const v1::RestoreOrigin& origin = other.start().origin();
    if (other.ended() > 0 || origin.job() != job || origin.path() != path) continue;
    const state::CheckpointRecord* newest = NewestWhole(other);
    if (newest != nullptr && !IsOwn(*newest)) pinned.insert(origin.id());
  }
  return pinned;
}

void EndOrder(const v1::CheckpointStatus& outcome, uint32_t keep, state::JobRecord* record) {
  state::CheckpointRecord* order = UnderWay(record);
  if (order == nullptr) return;
  *order->mutable_status() = outcome;
  order->clear_exact_version();
  Forget(outcome.path(), keep, record);
}

void MarkUnusable(const std::string& why, state::JobRecord* record) {
  for (state::CheckpointRecord& one : *record->mutable_checkpoints()) {
    const std::string& job = IsOwn(one) ? record->job() : one.job();
    if (one.status().id() != record->origin().id() || job != record->origin().job()) continue;
    one.mutable_status()->set_state(v1::CheckpointStatus::FAILED);
    one.mutable_status()->set_error(Clip(absl::StrCat("cannot be read: ", why), kErrorBytesMax));
  }
}

void GoBack(const state::CheckpointRecord& checkpoint, const std::string& why,
            state::JobRecord* record) {
  const v1::Segment before = record->segment();
  const v1::Segment& to = checkpoint.segment();
  if (!SameStretch(before, to)) {
    record->clear_pending();
    record->set_cut(0);
  }
  // More may have been applied since it was taken, and what it holds its partitions will tell.
  record->set_granted_below(record->has_pending() ? record->cut() : 0);
  *record->mutable_segment() = to;
  record->mutable_segment()->set_index(before.index() + 1);
  record->mutable_origin()->set_path(checkpoint.status().path());
  record->mutable_origin()->set_job(IsOwn(checkpoint) ? record->job() : checkpoint.job());
  record->mutable_origin()->set_id(checkpoint.status().id());
  record->set_state(v1::RUNNING);
  record->set_restoring(true);
  record->set_restore_reason(why);
  record->set_restores(record->restores() + 1);
  for (v1::PartitionPlacement& place : *record->mutable_placement()) {
    place.clear_server();
    place.clear_server_incarnation();
    place.clear_address();
    place.clear_replicas();
    place.set_config(place.config() + 1);
  }
}

CheckpointRun::CheckpointRun(const state::CheckpointRecord& order, const state::JobRecord& record,
                             absl::Time now)
    : order_(order), parts_(static_cast<size_t>(record.placement_size())), heard_(now) {
  for (const v1::PartitionPlacement& place : record.placement()) terms_.push_back(place.term());
}

void CheckpointRun::Take(absl::Time now, uint32_t partition, const v1::CheckpointReport& report) {
  if (report.id() != order_.status().id() || partition >= parts_.size()) return;
  if (!report.error().empty()) {
    if (!error_.empty()) return;
    error_ = absl::StrCat("partition ", partition, ": ", Clip(report.error(), kErrorBytesMax));
    taken_ = report.taken();
    return;
  }
  if (partition == 0 && report.committed()) {
    committed_ = true;
    if (written_ == 0) version_ = report.version();
  }
  std::string& part = parts_[partition];
  if (!part.empty() || report.part().empty()) return;
  if (!IsPart(report.part())) {
    error_ = absl::StrCat("partition ", partition, ": its part is '",
                          absl::CHexEscape(Clip(report.part(), kPartBytes)),
                          "'; wanted 64 hex digits");
    return;
  }
  part = report.part();
  version_ = written_ == 0 ? report.version() : std::min(version_, report.version());
  bytes_ += report.bytes();
  ++written_;
  heard_ = now;
}

void CheckpointRun::Moved(absl::Time when) { heard_ = std::max(heard_, when); }

std::string CheckpointRun::Failure(absl::Time now, const state::JobRecord& record) const {
  if (committed_) return "";
  if (!error_.empty()) return error_;
  if (order_.segment().index() != record.segment().index()) {
    return "the job's mode changed before it was written";
  }
  const bool commits = AllWritten();
  for (size_t p = 0; p < parts_.size(); ++p) {
    const bool is_needed = commits ? p == 0 : parts_[p].empty();
    const v1::PartitionPlacement& place = record.placement(static_cast<int>(p));
    if (!is_needed || place.term() == terms_[p]) continue;
    return absl::StrCat("partition ", p, " has another primary (", place.server(),
                        ") than the one that was to write it");
  }
  if (now - heard_ < kCheckpointSilence) return "";
  const auto missing = std::find(parts_.begin(), parts_.end(), "") - parts_.begin();
  return absl::StrCat("no news for ", absl::FormatDuration(now - heard_), ": ", written_, " of ",
                      parts_.size(), " partitions are written, ",
                      commits ? "the manifest is not" : absl::StrCat("not partition ", missing),
                      order_.has_exact_version() && !commits
                          ? absl::StrCat(" (it waits for version ", order_.exact_version(), ")")
                          : "");
}

v1::CheckpointStatus CheckpointRun::Outcome(absl::Time now) const {
  v1::CheckpointStatus status = order_.status();
  status.set_version(version_);
  status.set_bytes(bytes_);
  status.set_seconds(std::max(0.0, UnixSeconds(now) - status.ordered_unix_s()));
  return status;
}

v1::CheckpointStatus CheckpointRun::Whole(absl::Time now) const {
  v1::CheckpointStatus status = Outcome(now);
  status.set_state(v1::CheckpointStatus::WHOLE);
  return status;
}

v1::CheckpointStatus CheckpointRun::Failed(absl::Time now, const std::string& why) const {
  v1::CheckpointStatus status = Outcome(now);
  status.set_state(v1::CheckpointStatus::FAILED);
  status.set_error(Clip(why, kErrorBytesMax));
  return status;
}

}  // namespace paceline
