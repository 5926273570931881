#include "worker/flags.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <string>
#include <vector>

#include "kernels/backend.h"

namespace paceline {
namespace {

absl::StatusOr<WorkerFlags> Parse(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "paceline-worker");
  return ParseWorkerFlags(static_cast<int>(arguments.size()), arguments.data());
}

TEST_CASE("without flags a worker joins the fleet on this machine under a name of its own") {
  const auto flags = Parse({});
  REQUIRE(flags.ok());
  const std::string id = flags->agent.id;
  const std::string end = "-" + std::to_string(::getpid());
  REQUIRE(id.size() > end.size());
  CHECK(id.substr(id.size() - end.size()) == end);
  CHECK(flags->agent.coordinator == "127.0.0.1:50051");
  CHECK(flags->agent.slots == 1);
  CHECK(flags->agent.runner.backend == kernels::BackendChoice::kAuto);
  CHECK(flags->agent.runner.slowdown == 1);
  CHECK_FALSE(flags->metrics.has_value());
  CHECK(flags->log.program == "paceline-worker");
}

TEST_CASE("every flag reaches its option") {
  const auto flags = Parse({"--id=w1", "--join=[::1]:7", "--slots=3", "--backend=cpu",
                            "--slowdown=2.5", "--metrics=9464", "--log-level=error"});
  REQUIRE(flags.ok());
  CHECK(flags->agent.id == "w1");
  CHECK(flags->agent.coordinator == "[::1]:7");
  CHECK(flags->agent.slots == 3);
  CHECK(flags->agent.runner.backend == kernels::BackendChoice::kCpu);
  CHECK(flags->agent.runner.slowdown == 2.5);
  REQUIRE(flags->metrics.has_value());
  CHECK(flags->metrics->ToString() == "127.0.0.1:9464");
  CHECK(flags->log.level == LogLevel::kError);
}

TEST_CASE("a worker may be told of several servers") {
  CHECK(Parse({"--join=a:1,[::1]:7"})->agent.coordinator == "a:1,[::1]:7");
  CHECK(absl::IsInvalidArgument(Parse({"--join=a:1,"}).status()));
}

TEST_CASE("a flag may be given in the environment, and counts before it") {
  setenv("PACELINE_WORKER_ID", "from-environment", 1);
  setenv("PACELINE_WORKER_SLOTS", "5", 1);

  const auto flags = Parse({"--slots", "2"});
  unsetenv("PACELINE_WORKER_ID");
  unsetenv("PACELINE_WORKER_SLOTS");

  REQUIRE(flags.ok());
  CHECK(flags->agent.id == "from-environment");
  CHECK(flags->agent.slots == 2);
}

TEST_CASE("a wrong command line says what is wrong") {
  for (const char* const wrong : {"--nonsense", "--slots=0", "--slots=1025", "--slowdown=0.5",
                                  "--backend=gpu", "--join=nowhere", "stray"}) {
    INFO(wrong);
    CHECK(absl::IsInvalidArgument(Parse({wrong}).status()));
  }
  CHECK(Parse({"--backend=gpu"}).status().message() ==
        "backend is \"gpu\", wanted cpu, cuda or auto");
}

TEST_CASE("help and version are answered") {
  CHECK(Parse({"--version"})->answer == "paceline-worker 0.1.0");
  CHECK(Parse({"--help"})->answer.find("--slowdown") != std::string::npos);
}

}  // namespace
}  // namespace paceline
