// A candidate as a process of its own, for tests that kill it: campaigns, and while it has the role
// opens the store and counts up in it. Says what happens on standard output, a line each.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "common/base/status_macros.h"
#include "server/election/etcd_election.h"
#include "server/store/etcd_store.h"

namespace paceline {
namespace {

void Say(const std::string& line) {
  std::printf("%s\n", line.c_str());
  std::fflush(stdout);
}

// The present store, if this process has the role.
class Role {
 public:
  absl::Status Begin(const EtcdAddress& etcd, uint64_t fence, Election* election) {
    const auto resign = [election](absl::string_view why, bool) { election->Resign(why); };
    ASSIGN_OR_RETURN(auto store, EtcdStore::Open(etcd, fence, resign));
    ASSIGN_OR_RETURN(const std::vector<Entry> range, store->Range("counter"));
    absl::MutexLock lock(&mutex_);
    store_ = std::move(store);
    value_ = range.empty() ? 0 : std::atol(range[0].value.c_str());
    revision_ = range.empty() ? 0 : range[0].revision;
    return absl::OkStatus();
  }

  void End() {
    absl::MutexLock lock(&mutex_);
    store_.reset();
  }

  void Step() {
    absl::MutexLock lock(&mutex_);
    if (store_ == nullptr) return;
    const auto result =
        store_->Commit({{{"counter", revision_}}, {{"counter", absl::StrCat(value_ + 1)}}, {}});
    if (result.ok() && result->committed) {
      Say(absl::StrCat("committed ", ++value_));
      revision_ = result->revision;
    } else if (!result.ok()) {
      Say(absl::StrCat("failed ", result.status().ToString()));
    }
  }

 private:
  absl::Mutex mutex_;
  std::unique_ptr<EtcdStore> store_;
  long value_ = 0;
  uint64_t revision_ = 0;
};

int Main(const std::string& etcd_text, const std::string& name) {
  const auto etcd = ParseEtcdAddress(etcd_text);
  if (!etcd.ok()) return 2;
  Role role;
  ElectionOptions options;
  options.address = name;
  EtcdElection election(*etcd, options);
  ElectionCallbacks callbacks;
  callbacks.elected = [&](uint64_t fence) {
    Say(absl::StrCat("elected ", fence));
    const absl::Status status = role.Begin(*etcd, fence, &election);
    if (!status.ok()) election.Resign(status.message());
  };
  callbacks.lost = [&](absl::string_view why) {
    role.End();
    Say(absl::StrCat("lost ", why));
  };
  callbacks.moved = [](absl::string_view address) { Say(absl::StrCat("moved ", address)); };
  election.Start(std::move(callbacks));
  for (;;) {
    role.Step();
    absl::SleepFor(absl::Milliseconds(20));
  }
}

}  // namespace
}  // namespace paceline

int main(int argc, char** argv) { return argc == 3 ? paceline::Main(argv[1], argv[2]) : 2; }
