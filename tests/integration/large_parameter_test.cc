// A parameter of more bytes than any message carries, kept whole in one partition, takes every way
// that a partition's numbers take.
#include <catch2/catch.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "client/parameter_client.h"
#include "common/net/transport.h"
#include "tests/integration/fleet.h"
#include "tests/integration/replicated_job.h"

namespace paceline {
namespace {

constexpr uint64_t kElements = 17'000'000;
static_assert(kElements * sizeof(float) > kMessageBytesMax, "else it proves nothing");

std::unique_ptr<ParameterClient> Join(const Fleet& fleet, const std::string& job) {
  auto client = ParameterClient::Join({fleet.coordinator(), job, "solver"});
  INFO(client.status());
  REQUIRE(client.ok());
  return *std::move(client);
}

std::vector<float> Must(absl::StatusOr<std::vector<float>> values) {
  INFO(values.status());
  REQUIRE(values.ok());
  return *std::move(values);
}

TEST_CASE("a parameter larger than a message is pushed, pulled, copied, kept and restored") {
  FleetOptions options;
  options.workers = 0;
  options.separate_coordinator = true;
  Fleet fleet(options);
  const std::string folder = TestFolder("large");
  // lars wants whole parameters: one partition. Its first step from zeros is plain momentum.
  WriteText(folder + "/job.yaml",
            absl::StrCat("name: large\nmodel: {parameters: [{name: w, shape: [", kElements,
                         "], initial: 0}]}\noptimizer: {lars: {learning_rate: 1}}\n",
                         "consistency: async\nfleet: {servers: 1, replicas: 2}\n",
                         "checkpoint: {path: ", folder, "/checkpoints, every_s: 86400}\n"));
  const std::string job = fleet.Submit(folder + "/job.yaml");
  const auto client = Join(fleet, job);
  std::vector<float> gradient(kElements);
  for (size_t i = 0; i < kElements; ++i) gradient[i] = -static_cast<float>(i % 1024) / 64;

  CHECK((Must(client->Pull()) == std::vector<float>(kElements)));
  std::vector<float> values = Must(client->Exchange(gradient));
  REQUIRE(values.size() == kElements);
  bool is_exact = true;
  for (size_t i = 0; i < kElements; ++i) is_exact = is_exact && values[i] == -gradient[i];
  CHECK(is_exact);

  // Whole, and then by its log.
  fleet.StartServer("server-1");
  REQUIRE(AwaitInSync(fleet, job, 2));
  REQUIRE(client->Push(gradient).ok());
  values = Must(client->Pull());

  const CommandResult taken = fleet.Paceline({"checkpoint", "take", job, "--wait"});
  INFO(taken.err);
  REQUIRE(taken.exit_code == 0);
  fleet.Kill("server-0");
  CHECK((Must(client->Pull()) == values));

  const CommandResult restored =
      fleet.Paceline({"restore", absl::StrCat(folder, "/checkpoints/", job)});
  INFO(restored.err);
  REQUIRE(restored.exit_code == 0);
  const std::string again(absl::StripSuffix(restored.out, "\n"));
  CHECK((Must(Join(fleet, again)->Pull()) == values));
}

}  // namespace
}  // namespace paceline
