// A real etcd cluster on loopback for a test: started, killed and started again as processes.
//
// Threads  One thread at a time.
#ifndef PACELINE_SERVER_STORE_ETCD_TEST_ETCD_H_
#define PACELINE_SERVER_STORE_ETCD_TEST_ETCD_H_

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "server/store/etcd/client.h"

namespace paceline {

class TestEtcd {
 public:
  // Once all `nodes` answer. Null, with a warning, where etcd is not installed.
  static std::unique_ptr<TestEtcd> Start(int nodes);

  // Kills what still runs.
  ~TestEtcd();
  TestEtcd(const TestEtcd&) = delete;
  TestEtcd& operator=(const TestEtcd&) = delete;

  // host:port, by node.
  const std::vector<std::string>& endpoints() const { return endpoints_; }
  // As --store takes it, without a prefix.
  std::string address() const;

  // SIGKILL.
  void Kill(int node);
  // After Kill: with the files it had. Returns when it answers.
  void Restart(int node);
  // After all were killed: one alone would not answer.
  void RestartAll();

  // SIGSTOP and SIGCONT: a node that says nothing, with its connections open.
  void Pause(int node);
  void Resume(int node);

 private:
  TestEtcd() = default;
  void Launch(int node, bool is_new);
  bool Answers(int node, absl::Duration timeout);

  std::string folder_;
  std::vector<std::string> endpoints_;
  std::vector<std::string> peers_;
  std::vector<pid_t> pids_;  // 0: not running.
};

}  // namespace paceline

#endif  // PACELINE_SERVER_STORE_ETCD_TEST_ETCD_H_
