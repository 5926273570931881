#include "cli/process.h"

#include <signal.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace paceline::cli {
namespace {

constexpr absl::Duration kLong = absl::Seconds(30);

std::string Log(const std::string& name) {
  const std::string path = std::string(std::getenv("TEST_TMPDIR")) + "/" + name;
  std::filesystem::remove(path);
  return path;
}

std::string Contents(const std::string& path) {
  std::ifstream file(path);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

auto Shell(const std::string& script, const std::string& log) {
  return Process::Start({"/bin/sh", "-c", script}, log);
}

TEST_CASE("a process that ends tells its exit status, again and again") {
  const auto process = Shell("exit 3", Log("exit"));
  REQUIRE(process.ok());

  REQUIRE((*process)->WaitFor(kLong));

  CHECK((*process)->Ended() == "exit status 3");
  CHECK((*process)->Ended() == "exit status 3");
}

TEST_CASE("a process that a signal ended tells which") {
  const auto process = Shell("exec sleep 600", Log("signal"));
  REQUIRE(process.ok());
  CHECK((*process)->Ended() == std::nullopt);
  CHECK_FALSE((*process)->WaitFor(absl::ZeroDuration()));

  (*process)->Signal(SIGKILL);

  REQUIRE((*process)->WaitFor(kLong));
  CHECK((*process)->Ended() == "signal 9");
}

TEST_CASE("output and errors are appended to the log, and arguments arrive as they are") {
  const std::string log = Log("log");
  std::ofstream(log) << "before\n";

  const auto process =
      Process::Start({"/bin/sh", "-c", "echo \"$1\"; echo err >&2", "sh", "two  words"}, log);

  REQUIRE(process.ok());
  REQUIRE((*process)->WaitFor(kLong));
  CHECK(Contents(log) == "before\ntwo  words\nerr\n");
}

TEST_CASE("a program that is not there is an error with its path and the reason") {
  const auto process = Process::Start({"/no/such/program"}, Log("missing"));

  CHECK(absl::IsInternal(process.status()));
  CHECK(process.status().message() == "cannot start /no/such/program: No such file or directory");
}

TEST_CASE("a log that cannot be written is an error with its path, and nothing is started") {
  const auto process = Shell("exit 0", "/no/such/folder/log");

  CHECK(absl::IsInternal(process.status()));
  CHECK(process.status().message() ==
        "cannot write /no/such/folder/log: No such file or directory");
}

TEST_CASE("a process object that goes takes its process with it") {
  auto process = Shell("exec sleep 600", Log("gone"));
  REQUIRE(process.ok());
  const pid_t pid = (*process)->pid();
  REQUIRE(::kill(pid, 0) == 0);

  process->reset();

  CHECK(::kill(pid, 0) == -1);
  CHECK(errno == ESRCH);
}

TEST_CASE("a process has its own group, so that Ctrl-C does not reach it") {
  const auto process = Shell("exec sleep 600", Log("group"));
  REQUIRE(process.ok());

  CHECK(::getpgid((*process)->pid()) == (*process)->pid());
}

}  // namespace
}  // namespace paceline::cli
