#include "tests/sim/checkpoint_oracle.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/job/job_work.h"
#include "proto/checkpoint.pb.h"
#include "server/checkpoint/checkpoint_store.h"

namespace paceline::sim {
namespace {

// Why the parts are not of one moment; empty: they may be.
std::string Torn(const v1::CheckpointManifest& manifest) {
  if (!HasRounds(manifest.segment().consistency())) return "";
  for (const v1::CheckpointPartition& part : manifest.partitions()) {
    if (part.version() == manifest.partitions(0).version()) continue;
    return absl::StrCat("partition ", part.partition(), " is of version ", part.version(),
                        ", partition 0 of ", manifest.partitions(0).version());
  }
  return "";
}

}  // namespace

std::vector<std::string> CheckpointOracle::Folders(const std::string& job) const {
  const std::string& path = scenario_.spec.checkpoint().path();
  std::vector<std::string> folders;
  const auto names = folder_.List(path);
  if (!names.ok()) return folders;
  for (const std::string& name : *names) {
    if (name == job) folders.push_back(absl::StrCat(path, "/", job));
    if (absl::StartsWith(name, job + "-")) {
      folders.push_back(absl::StrCat(path, "/", name, "/", job));
    }
  }
  return folders;
}

void CheckpointOracle::CheckAll(const std::string& job) {
  if (!scenario_.disk.is_honest()) return;
  const std::vector<std::string> folders = Folders(job);
  if (folders.empty()) oracle_.Fail(absl::StrCat("the checkpoints of ", job, " are gone"));
  for (const std::string& folder : folders) CheckFolder(folder);
}

void CheckpointOracle::CheckFolder(const std::string& folder) {
  const auto store = CheckpointStore::Open(&folder_, folder);
  if (absl::IsNotFound(store.status())) return;  // Nothing is committed there yet.
  if (!store.ok()) return oracle_.Fail(store.status().ToString());
  const auto listed = (*store)->List();
  if (!listed.ok()) return oracle_.Fail(listed.status().ToString());
  for (const uint64_t checkpoint : *listed) {
    const auto manifest = (*store)->Verify(checkpoint);
    const std::string wrong =
        manifest.ok() ? Torn(*manifest) : std::string(manifest.status().message());
    if (wrong.empty()) continue;
    oracle_.Fail(absl::StrCat("checkpoint ", checkpoint, " in ", folder, " is listed: ", wrong));
  }
}

void CheckpointOracle::OnCommitted(const std::string& job) {
  jobs_.insert(job);
  CheckAll(job);
}

void CheckpointOracle::OnPowerLoss() {
  for (const std::string& job : jobs_) CheckAll(job);
}

// By now there may be a newer one, and this one gone.
void CheckpointOracle::OnStatus(const v1::JobStatus& status) {
  if (!scenario_.disk.is_honest()) return;
  uint64_t newest = 0;
  for (const v1::CheckpointStatus& one : status.checkpoints()) {
    if (one.state() == v1::CheckpointStatus::WHOLE) newest = one.id();
  }
  if (newest == 0) return;
  for (const std::string& folder : Folders(status.job())) {
    const auto store = CheckpointStore::Open(&folder_, folder);
    const auto listed = store.ok() ? (*store)->List() : store.status();
    if (listed.ok() && !listed->empty() && listed->back() >= newest) return;
  }
  oracle_.Fail(absl::StrCat("the coordinator has checkpoint ", newest,
                            " as whole; on the disk is none so new"));
}

}  // namespace paceline::sim
