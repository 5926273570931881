// Elections over a real etcd cluster, among processes that are killed and stopped.
#include "server/election/etcd_election.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "server/store/etcd/test_etcd.h"

extern char** environ;

namespace paceline {
namespace {

bool Eventually(const std::function<bool()>& condition) {
  const absl::Time end = absl::Now() + absl::Seconds(40);
  while (!condition()) {
    if (absl::Now() > end) return false;
    absl::SleepFor(absl::Milliseconds(10));
  }
  return true;
}

// A candidate_main process and what it has said.
class Process {
 public:
  Process(const TestEtcd& etcd, const std::string& name) {
    const char* base = std::getenv("TEST_TMPDIR");
    output_ = absl::StrCat(base != nullptr ? base : "/tmp", "/", name, "-XXXXXX");
    close(mkstemp(output_.data()));
    std::string program = "server/election/candidate";
    std::string address = etcd.address();
    std::string own = name;
    char* arguments[] = {program.data(), address.data(), own.data(), nullptr};
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, 1, output_.c_str(), O_WRONLY | O_TRUNC, 0644);
    REQUIRE(posix_spawn(&pid_, program.c_str(), &files, nullptr, arguments, environ) == 0);
    posix_spawn_file_actions_destroy(&files);
  }
  ~Process() { Kill(); }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  void Kill() {
    if (pid_ == 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }
  void Signal(int signal) { kill(pid_, signal); }

  std::vector<std::string> Lines() const {
    std::ifstream file(output_, std::ios::binary);
    const std::string text(std::istreambuf_iterator<char>(file), {});
    // The last piece is an unfinished line, or nothing.
    std::vector<std::string> lines = absl::StrSplit(text, '\n');
    lines.pop_back();
    return lines;
  }
  // How many lines begin so.
  int Count(const std::string& beginning) const {
    int count = 0;
    for (const std::string& line : Lines()) count += absl::StartsWith(line, beginning);
    return count;
  }
  // The newest number said after `word`; 0: none.
  uint64_t Last(const std::string& word) const {
    uint64_t last = 0;
    for (const std::string& line : Lines()) {
      absl::string_view rest = line;
      if (absl::ConsumePrefix(&rest, word + " ")) REQUIRE(absl::SimpleAtoi(rest, &last));
    }
    return last;
  }

 private:
  pid_t pid_ = 0;
  std::string output_;
};

TEST_CASE("the role moves within seconds of its holder's death, and the counter goes on") {
  const auto etcd = TestEtcd::Start(3);
  if (etcd == nullptr) return;
  std::vector<std::unique_ptr<Process>> processes;
  for (const char* name : {"a", "b", "c"}) {
    processes.push_back(std::make_unique<Process>(*etcd, name));
  }
  uint64_t fence = 0;
  uint64_t committed = 0;
  while (!processes.empty()) {
    // Who is elected under a newer fence and writes.
    size_t holder = 0;
    const absl::Time begin = absl::Now();
    REQUIRE(Eventually([&] {
      for (size_t i = 0; i < processes.size(); ++i) {
        if (processes[i]->Last("elected") <= fence || processes[i]->Count("committed") < 5)
          continue;
        holder = i;
        return true;
      }
      return false;
    }));
    const absl::Duration took = absl::Now() - begin;
    std::printf("elected and writing after %s\n", absl::FormatDuration(took).c_str());
    CHECK(took < absl::Seconds(10));
    fence = processes[holder]->Last("elected");
    for (size_t i = 0; i < processes.size(); ++i) {
      INFO(absl::StrJoin(processes[i]->Lines(), "\n"));
      CHECK(processes[i]->Count("elected") == (i == holder ? 1 : 0));
    }

    processes[holder]->Kill();

    // What was acknowledged is there: the counter went on from it, or one beyond.
    for (const std::string& line : processes[holder]->Lines()) {
      uint64_t value = 0;
      if (!absl::StartsWith(line, "committed ")) continue;
      REQUIRE(absl::SimpleAtoi(absl::string_view(line).substr(10), &value));
      REQUIRE((value == committed + 1 || value == committed + 2));
      committed = value;
    }
    processes.erase(processes.begin() + static_cast<std::ptrdiff_t>(holder));
  }
  CHECK(committed >= 15);
}

TEST_CASE("a holder that was stopped finds its store and its role taken over") {
  const auto etcd = TestEtcd::Start(3);
  if (etcd == nullptr) return;
  Process a(*etcd, "a");
  REQUIRE(Eventually([&] { return a.Count("committed") > 5; }));
  Process b(*etcd, "b");
  REQUIRE(Eventually([&] { return b.Count("moved a") > 0; }));

  a.Signal(SIGSTOP);
  REQUIRE(Eventually([&] { return b.Count("committed") > 5; }));
  const int before = a.Count("committed");
  a.Signal(SIGCONT);
  REQUIRE(Eventually([&] { return a.Count("lost") == 1; }));

  // At most what was under way when it was stopped.
  CHECK(a.Count("committed") <= before + 1);
  CHECK(b.Last("elected") > a.Last("elected"));
  REQUIRE(Eventually([&] { return a.Count("moved b") == 1; }));
  CHECK(b.Count("lost") == 0);
}

TEST_CASE(
    "the holder keeps the role while etcd's nodes die one at a time, and while none answers") {
  const auto etcd = TestEtcd::Start(3);
  if (etcd == nullptr) return;
  Process a(*etcd, "a");
  REQUIRE(Eventually([&] { return a.Count("committed") > 5; }));
  for (int node = 0; node < 3; ++node) {
    etcd->Kill(node);
    const int before = a.Count("committed");
    REQUIRE(Eventually([&] { return a.Count("committed") > before + 5; }));
    etcd->Restart(node);
  }

  for (int node = 0; node < 3; ++node) etcd->Pause(node);
  REQUIRE(Eventually([&] { return a.Count("failed UNAVAILABLE") > 3; }));
  absl::SleepFor(absl::Seconds(5));  // Longer than its lease.
  for (int node = 0; node < 3; ++node) etcd->Resume(node);
  const int before = a.Count("committed");
  REQUIRE(Eventually([&] { return a.Count("committed") > before + 5; }));

  INFO(absl::StrJoin(a.Lines(), "\n"));
  // It resigned only where its store said so.
  CHECK(a.Count("lost") == a.Count("lost store: "));
}

TEST_CASE("stopping leaves the role to the next at once, and both know the coordinator") {
  const auto etcd = TestEtcd::Start(1);
  if (etcd == nullptr) return;
  const auto address = ParseEtcdAddress(etcd->address());
  REQUIRE(address.ok());
  ElectionOptions options;
  options.ttl = absl::Seconds(60);
  options.address = "a:1";
  EtcdElection a(*address, options);
  options.address = "b:1";
  EtcdElection b(*address, options);
  options.is_candidate = false;
  EtcdElection watcher(*address, options);
  absl::Notification a_elected;
  absl::Notification b_elected;
  ElectionCallbacks callbacks;
  callbacks.elected = [&](uint64_t) { a_elected.Notify(); };
  a.Start(callbacks);
  REQUIRE(a_elected.WaitForNotificationWithTimeout(absl::Seconds(20)));
  callbacks.elected = [&](uint64_t) { b_elected.Notify(); };
  b.Start(callbacks);
  watcher.Start({});
  REQUIRE(Eventually([&] { return b.coordinator() == "a:1" && watcher.coordinator() == "a:1"; }));

  a.Stop();

  REQUIRE(b_elected.WaitForNotificationWithTimeout(absl::Seconds(20)));
  REQUIRE(Eventually([&] { return watcher.coordinator() == "b:1"; }));
  b.Stop();
  watcher.Stop();
}

}  // namespace
}  // namespace paceline
