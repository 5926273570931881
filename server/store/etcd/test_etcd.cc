#include "server/store/etcd/test_etcd.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"

extern char** environ;

namespace paceline {
namespace {

constexpr char kProgram[] = "/usr/bin/etcd";
// Runs a program that ends with the test, however that ends.
constexpr char kRunner[] = "/usr/bin/setpriv";
constexpr absl::Duration kStartTimeout = absl::Seconds(20);

// Ports that were free a moment ago. All are bound at once, so that they differ.
std::vector<int> FreePorts(size_t count) {
  std::vector<int> sockets;
  std::vector<int> ports;
  for (size_t i = 0; i < count; ++i) {
    sockets.push_back(socket(AF_INET, SOCK_STREAM, 0));
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    REQUIRE(bind(sockets.back(), generic, size) == 0);
    REQUIRE(getsockname(sockets.back(), generic, &size) == 0);
    ports.push_back(ntohs(address.sin_port));
  }
  for (const int fd : sockets) close(fd);
  return ports;
}

}  // namespace

std::unique_ptr<TestEtcd> TestEtcd::Start(int nodes) {
  if (access(kProgram, X_OK) != 0) {
    WARN("SKIPPED: etcd is not installed; deploy/install_packages.sh installs it");
    return nullptr;
  }
  std::unique_ptr<TestEtcd> etcd(new TestEtcd);
  const char* base = std::getenv("TEST_TMPDIR");
  etcd->folder_ = absl::StrCat(base != nullptr ? base : "/tmp", "/etcd-XXXXXX");
  REQUIRE(mkdtemp(etcd->folder_.data()) != nullptr);
  const std::vector<int> ports = FreePorts(static_cast<size_t>(2 * nodes));
  for (int i = 0; i < nodes; ++i) {
    etcd->endpoints_.push_back(absl::StrCat("127.0.0.1:", ports[2 * i]));
    etcd->peers_.push_back(absl::StrCat("http://127.0.0.1:", ports[2 * i + 1]));
  }
  etcd->pids_.resize(nodes, 0);
  for (int i = 0; i < nodes; ++i) etcd->Launch(i, true);
  for (int i = 0; i < nodes; ++i) REQUIRE(etcd->Answers(i, kStartTimeout));
  return etcd;
}

TestEtcd::~TestEtcd() {
  for (size_t i = 0; i < pids_.size(); ++i) Kill(static_cast<int>(i));
}

std::string TestEtcd::address() const {
  return absl::StrCat("etcd://", absl::StrJoin(endpoints_, ","));
}

void TestEtcd::Launch(int node, bool is_new) {
  std::vector<std::string> cluster;
  for (size_t i = 0; i < peers_.size(); ++i)
    cluster.push_back(absl::StrCat("n", i, "=", peers_[i]));
  const std::string client = "http://" + endpoints_[node];
  std::vector<std::string> arguments = {
      kRunner,
      "--pdeathsig=KILL",
      kProgram,
      absl::StrCat("--name=n", node),
      absl::StrCat("--data-dir=", folder_, "/n", node),
      "--listen-client-urls=" + client,
      "--advertise-client-urls=" + client,
      "--listen-peer-urls=" + peers_[node],
      "--initial-advertise-peer-urls=" + peers_[node],
      "--initial-cluster=" + absl::StrJoin(cluster, ","),
      absl::StrCat("--initial-cluster-state=", is_new ? "new" : "existing"),
      "--heartbeat-interval=100",
      "--election-timeout=1000",
      "--unsafe-no-fsync",
      "--log-level=warn",
      "--logger=zap",
  };
  std::vector<char*> pointers;
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  pointers.push_back(nullptr);

  const std::string log = absl::StrCat(folder_, "/n", node, ".log");
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, 1, log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
  posix_spawn_file_actions_adddup2(&files, 1, 2);
  const int failure = posix_spawn(&pids_[node], kRunner, &files, nullptr, pointers.data(), environ);
  posix_spawn_file_actions_destroy(&files);
  REQUIRE(failure == 0);
}

bool TestEtcd::Answers(int node, absl::Duration timeout) {
  EtcdClient client({endpoints_[node]});
  etcdserverpb::RangeRequest request;
  request.set_key("any");
  const absl::Time end = absl::Now() + timeout;
  absl::Status status;
  do {
    status = client.Range(request, absl::Seconds(1)).status();
    if (status.ok()) return true;
    absl::SleepFor(absl::Milliseconds(20));
  } while (absl::Now() < end);
  UNSCOPED_INFO("etcd does not answer; its log is in " << folder_ << "; " << status);
  return false;
}

void TestEtcd::Kill(int node) {
  if (pids_[node] == 0) return;
  kill(pids_[node], SIGKILL);
  waitpid(pids_[node], nullptr, 0);
  pids_[node] = 0;
}

void TestEtcd::Restart(int node) {
  Launch(node, false);
  REQUIRE(Answers(node, kStartTimeout));
}

void TestEtcd::RestartAll() {
  const int nodes = static_cast<int>(pids_.size());
  for (int i = 0; i < nodes; ++i) Launch(i, false);
  for (int i = 0; i < nodes; ++i) REQUIRE(Answers(i, kStartTimeout));
}

void TestEtcd::Pause(int node) { kill(pids_[node], SIGSTOP); }

void TestEtcd::Resume(int node) { kill(pids_[node], SIGCONT); }

}  // namespace paceline
