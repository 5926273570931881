#include "cli/obstacles.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cli/render.h"
#include "common/job/job_state.h"

namespace paceline::cli {
namespace {

// Collects; what is the same in all but seconds and partition becomes one.
class Obstacles {
 public:
  void Add(uint32_t partition, const std::string& what) {
    v1::Wait wait;
    wait.set_what(what);
    Add(partition, wait);
  }

  void Add(uint32_t partition, const v1::Wait& wait) {
    std::vector<std::string> on(wait.on().begin(), wait.on().end());
    const auto same = [&](const Obstacle& o) {
      return o.worker == wait.worker() && o.what == wait.what() && o.on == on;
    };
    auto found = std::find_if(all_.begin(), all_.end(), same);
    if (found == all_.end()) {
      all_.push_back({wait.worker(), wait.what(), std::move(on), 0, {}});
      found = all_.end() - 1;
    }
    found->seconds = std::max(found->seconds, wait.seconds());
    if (found->partitions.empty() || found->partitions.back() != partition) {
      found->partitions.push_back(partition);
    }
  }

  std::vector<Obstacle> Take() { return std::move(all_); }

 private:
  std::vector<Obstacle> all_;
};

// What the primary says of a copy that is not in sync; null: nothing.
const v1::BackupReport* ReportOf(const v1::PartitionReport* primary, uint64_t replica) {
  if (primary == nullptr) return nullptr;
  for (const v1::BackupReport& backup : primary->backups()) {
    if (backup.replica() == replica) return &backup;
  }
  return nullptr;
}

std::string NotInSync(const v1::PartitionReplica& replica, const v1::PartitionReport* primary) {
  const std::string copy = absl::StrCat("the copy on ", replica.server(), " is not in sync");
  const v1::BackupReport* const report = ReportOf(primary, replica.id());
  if (report == nullptr) return copy;
  switch (report->state()) {
    case v1::BackupReport::CAUGHT_UP:
      return absl::StrCat(copy, " yet; it has caught up");
    case v1::BackupReport::LAGGING:
      return absl::StrCat(copy, ": it lags");
    case v1::BackupReport::DIVERGED:
      return absl::StrCat(copy, ": it has other bits, and is made anew");
    default:
      return absl::StrCat(copy, " yet; it is sent what it lacks");
  }
}

void AddCopies(const v1::PartitionPlacement& place, const v1::FleetSpec& fleet,
               const v1::PartitionReport* primary, Obstacles* obstacles) {
  const uint32_t partition = place.partition();
  if (place.server().empty()) {
    std::vector<std::string> holders;
    for (const v1::PartitionReplica& replica : place.replicas()) {
      if (replica.in_sync()) holders.push_back(replica.server());
    }
    obstacles->Add(partition, absl::StrCat("no primary: no copy in sync is alive",
                                           holders.empty() ? "" : "; one of these must come back: ",
                                           absl::StrJoin(holders, ", ")));
    return;
  }
  uint32_t in_sync = 0;
  for (const v1::PartitionReplica& replica : place.replicas()) {
    in_sync += replica.in_sync() ? 1 : 0;
    if (!replica.in_sync()) obstacles->Add(partition, NotInSync(replica, primary));
  }
  if (in_sync >= fleet.replicas() || place.replicas().empty()) return;
  const std::string count = absl::StrCat(in_sync, " of ", fleet.replicas(), " copies in sync");
  if (in_sync < fleet.min_in_sync()) {
    obstacles->Add(partition, absl::StrCat(count, ", fewer than min_in_sync ", fleet.min_in_sync(),
                                           ": pushes wait"));
  } else if (place.replicas_size() < static_cast<int>(fleet.replicas())) {
    obstacles->Add(partition, absl::StrCat(count, ", and no other is being made"));
  }
}

// "0..3, 7".
std::string Ranges(const std::vector<uint32_t>& numbers) {
  std::string text;
  for (size_t i = 0; i < numbers.size();) {
    size_t last = i;
    while (last + 1 < numbers.size() && numbers[last + 1] == numbers[last] + 1) ++last;
    absl::StrAppend(&text, text.empty() ? "" : ", ", numbers[i]);
    if (last > i) absl::StrAppend(&text, "..", numbers[last]);
    i = last + 1;
  }
  return text;
}

// A change of mode that waits for the end of what was granted; empty: none.
std::string PendingChange(const v1::JobStatus& job) {
  if (!job.has_pending_consistency()) return "";
  return absl::StrCat("the change to ", ConsistencyName(job.pending_consistency()),
                      " waits until all work granted so far is applied");
}

// What became of the newest checkpoint, if it has failed; empty: it has not.
std::string FailedCheckpoint(const v1::JobStatus& job) {
  if (job.checkpoints().empty()) return "";
  const v1::CheckpointStatus& newest = *job.checkpoints().rbegin();
  if (newest.state() != v1::CheckpointStatus::FAILED) return "";
  const v1::CheckpointStatus* const whole = NewestWhole(job);
  return absl::StrCat("checkpoint ", newest.id(), " could not be written: ", newest.error(),
                      whole == nullptr
                          ? "; none is whole"
                          : absl::StrCat("; ", whole->id(), " is the newest whole one"));
}

}  // namespace

std::vector<Obstacle> ObstaclesOf(const v1::JobStatus& job) {
  if (HasEnded(job.state())) return {};
  std::map<uint32_t, const v1::PartitionReport*> primaries;
  for (const v1::PartitionReport& report : job.partitions()) {
    if (!report.is_backup()) primaries[report.partition()] = &report;
  }
  Obstacles obstacles;
  for (const auto& [partition, report] : primaries) {
    for (const v1::Wait& wait : report->waits()) obstacles.Add(partition, wait);
  }
  for (const v1::PartitionPlacement& place : job.placement()) {
    const auto primary = primaries.find(place.partition());
    AddCopies(place, FleetOf(job), primary == primaries.end() ? nullptr : primary->second,
              &obstacles);
  }
  std::vector<Obstacle> all = obstacles.Take();
  const std::string failed = FailedCheckpoint(job);
  if (!failed.empty()) all.push_back({"", failed, {}, 0, {}});
  return all;
}

std::string WhyText(const v1::JobStatus& job) {
  std::string text = absl::StrCat(Printable(job.job()), " is ", StateName(job.state()),
                                  job.reason().empty() ? "" : ": ", Printable(job.reason()), "\n");
  const std::string change = PendingChange(job);
  if (!change.empty()) absl::StrAppend(&text, change, "\n");
  const std::string straggler = StragglerText(job);
  if (!straggler.empty()) absl::StrAppend(&text, "straggler: ", Printable(straggler), "\n");
  std::vector<std::vector<std::string>> rows = {{"WHO", "FOR", "WHAT", "PARTITIONS"}};
  for (const Obstacle& o : ObstaclesOf(job)) {
    const std::string on = o.on.empty() ? "" : absl::StrCat(" (", absl::StrJoin(o.on, ", "), ")");
    rows.push_back({o.worker.empty() ? "-" : o.worker, o.worker.empty() ? "-" : Duration(o.seconds),
                    absl::StrCat(o.what, on), Ranges(o.partitions)});
  }
  if (rows.size() > 1) absl::StrAppend(&text, Table(rows));
  if (rows.size() == 1 && !HasEnded(job.state())) {
    absl::StrAppend(&text, "no call waits in a partition, and every copy is in sync\n");
  }
  return text;
}

std::string WhyJson(const v1::JobStatus& job) {
  nlohmann::ordered_json why;
  why["job"] = job.job();
  why["state"] = StateName(job.state());
  why["reason"] = job.reason();
  why["pending"] = PendingChange(job);
  why["straggler"] = StragglerText(job);
  why["obstacles"] = nlohmann::ordered_json::array();
  for (const Obstacle& o : ObstaclesOf(job)) {
    why["obstacles"].push_back({{"worker", o.worker},
                                {"what", o.what},
                                {"on", o.on},
                                {"seconds", o.seconds},
                                {"partitions", o.partitions}});
  }
  return why.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace paceline::cli
