#include "server/store/etcd_store.h"

#include <catch2/catch.hpp>
#include <string>
#include <utility>

#include "common/testing/says.h"
#include "server/store/etcd/fake_etcd.h"

namespace paceline {
namespace {

using Fault = FakeEtcd::Fault;

// An etcd, a clock, and a store that has two attempts for each call.
struct World {
  FakeEtcd etcd;
  absl::Time now = absl::UnixEpoch();

  EtcdStoreOptions Options() {
    EtcdStoreOptions options;
    options.clock = [this] { return now; };
    return options;
  }
  std::unique_ptr<EtcdStore> Open() {
    auto store = EtcdStore::Open(FakeEtcd::Client(&etcd), Options());
    INFO(store.status());
    REQUIRE(store.ok());
    return *std::move(store);
  }
  // What another process would read.
  std::string Dump() {
    std::string text;
    for (const auto& [key, kv] : etcd.keys()) {
      const std::string prefix = "paceline/entry/";
      if (key.substr(0, prefix.size()) != prefix) continue;
      text += key.substr(prefix.size()) + "=" + kv.value().substr(1) + " ";
    }
    return text;
  }
  size_t Parts() {
    size_t count = 0;
    for (const auto& [key, kv] : etcd.keys()) count += key.find("/part/") != std::string::npos;
    return count;
  }
};

Transaction PutOne(const std::string& key, const std::string& value) {
  return {{}, {{key, value}}, {}};
}

TEST_CASE("a commit whose answer was lost is sent again and written once") {
  World world;
  const auto store = world.Open();
  const Fault fault = GENERATE(Fault::kLoseReply, Fault::kLoseRequest);
  world.etcd.faults = {fault};

  const auto result = store->Commit({{{"a", 0}}, {{"a", "1"}}, {}});

  REQUIRE(result.ok());
  CHECK(result->committed);
  const auto range = store->Range("");
  REQUIRE(range->size() == 1);
  CHECK((*range)[0].revision == result->revision);
  CHECK(store->Commit({{{"a", result->revision}}, {{"a", "2"}}, {}})->committed);
}

TEST_CASE("an attempt that arrives late changes nothing any more") {
  World world;
  const auto store = world.Open();
  world.etcd.faults = {Fault::kDelay};
  REQUIRE(store->Commit({{{"a", 0}}, {{"a", "1"}}, {}})->committed);
  REQUIRE(store->Commit({{}, {}, {{"a"}}})->committed);

  world.etcd.Deliver();

  CHECK(world.Dump().empty());
  CHECK(store->Commit(PutOne("b", "1"))->committed);
}

TEST_CASE("a compare that failed keeps its late attempt from being written when it would hold") {
  World world;
  const auto store = world.Open();
  REQUIRE(store->Commit(PutOne("a", "1"))->committed);
  world.etcd.faults = {Fault::kDelay};
  const auto result = store->Commit({{{"a", 0}}, {{"a", "2"}}, {}});
  REQUIRE(result.ok());
  CHECK_FALSE(result->committed);
  REQUIRE(store->Commit({{}, {}, {{"a"}}})->committed);

  world.etcd.Deliver();

  CHECK(world.Dump().empty());
}

TEST_CASE("a transaction in doubt that was never written is settled and forgotten") {
  World world;
  const auto store = world.Open();
  world.etcd.faults = {Fault::kLoseRequest, Fault::kLoseRequest};
  const absl::Status status = store->Commit(PutOne("a", "1")).status();
  CHECK(status.code() == absl::StatusCode::kUnavailable);
  CHECK(Says(status, "not known yet"));

  SECTION("by the next watch") { store->Watch(); }
  // It begins by asking whether etcd answers at all.
  SECTION("even when the answer to that is lost too") {
    world.etcd.faults = {Fault::kNone, Fault::kLoseReply};
    store->Watch();
  }
  SECTION("even when nobody answers that for a while") {
    world.etcd.faults = {Fault::kNone, Fault::kLoseReply, Fault::kLoseReply};
    store->Watch();
    CHECK(store->Commit(PutOne("b", "1")).status().code() == absl::StatusCode::kUnavailable);
    store->Watch();
  }
  CHECK(store->health().ok());
  CHECK(store->Commit(PutOne("b", "1"))->committed);
  CHECK(world.Dump() == "b=1 ");
}

TEST_CASE("a transaction in doubt that is still on its way is made void") {
  World world;
  const auto store = world.Open();
  world.etcd.faults = {Fault::kDelay, Fault::kDelay};
  REQUIRE_FALSE(store->Commit(PutOne("a", "1")).ok());
  store->Watch();
  REQUIRE(store->Commit(PutOne("b", "1"))->committed);

  world.etcd.Deliver();

  CHECK(world.Dump() == "b=1 ");
  CHECK(store->Commit(PutOne("c", "1"))->committed);
}

TEST_CASE("a transaction in doubt that was written ends the object, and a new one reads it") {
  World world;
  int told = 0;
  EtcdStoreOptions options = world.Options();
  bool by_another = true;
  options.on_deposed = [&](absl::string_view, bool another) {
    ++told;
    by_another = another;
  };
  const auto opened = EtcdStore::Open(FakeEtcd::Client(&world.etcd), options);
  REQUIRE(opened.ok());
  EtcdStore* const store = opened->get();
  world.etcd.faults = {Fault::kLoseReply, Fault::kLoseReply};
  CHECK(store->Commit(PutOne("a", "1")).status().code() == absl::StatusCode::kUnavailable);
  CHECK(told == 0);

  store->Watch();

  const absl::Status next = store->Commit(PutOne("b", "1")).status();

  CHECK(next.code() == absl::StatusCode::kAborted);
  CHECK(Says(next, "open it again"));
  CHECK(store->Range("").status().code() == absl::StatusCode::kAborted);
  CHECK(told == 1);
  CHECK_FALSE(by_another);
  CHECK(world.Dump() == "a=1 ");
  const auto again = world.Open();
  CHECK(again->Range("")->size() == 1);
  CHECK(again->Commit(PutOne("b", "1"))->committed);
}

TEST_CASE("opening takes the store over from whoever had it") {
  World world;
  const auto first = world.Open();
  world.etcd.faults = {Fault::kDelay, Fault::kDelay};
  REQUIRE_FALSE(first->Commit(PutOne("a", "old")).ok());

  const auto second = world.Open();
  world.etcd.Deliver();  // What the first had sent.

  first->Watch();
  CHECK(second->Range("")->empty());
  CHECK(first->Commit(PutOne("a", "old")).status().code() == absl::StatusCode::kAborted);
  CHECK(first->Commit(PutOne("a", "old")).status().code() == absl::StatusCode::kAborted);
  CHECK(second->Commit(PutOne("a", "new"))->committed);
  CHECK(world.Dump() == "a=new ");
}

TEST_CASE("opening is safe to repeat when its answer is lost") {
  World world;
  world.etcd.faults = {Fault::kNone,
                       GENERATE(Fault::kLoseReply, Fault::kLoseRequest, Fault::kDelay)};

  const auto store = world.Open();
  world.etcd.Deliver();

  CHECK(store->Commit(PutOne("a", "1"))->committed);
}

TEST_CASE("only the holder of the role can take the store over") {
  World world;
  const auto holder = world.Open();
  etcdserverpb::TxnRequest elect;
  auto* put = elect.add_success()->mutable_request_put();
  put->set_key("paceline/coordinator-leader");
  const int64_t fence = world.etcd.Txn(elect).header().revision();
  EtcdStoreOptions options = world.Options();
  options.guard_key = "paceline/coordinator-leader";
  options.guard_revision = static_cast<uint64_t>(fence) + 1;

  const auto wrong = EtcdStore::Open(FakeEtcd::Client(&world.etcd), options);

  CHECK(wrong.status().code() == absl::StatusCode::kAborted);
  CHECK(holder->Commit(PutOne("a", "1"))->committed);
  options.guard_revision = static_cast<uint64_t>(fence);
  CHECK(EtcdStore::Open(FakeEtcd::Client(&world.etcd), options).ok());
  CHECK(holder->Commit(PutOne("a", "2")).status().code() == absl::StatusCode::kAborted);
}

TEST_CASE("who is taken over hears of it without writing anything") {
  World world;
  std::string told;
  EtcdStoreOptions options = world.Options();
  options.on_deposed = [&told](absl::string_view why, bool by_another) {
    told += std::string(why) + (by_another ? "!" : "");
  };
  const auto first = *EtcdStore::Open(FakeEtcd::Client(&world.etcd), options);
  first->Watch();
  REQUIRE(first->health().ok());
  const auto second = world.Open();

  first->Watch();
  first->Watch();

  CHECK(told == "store: another has taken it over; open it again and read it anew!");
  CHECK(first->health().code() == absl::StatusCode::kAborted);
  const size_t calls = world.etcd.calls;
  CHECK(first->Commit(PutOne("a", "1")).status().code() == absl::StatusCode::kAborted);
  CHECK(world.etcd.calls == calls);
  second->Watch();
  CHECK(second->Commit(PutOne("a", "1"))->committed);
}

TEST_CASE("after silence calls fail at once until a watch finds an answer") {
  World world;
  const auto store = world.Open();
  world.etcd.outage = absl::UnavailableError("connection refused");
  CHECK(store->Commit(PutOne("a", "1")).status().code() == absl::StatusCode::kUnavailable);
  store->Watch();
  const size_t calls = world.etcd.calls;

  world.etcd.outage = absl::OkStatus();
  CHECK(Says(store->Commit(PutOne("a", "1")).status(), "connection refused"));
  CHECK(store->Range("").status().code() == absl::StatusCode::kUnavailable);
  CHECK(Says(store->health(), "connection refused"));
  CHECK(world.etcd.calls == calls);

  store->Watch();
  CHECK(store->health().ok());
  CHECK(store->Commit(PutOne("a", "1"))->committed);
}

TEST_CASE("silence is known before anything is written, and nothing is in doubt then") {
  World world;
  const auto store = world.Open();
  world.etcd.outage = absl::UnavailableError("connection refused");

  store->Watch();

  CHECK(store->health().code() == absl::StatusCode::kUnavailable);
  const size_t calls = world.etcd.calls;
  CHECK(store->Commit(PutOne("a", "1")).status().code() == absl::StatusCode::kUnavailable);
  CHECK(world.etcd.calls == calls);
  world.etcd.outage = absl::OkStatus();
  store->Watch();
  CHECK(world.etcd.calls == calls + 1);
  CHECK(store->Commit(PutOne("a", "1"))->committed);
}

TEST_CASE("a call ends when its time is over") {
  World world;
  const auto store = world.Open();
  world.etcd.faults = {Fault::kLoseRequest, Fault::kLoseRequest};
  world.etcd.on_call = [&world] { world.now += absl::Seconds(3); };
  const size_t calls = world.etcd.calls;

  CHECK_FALSE(store->Commit(PutOne("a", "1")).ok());

  CHECK(world.etcd.calls == calls + 1);
}

TEST_CASE("what etcd refuses was not written and is not in doubt") {
  World world;
  const auto store = world.Open();
  world.etcd.outage = absl::ResourceExhaustedError("etcdserver: mvcc: database space exceeded");

  const absl::Status status = store->Commit(PutOne("a", "1")).status();

  CHECK(status.code() == absl::StatusCode::kResourceExhausted);
  CHECK(Says(status, "database space exceeded"));
  world.etcd.outage = absl::OkStatus();
  CHECK(store->Commit(PutOne("b", "1"))->committed);
  CHECK(world.Dump() == "b=1 ");
}

TEST_CASE("too many compares are refused and nothing is written") {
  World world;
  const auto store = world.Open();
  Transaction transaction = PutOne("a", "1");
  for (int i = 0; i < 60; ++i) transaction.compares.push_back({"k" + std::to_string(i), 0});

  CHECK(store->Commit(transaction).status().code() == absl::StatusCode::kResourceExhausted);

  CHECK(world.Dump().empty());
  transaction.compares.pop_back();
  CHECK(store->Commit(transaction)->committed);
}

TEST_CASE("parts of a value that was not committed go with the next write of its key") {
  World world;
  const auto store = world.Open();
  const std::string large(3 << 20, 'x');
  // The second part is lost for good.
  world.etcd.faults = {Fault::kNone, Fault::kLoseRequest, Fault::kLoseRequest};
  CHECK(store->Commit(PutOne("a", large)).status().code() == absl::StatusCode::kUnavailable);
  CHECK(world.Dump().empty());
  CHECK(world.Parts() == 1);
  store->Watch();

  SECTION("by the same object") { CHECK(store->Commit(PutOne("a", large))->committed); }
  SECTION("by a later one") { CHECK(world.Open()->Commit(PutOne("a", large))->committed); }

  CHECK(world.Parts() == 6);
  CHECK((*world.Open()->Range("a"))[0].value == large);
  REQUIRE(world.Open()->Commit(PutOne("a", "small"))->committed);
  CHECK(world.Parts() == 0);
}

TEST_CASE("a large value whose commit stays in doubt is whole or absent") {
  World world;
  const auto store = world.Open();
  const std::string large(3 << 20, 'x');
  REQUIRE(store->Commit(PutOne("a", large))->committed);
  const std::string other(2 << 20, 'y');
  // Four parts, then the transaction, twice.
  world.etcd.faults = {Fault::kNone, Fault::kNone, Fault::kNone, Fault::kNone};
  const Fault fault = GENERATE(Fault::kLoseReply, Fault::kLoseRequest);
  world.etcd.faults.insert(world.etcd.faults.end(), {fault, fault});

  CHECK(store->Commit(PutOne("a", other)).status().code() == absl::StatusCode::kUnavailable);

  const auto again = world.Open();
  const auto range = again->Range("a");
  REQUIRE(range.ok());
  CHECK((*range)[0].value == (fault == Fault::kLoseReply ? other : large));
  REQUIRE(again->Commit({{}, {}, {{"a"}}})->committed);
  CHECK(world.Parts() == 0);
}

TEST_CASE("a read whose moment etcd has forgotten begins anew") {
  World world;
  const auto store = world.Open();
  REQUIRE(store->Commit(PutOne("a", "1"))->committed);
  int calls = 0;
  world.etcd.on_call = [&] {
    const bool first = ++calls == 1;
    world.etcd.outage = first ? absl::OutOfRangeError("compacted") : absl::OkStatus();
  };

  CHECK(store->Range("")->size() == 1);
  CHECK(calls == 2);
}

TEST_CASE("an entry that no store wrote is data loss") {
  World world;
  const auto store = world.Open();
  etcdserverpb::TxnRequest write;
  auto* put = write.add_success()->mutable_request_put();
  put->set_key("paceline/entry/a");
  put->set_value("by hand");
  world.etcd.Txn(write);

  const absl::Status status = store->Range("").status();

  CHECK(status.code() == absl::StatusCode::kDataLoss);
  CHECK(Says(status, "entry 'a'"));
}

}  // namespace
}  // namespace paceline
