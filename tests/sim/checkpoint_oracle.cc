#include "tests/sim/checkpoint_oracle.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "proto/checkpoint.pb.h"
#include "server/checkpoint/checkpoint_store.h"

namespace paceline::sim {
namespace {

// Why the parts are not of one moment; empty: they may be.
std::string Torn(const v1::CheckpointManifest& manifest) {
  if (!manifest.segment().consistency().has_sync()) return "";
  for (const v1::CheckpointPartition& part : manifest.partitions()) {
    if (part.version() == manifest.partitions(0).version()) continue;
    return absl::StrCat("partition ", part.partition(), " is of version ", part.version(),
                        ", partition 0 of ", manifest.partitions(0).version());
  }
  return "";
}

}  // namespace

void CheckpointOracle::CheckAll(const std::string& job) {
  if (!scenario_.disk.is_honest()) return;
  const std::string folder = absl::StrCat(scenario_.spec.checkpoint().path(), "/", job);
  const auto store = CheckpointStore::Open(&folder_, folder);
  if (!store.ok()) return oracle_.Fail(store.status().ToString());
  const auto listed = (*store)->List();
  if (!listed.ok()) return oracle_.Fail(listed.status().ToString());
  for (const uint64_t checkpoint : *listed) {
    const auto manifest = (*store)->Verify(checkpoint);
    const std::string wrong =
        manifest.ok() ? Torn(*manifest) : std::string(manifest.status().message());
    if (wrong.empty()) continue;
    oracle_.Fail(absl::StrCat("checkpoint ", checkpoint, " of ", job, " is listed: ", wrong));
  }
}

void CheckpointOracle::OnCommitted(const std::string& job, uint64_t /*checkpoint*/) {
  ++committed_;
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
  const std::string folder = absl::StrCat(scenario_.spec.checkpoint().path(), "/", status.job());
  const auto store = CheckpointStore::Open(&folder_, folder);
  const auto listed = store.ok() ? (*store)->List() : store.status();
  if (listed.ok() && !listed->empty() && listed->back() >= newest) return;
  oracle_.Fail(absl::StrCat("the coordinator has checkpoint ", newest, " as whole; on the disk ",
                            listed.ok() ? "is none so new" : listed.status().ToString()));
}

}  // namespace paceline::sim
