// Promise 7, as a user meets it: one clear error, the right exit status, nothing half-done.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/control_client.h"
#include "client/parameter_client.h"
#include "common/base/random.h"
#include "tests/integration/fleet.h"

namespace paceline {
namespace {

// Submits, waits for the failure, and gives the reason.
std::string FailureOf(const Fleet& fleet, const std::string& spec) {
  const std::string job = fleet.Submit(spec);
  return fleet.Wait(job, 1)["reason"];
}

TEST_CASE("a spec that is wrong is refused before anything starts") {
  const std::string folder = TestFolder("specs");
  const std::string csv = MakeCsv(folder + "/samples.csv", 100);
  const struct {
    const char* more;
    std::vector<std::string> said;
  } cases[] = {
      {"train: {epoch: 3}\n", {":6", "epoch", "epochs"}},
      {"train: {epochs: many}\n", {":6", "epochs", "many"}},
      {"fleet: {workers: 0}\n", {"fleet.workers", "0"}},
      {"fleet: {replicas: 17}\n", {"replicas", "17"}},
      {"fleet: {replicas: 2, min_in_sync: 3}\n", {"min_in_sync", "3"}},
      {"consistency: eventual\n", {"eventual"}},
  };
  for (const auto& c : cases) {
    const std::string spec = MakeSpec(folder + "/job.yaml", csv, c.more);
    const std::string run_dir = folder + "/run";
    const CommandResult result = Paceline({"run", spec, "--run-dir", run_dir});
    INFO(c.more << result.err);
    CHECK(result.exit_code == 2);
    for (const std::string& words : c.said) CHECK(result.err.find(words) != std::string::npos);
    CHECK_FALSE(std::filesystem::exists(run_dir));
  }
  for (const std::string rate : {"0", ".nan", "-1"}) {
    const std::string spec = MakeSpec(folder + "/job.yaml", csv, "");
    const CommandResult result =
        Paceline({"run", spec, "--set", "optimizer.adam.learning_rate=" + rate});
    INFO(rate << result.err);
    CHECK(result.exit_code == 2);
    CHECK(result.err.find("learning_rate") != std::string::npos);
  }
}

TEST_CASE("data that is wrong fails its job with the file's name, and the fleet goes on") {
  FleetOptions options;
  options.workers = 1;
  Fleet fleet(options);
  const std::string folder = TestFolder("data");
  const std::string good = MakeCsv(folder + "/good.csv", 200);
  const struct {
    const char* name;
    std::string text;
    std::vector<std::string> said;
  } cases[] = {
      {"ragged.csv", "1,2,0\n1,0\n", {"ragged.csv:2"}},
      {"nan.csv", "1,2,0\n1,nan,1\n", {"nan.csv:2"}},
      {"empty.csv", "", {"empty.csv"}},
      {"labels.csv", "1,2,0\n1,2,7\n1,2,1\n1,2,0\n1,2,1\n1,2,1\n", {"label", "7"}},
  };
  for (const auto& c : cases) {
    const std::string path = absl::StrCat(folder, "/", c.name);
    WriteText(path, c.text);
    const std::string reason = FailureOf(fleet, MakeSpec(folder + "/job.yaml", path, ""));
    INFO(c.name << ": " << reason);
    for (const std::string& words : c.said) CHECK(reason.find(words) != std::string::npos);
  }
  const std::string missing =
      FailureOf(fleet, MakeSpec(folder + "/job.yaml", folder + "/no.csv", ""));
  CHECK(missing.find("no.csv") != std::string::npos);

  const std::string job = fleet.Submit(MakeSpec(folder + "/job.yaml", good, ""));
  CHECK(fleet.Wait(job)["state"] == "finished");
}

TEST_CASE("random bytes on the port hurt nobody") {
  FleetOptions options;
  options.workers = 1;
  Fleet fleet(options);
  const std::vector<std::string> address = absl::StrSplit(fleet.coordinator(), ':');
  const RandomStream noise(9, "noise");
  for (int i = 0; i < 20; ++i) {
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in to = {};
    to.sin_family = AF_INET;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to.sin_port = htons(static_cast<uint16_t>(std::stoi(address[1])));
    REQUIRE(::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof(to)) == 0);
    std::string bytes = i % 2 == 0 ? "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" : "";
    for (int j = 0; j < 4096; ++j) bytes += static_cast<char>(noise.Bits(i * 4096 + j));
    (void)!::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    ::close(fd);
  }

  const std::string folder = TestFolder("noise");
  const std::string job =
      fleet.Submit(MakeSpec(folder + "/job.yaml", MakeCsv(folder + "/samples.csv", 200), ""));
  CHECK(fleet.Wait(job)["state"] == "finished");
}

TEST_CASE("a port in use is named") {
  FleetOptions options;
  options.workers = 0;
  Fleet fleet(options);
  const std::string folder = TestFolder("port");
  auto second = cli::Process::Start(
      {"server/paceline-server", "--listen=" + fleet.coordinator(), "--store=memory"},
      folder + "/log");
  REQUIRE(second.ok());
  REQUIRE((*second)->WaitFor(absl::Seconds(10)));
  CHECK((*second)->Ended() == "exit status 1");
  const std::vector<std::string> address = absl::StrSplit(fleet.coordinator(), ':');
  std::string log;
  {
    const CommandResult read = Paceline({"doctor", "--port", address[1], "--json"});
    CHECK(read.exit_code == 6);
    log = read.out;
  }
  CHECK(log.find(address[1]) != std::string::npos);
}

TEST_CASE("a worker of another release is refused with both releases named") {
  FleetOptions options;
  options.workers = 0;
  Fleet fleet(options);
  ControlClient control(fleet.coordinator());
  v1::WorkerSyncRequest request;
  request.mutable_worker()->set_id("old");
  request.set_release("0.0.9");
  request.set_slots(1);

  const auto reply = control.WorkerSync(request, absl::Seconds(5));

  REQUIRE_FALSE(reply.ok());
  const std::string message(reply.status().message());
  CHECK(message.find("0.0.9") != std::string::npos);
  CHECK(message.find("0.1.0") != std::string::npos);
  CHECK(fleet.Paceline({"status", "--json"}).json()["workers"].empty());
}

TEST_CASE("a second worker under an id that is in use waits and evicts nobody") {
  FleetOptions options;
  options.workers = 1;
  Fleet fleet(options);
  const auto incarnation = [&] {
    const Json workers = fleet.Paceline({"status", "--json"}).json()["workers"];
    return workers.empty() ? 0 : Number(workers[0]["worker"]["incarnation"]);
  };
  REQUIRE(Eventually([&] { return incarnation() > 0; }));
  const uint64_t first = incarnation();
  const std::string folder = TestFolder("twin");
  auto twin = cli::Process::Start(
      {"worker/paceline-worker", "--id=worker-0", "--join=" + fleet.coordinator(), "--backend=cpu"},
      folder + "/log");
  REQUIRE(twin.ok());

  // It asks four times a second; long enough for several refusals.
  CHECK_FALSE(Eventually([&] { return incarnation() != first; }, absl::Seconds(2)));
  CHECK_FALSE((*twin)->Ended().has_value());

  fleet.Kill("worker-0");
  CHECK(Eventually([&] { return incarnation() > first; }, absl::Seconds(10)));
}

TEST_CASE("a worker whose configuration file names an unknown flag does not start") {
  const std::string folder = TestFolder("config");
  WriteText(folder + "/worker.toml", "joinn = \"127.0.0.1:1\"\n");
  auto worker = cli::Process::Start({"worker/paceline-worker", "--config", folder + "/worker.toml"},
                                    folder + "/log");
  REQUIRE(worker.ok());
  REQUIRE((*worker)->WaitFor(absl::Seconds(10)));
  CHECK((*worker)->Ended() == "exit status 2");
}

TEST_CASE("training that diverges fails and says so") {
  FleetOptions options;
  options.workers = 1;
  Fleet fleet(options);
  const std::string folder = TestFolder("diverge");
  const std::string spec =
      MakeSpec(folder + "/job.yaml", MakeCsv(folder + "/samples.csv", 400), "");
  const std::string job = fleet.Submit(spec, {"optimizer={sgd: 1e30}", "train.epochs=20"});
  const std::string reason = fleet.Wait(job, 1)["reason"];
  INFO(reason);
  CHECK(reason.find("diverged") != std::string::npos);
}

TEST_CASE("library clients: exact sums, a gradient that is not finite refused and named") {
  FleetOptions options;
  options.workers = 0;
  options.servers = 2;
  Fleet fleet(options);
  const std::string folder = TestFolder("library");
  WriteText(folder + "/job.yaml",
            "name: bare\nmodel: {parameters: [{name: w, shape: [20000], initial: 1}]}\n"
            "optimizer: {sgd: {learning_rate: 0.5}}\nconsistency: async\n"
            "fleet: {servers: 2}\n");
  const std::string job = fleet.Submit(folder + "/job.yaml");
  auto client = ParameterClient::Join({fleet.coordinator(), job, "solver"});
  INFO(client.status());
  REQUIRE(client.ok());
  auto parameters = (*client)->Pull();
  REQUIRE(parameters.ok());
  REQUIRE(parameters->size() == 20000);
  CHECK((*parameters)[0] == 1.0f);

  // 1 - 0.5 * 0.25 * 4 = 0.5, exactly.
  std::vector<float> gradient(20000, 0.25f);
  for (int i = 0; i < 4; ++i) {
    parameters = (*client)->Exchange(gradient);
    REQUIRE(parameters.ok());
  }
  CHECK(*parameters == std::vector<float>(20000, 0.5f));

  gradient[12345] = std::nanf("");
  const absl::Status refused = (*client)->Push(gradient);
  CHECK(absl::IsInvalidArgument(refused));
  CHECK(std::string(refused.message()).find("nan") != std::string::npos);
  CHECK(Eventually([&] { return fleet.Events(job).find("push-invalid") != std::string::npos; }));
  const std::string status = fleet.Paceline({"status", job}).out;
  CHECK(status.find("solver") != std::string::npos);

  const auto wrong_size = (*client)->Push(std::vector<float>(3, 0.0f));
  CHECK(absl::IsInvalidArgument(wrong_size));
  CHECK(ParameterClient::Open({fleet.coordinator(), "no-such-job-1", "reader"}).status().code() ==
        absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace paceline
