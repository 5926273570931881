// EtcdStore on a real cluster that loses its nodes one at a time.
#include <catch2/catch.hpp>
#include <string>

#include "absl/time/clock.h"
#include "server/store/etcd/client.h"
#include "server/store/etcd/test_etcd.h"
#include "server/store/etcd_store.h"

namespace paceline {
namespace {

std::unique_ptr<EtcdStore> Open(const TestEtcd& etcd) {
  auto store = EtcdStore::Open(std::make_unique<EtcdClient>(etcd.endpoints()), {});
  INFO(store.status());
  REQUIRE(store.ok());
  return *std::move(store);
}

// Counts up in one entry as a coordinator would: one that is told Aborted begins anew.
class Counter {
 public:
  explicit Counter(const TestEtcd& etcd) : etcd_(etcd), store_(Open(etcd)) {}

  // One step; how long until it was acknowledged.
  absl::Duration Step() {
    const absl::Time begin = absl::Now();
    for (;;) {
      const auto result =
          store_->Commit({{{"counter", revision_}}, {{"counter", std::to_string(value_ + 1)}}, {}});
      if (result.ok()) {
        REQUIRE(result->committed);
        ++value_;
        revision_ = result->revision;
        return absl::Now() - begin;
      }
      INFO(result.status());
      REQUIRE(absl::Now() - begin < absl::Seconds(30));
      store_->Watch();
      if (store_->health().code() == absl::StatusCode::kAborted) Reload();
      absl::SleepFor(absl::Milliseconds(20));
    }
  }

  int value() const { return value_; }

 private:
  void Reload() {
    store_ = Open(etcd_);
    const auto range = store_->Range("counter");
    REQUIRE(range.ok());
    REQUIRE(range->size() == 1);
    const int stored = std::stoi((*range)[0].value);
    // The one step that was in doubt, or none.
    REQUIRE((stored == value_ || stored == value_ + 1));
    value_ = stored;
    revision_ = (*range)[0].revision;
  }

  const TestEtcd& etcd_;
  std::unique_ptr<EtcdStore> store_;
  int value_ = 0;
  uint64_t revision_ = 0;
};

TEST_CASE("commits go on while each node in turn is killed and comes back") {
  const auto etcd = TestEtcd::Start(3);
  if (etcd == nullptr) return;
  Counter counter(*etcd);
  absl::Duration longest;

  for (int node = 0; node < 3; ++node) {
    for (int i = 0; i < 20; ++i) counter.Step();
    etcd->Kill(node);
    for (int i = 0; i < 20; ++i) longest = std::max(longest, counter.Step());
    etcd->Restart(node);
  }

  std::printf("longest step: %s\n", absl::FormatDuration(longest).c_str());
  CHECK(longest < absl::Seconds(10));
  const auto range = Open(*etcd)->Range("");
  REQUIRE(range.ok());
  CHECK((*range)[0].value == std::to_string(counter.value()));
}

TEST_CASE("a node that is silent with its connections open is passed over") {
  const auto etcd = TestEtcd::Start(3);
  if (etcd == nullptr) return;
  Counter counter(*etcd);
  counter.Step();

  for (int node = 0; node < 3; ++node) {
    etcd->Pause(node);
    for (int i = 0; i < 5; ++i) CHECK(counter.Step() < absl::Seconds(10));
    etcd->Resume(node);
  }
}

TEST_CASE(
    "without a majority a commit fails within its time, later ones at once, and then it recovers") {
  const auto etcd = TestEtcd::Start(3);
  if (etcd == nullptr) return;
  const auto store = Open(*etcd);
  REQUIRE(store->Commit({{}, {{"a", "1"}}, {}})->committed);
  etcd->Kill(0);
  etcd->Kill(1);

  const absl::Time begin = absl::Now();
  const absl::Status first = store->Commit({{}, {{"a", "2"}}, {}}).status();
  const absl::Time middle = absl::Now();
  const absl::Status second = store->Commit({{}, {{"a", "2"}}, {}}).status();
  const absl::Time end = absl::Now();

  CHECK(first.code() == absl::StatusCode::kUnavailable);
  CHECK(middle - begin < absl::Seconds(2));
  CHECK(second.code() == absl::StatusCode::kUnavailable);
  CHECK(end - middle < absl::Milliseconds(20));

  etcd->Restart(0);
  absl::Status last;
  do {
    store->Watch();
    last = store->Commit({{}, {{"b", "1"}}, {}}).status();
    absl::SleepFor(absl::Milliseconds(100));
  } while (last.code() == absl::StatusCode::kUnavailable && absl::Now() - end < absl::Seconds(30));
  const auto range = Open(*etcd)->Range("a");
  REQUIRE(range.ok());
  // Either the doubtful one was made void and the next committed, or it was written and said so.
  if (last.ok()) {
    CHECK((*range)[0].value == "1");
  } else {
    CHECK(last.code() == absl::StatusCode::kAborted);
    CHECK((*range)[0].value == "2");
  }
}

}  // namespace
}  // namespace paceline
