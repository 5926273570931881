#include "server/flags.h"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "common/base/file.h"

namespace paceline {
namespace {

absl::StatusOr<Flags> Parse(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "paceline-server");
  return ParseFlags(static_cast<int>(arguments.size()), arguments.data());
}

TEST_CASE("without flags it is a whole fleet of one on loopback, with a durable store") {
  const auto flags = Parse({});
  REQUIRE(flags.ok());
  CHECK(flags->server.listen == "127.0.0.1:50051");
  CHECK(flags->server.coordinator);
  CHECK(flags->server.parameters);
  CHECK(flags->server.store == "sqlite:paceline.db");
  CHECK(flags->server.lease == absl::Seconds(2));
  CHECK(flags->server.sync_interval == absl::Milliseconds(200));
  CHECK_FALSE(flags->server.metrics.has_value());
  CHECK_FALSE(flags->server.insecure);
  CHECK(flags->log.level == LogLevel::kInfo);
  CHECK(flags->log.format == LogFormat::kText);
}

TEST_CASE("every flag reaches its option") {
  const auto flags = Parse({"--listen",
                            "[::1]:0",
                            "--advertise",
                            "node:1",
                            "--id",
                            "s1",
                            "--zone",
                            "rack-3",
                            "--roles",
                            "coordinator",
                            "--store",
                            "memory",
                            "--lease-ms",
                            "900",
                            "--sync-interval-ms",
                            "50",
                            "--metrics",
                            "0.0.0.0:9464",
                            "--insecure",
                            "--log-format",
                            "json",
                            "--log-level",
                            "debug",
                            "--log-file",
                            "log",
                            "--port-file",
                            "port"});
  REQUIRE(flags.ok());
  CHECK(flags->server.listen == "[::1]:0");
  CHECK(flags->server.advertise == "node:1");
  CHECK(flags->server.id == "s1");
  CHECK(flags->server.zone == "rack-3");
  CHECK(flags->server.coordinator);
  CHECK_FALSE(flags->server.parameters);
  CHECK(flags->server.store == "memory");
  CHECK(flags->server.lease == absl::Milliseconds(900));
  CHECK(flags->server.sync_interval == absl::Milliseconds(50));
  REQUIRE(flags->server.metrics.has_value());
  CHECK(flags->server.metrics->ToString() == "0.0.0.0:9464");
  CHECK(flags->server.insecure);
  CHECK(flags->log.format == LogFormat::kJson);
  CHECK(flags->log.level == LogLevel::kDebug);
  CHECK(flags->log.file == "log");
  CHECK(flags->port_file == "port");
}

TEST_CASE("a server that joins another is no coordinator unless told so") {
  const auto joining = Parse({"--join", "node:1"});
  REQUIRE(joining.ok());
  CHECK_FALSE(joining->server.coordinator);
  CHECK(joining->server.parameters);
  CHECK(Parse({"--roles", "coordinator,parameters"})->server.coordinator);
  CHECK(Parse({"--roles", "coordinator,parameters"})->server.parameters);
}

TEST_CASE("a flag counts before the file, the file before the environment") {
  std::string path = std::filesystem::temp_directory_path() / "paceline-flags-XXXXXX";
  REQUIRE(mkdtemp(path.data()) != nullptr);
  const std::string file = path + "/server.toml";
  REQUIRE(WriteFileAtomically(file, "listen = \"a:1\"\nid = \"from-file\"\nlease-ms = 700\n").ok());
  setenv("PACELINE_SERVER_LISTEN", "b:2", 1);
  setenv("PACELINE_SERVER_LEASE_MS", "800", 1);
  setenv("PACELINE_SERVER_SYNC_INTERVAL_MS", "30", 1);

  const auto flags = Parse({"--config", file.c_str(), "--listen", "c:3"});
  unsetenv("PACELINE_SERVER_LISTEN");
  unsetenv("PACELINE_SERVER_LEASE_MS");
  unsetenv("PACELINE_SERVER_SYNC_INTERVAL_MS");
  std::filesystem::remove_all(path);

  REQUIRE(flags.ok());
  CHECK(flags->server.listen == "c:3");
  CHECK(flags->server.lease == absl::Milliseconds(700));
  CHECK(flags->server.sync_interval == absl::Milliseconds(30));
  CHECK(flags->server.id == "from-file");
}

TEST_CASE("a configuration file with a word nobody knows is refused") {
  std::string path = std::filesystem::temp_directory_path() / "paceline-flags-XXXXXX";
  REQUIRE(mkdtemp(path.data()) != nullptr);
  const std::string file = path + "/server.toml";
  REQUIRE(WriteFileAtomically(file, "lissten = \"a:1\"\n").ok());

  const absl::Status status = Parse({"--config", file.c_str()}).status();
  std::filesystem::remove_all(path);

  CHECK(absl::IsInvalidArgument(status));
  CHECK(std::string(status.message()).find("lissten") != std::string::npos);
}

TEST_CASE("a wrong command line says what is wrong") {
  CHECK(absl::IsInvalidArgument(Parse({"--nonsense"}).status()));
  CHECK(absl::IsInvalidArgument(Parse({"--lease-ms", "soon"}).status()));
  CHECK(absl::IsInvalidArgument(Parse({"--lease-ms", "0"}).status()));
  CHECK(absl::IsInvalidArgument(Parse({"--roles", "king"}).status()));
  CHECK(absl::IsInvalidArgument(Parse({"--metrics", "everywhere"}).status()));
  CHECK(absl::IsInvalidArgument(Parse({"--log-format", "xml"}).status()));
  CHECK(absl::IsInvalidArgument(Parse({"--config", "/nonexistent/file"}).status()));
  CHECK(absl::IsInvalidArgument(Parse({"stray"}).status()));
}

TEST_CASE("help and version are answered") {
  CHECK(Parse({"--version"})->answer == "paceline-server 0.1.0");
  CHECK(Parse({"--help"})->answer.find("--sync-interval-ms") != std::string::npos);
}

}  // namespace
}  // namespace paceline
