#include "tests/integration/replicated_job.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "absl/strings/str_cat.h"

namespace paceline {
namespace {

constexpr uint64_t kEpochs = 12;

std::string RunUndisturbed() {
  const ReplicatedJob spec(TestFolder("undisturbed"));
  return RunToEnd(spec.path, {"fleet={servers: 1, workers: 1, replicas: 1}"})["weights_sha256"];
}

uint64_t Samples(const Fleet& fleet, const std::string& job) {
  return Number(fleet.Status(job)["samples"]);
}

}  // namespace

ReplicatedJob::ReplicatedJob(const std::string& folder)
    : path(MakeSpec(folder + "/job.yaml", MakeCsv(folder + "/samples.csv", 3000),
                    absl::StrCat("train: {shards_per_round: 8, epochs: ", kEpochs,
                                 "}\nfleet: {workers: 2, servers: 3, replicas: 2}\n"))) {}

const std::string& UndisturbedBits() {
  static const std::string bits = RunUndisturbed();
  return bits;
}

std::string SubmitUnderWay(const Fleet& fleet, const ReplicatedJob& spec,
                           const std::vector<std::string>& sets, size_t copies) {
  const std::string job = fleet.Submit(spec.path, sets);
  REQUIRE(AwaitInSync(fleet, job, copies));
  REQUIRE(fleet.Reached(job, 0.1));
  return job;
}

size_t InSync(const Json& status) {
  size_t fewest = status["placement"].empty() ? 0 : 1000;
  for (const Json& place : status["placement"]) {
    size_t count = 0;
    for (const Json& replica : place["replicas"]) count += replica["in_sync"] == true ? 1 : 0;
    fewest = std::min(fewest, count);
  }
  return fewest;
}

bool AwaitInSync(const Fleet& fleet, const std::string& job, size_t copies) {
  return Eventually([&] { return InSync(fleet.Status(job)) >= copies; });
}

bool MovesOn(const Fleet& fleet, const std::string& job) {
  const uint64_t before = Samples(fleet, job);
  return Eventually([&] { return Samples(fleet, job) > before; });
}

void CheckCountedOnce(const Json& summary, const Json& status) {
  CheckCountedOnce(summary, status, kEpochs);
}

}  // namespace paceline
