#include "cli/acks.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace paceline::cli {

std::string AcksWarning(const v1::JobSpec& spec) {
  if (spec.fleet().acks() != v1::FleetSpec::LEADER) return "";
  return absl::StrCat(
      "acks: leader: a primary that dies takes the newest pushes with it; ",
      spec.model().parameters_size() > 0 ? "they are lost" : "their samples are trained on again");
}

uint64_t HeldAlone(const v1::JobStatus& job) {
  uint64_t most = 0;
  for (const v1::PartitionReport& p : job.partitions()) {
    most = std::max(most, p.last_index() - std::min(p.committed_index(), p.last_index()));
  }
  return most;
}

}  // namespace paceline::cli
