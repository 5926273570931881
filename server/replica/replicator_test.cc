#include "server/replica/replicator.h"

#include <catch2/catch.hpp>
#include <variant>

namespace paceline {
namespace {

constexpr size_t kElements = 4;

LogEntry EntryOf(uint64_t index, uint64_t term = 1) {
  LogEntry entry;
  entry.index = index;
  entry.step = index;
  entry.term = term;
  entry.gradient = std::make_shared<Block>(2 * kElements);
  entry.gradient_begin = kElements;
  return entry;
}

// What a primary with acks: leader may be ahead of its backups; 0 entries: acks all.
struct Ahead {
  uint64_t entries = 0;
  size_t bytes = 1 << 20;
};

// A primary on s1 (replica 1), a backup in sync on s2 (replica 2), one that is not on s3.
struct Rig {
  explicit Rig(size_t entries_in_call = 100, LogLimits limits = {}, Replicator::Start start = {},
               Ahead ahead = {})
      : replicator(OptionsOf(entries_in_call, limits, ahead), std::move(start)) {
    placement.set_term(2);
    placement.set_config(1);
    for (uint64_t id = 1; id <= 3; ++id) {
      v1::PartitionReplica* const replica = placement.add_replicas();
      replica->set_id(id);
      replica->set_server("s" + std::to_string(id));
      replica->set_in_sync(id < 3);
    }
  }

  Replicator::Options OptionsOf(size_t entries_in_call, LogLimits limits, Ahead ahead) {
    Replicator::Options options;
    options.job = "job-1";
    options.elements = kElements;
    options.replication.log = limits;
    options.acknowledges_alone = ahead.entries > 0;
    options.replication.ahead_entries_max = ahead.entries;
    options.replication.ahead_bytes_max = ahead.bytes;
    options.call_bytes_max = entries_in_call * kElements * sizeof(float);
    options.next_call = [this] { return ++last_call; };
    return options;
  }

  void Follow() { replicator.Follow(now, placement, 1, 1); }
  void NextConfig() {
    placement.set_config(placement.config() + 1);
    Follow();
  }

  // The call to that replica that was sent last, which must be an Append.
  struct Sent {
    uint64_t id = 0;
    v1::AppendHeader header;
    std::vector<BlockSlice> payload;
  };
  absl::optional<Sent> Take(uint64_t replica) {
    for (ReplicaCall& call : replicator.TakeCalls()) calls.push_back(std::move(call));
    for (size_t i = 0; i < calls.size(); ++i) {
      const auto* const append = std::get_if<v1::AppendHeader>(&calls[i].header);
      if (append == nullptr || append->key().replica() != replica) continue;
      Sent sent{calls[i].id, *append, calls[i].payload};
      calls.erase(calls.begin() + static_cast<std::ptrdiff_t>(i));
      return sent;
    }
    return absl::nullopt;
  }
  absl::optional<ReplicaCall> TakeInstall() {
    for (ReplicaCall& call : replicator.TakeCalls()) calls.push_back(std::move(call));
    for (size_t i = 0; i < calls.size(); ++i) {
      if (!std::holds_alternative<v1::InstallHeader>(calls[i].header)) continue;
      ReplicaCall call = std::move(calls[i]);
      calls.erase(calls.begin() + static_cast<std::ptrdiff_t>(i));
      return call;
    }
    return absl::nullopt;
  }
  void Answer(uint64_t call, uint64_t last_index, bool wants_install = false) {
    v1::ReplicaReply reply;
    reply.set_last_index(last_index);
    reply.set_wants_install(wants_install);
    replicator.OnDone(now, call, absl::OkStatus(), reply);
  }
  v1::BackupReport::State StateOf(uint64_t replica) const {
    v1::PartitionReport report;
    replicator.FillIn(&report);
    for (const v1::BackupReport& backup : report.backups()) {
      if (backup.replica() == replica) return backup.state();
    }
    FAIL("not reported");
    return {};
  }

  absl::Time now = absl::UnixEpoch();
  uint64_t last_call = 0;
  v1::PartitionPlacement placement;
  std::vector<ReplicaCall> calls;
  Replicator replicator;
};

TEST_CASE("without backups an entry is committed as it is appended, and not kept") {
  Rig rig;
  CHECK(rig.replicator.Append(rig.now, EntryOf(1)) == 1);
  CHECK(rig.replicator.Append(rig.now, EntryOf(2)) == 2);
  CHECK(rig.replicator.entries().empty());
  CHECK(rig.replicator.may_answer(rig.now));
  CHECK(rig.replicator.NextTick() == absl::InfiniteFuture());
}

TEST_CASE("an entry is committed when every copy in sync has it") {
  Rig rig;
  rig.Follow();
  rig.Answer(rig.Take(2)->id, 0);
  CHECK(rig.replicator.Append(rig.now, EntryOf(1)) == 0);
  CHECK(rig.replicator.Awaited(1) == std::vector<std::string>{"s2"});

  const auto sent = rig.Take(2);
  REQUIRE(sent.has_value());
  CHECK(sent->header.previous_index() == 0);
  CHECK(sent->header.key().term() == 2);
  REQUIRE(sent->header.entries_size() == 1);
  REQUIRE(sent->payload.size() == 1);
  CHECK(sent->payload[0].begin == kElements);
  CHECK(sent->payload[0].elements == kElements);
  rig.Answer(sent->id, 1);

  CHECK(rig.replicator.committed() == 1);
  CHECK(rig.replicator.Awaited(1).empty());
}

TEST_CASE("one call is in flight per backup, and the next brings all that has come, in parts") {
  Rig rig(/*entries_in_call=*/2);
  rig.Follow();
  const auto first = rig.Take(2);
  for (uint64_t index = 1; index <= 3; ++index) rig.replicator.Append(rig.now, EntryOf(index));
  CHECK_FALSE(rig.Take(2).has_value());

  rig.Answer(first->id, 0);
  const auto second = rig.Take(2);
  REQUIRE(second.has_value());
  CHECK(second->header.entries_size() == 2);
  rig.Answer(second->id, 2);
  CHECK(rig.replicator.committed() == 2);
  CHECK(rig.Take(2)->header.entries_size() == 1);
}

TEST_CASE("a call that failed is tried again, later each time") {
  Rig rig;
  rig.Follow();
  rig.replicator.OnDone(rig.now, rig.Take(2)->id, absl::UnavailableError("gone"), {});
  rig.replicator.Append(rig.now, EntryOf(1));
  CHECK_FALSE(rig.Take(2).has_value());
  rig.now += absl::Milliseconds(50);
  rig.replicator.OnTick(rig.now);
  const auto second = rig.Take(2);
  REQUIRE(second.has_value());
  rig.replicator.OnDone(rig.now, second->id, absl::UnavailableError("gone"), {});
  rig.now += absl::Milliseconds(50);
  rig.replicator.OnTick(rig.now);
  CHECK_FALSE(rig.Take(2).has_value());
}

TEST_CASE("a heartbeat keeps the promise, and without one nothing is answered") {
  Rig rig;
  rig.Follow();
  CHECK_FALSE(rig.replicator.may_answer(rig.now));
  const auto first = rig.Take(2);
  rig.now += absl::Milliseconds(40);
  rig.Answer(first->id, 0);
  CHECK(rig.replicator.may_answer(rig.now));

  // It counts from when the call was sent, less a tenth.
  CHECK(rig.replicator.may_answer(absl::UnixEpoch() + absl::Milliseconds(449)));
  CHECK_FALSE(rig.replicator.may_answer(absl::UnixEpoch() + absl::Milliseconds(450)));
  CHECK(rig.replicator.Unpromised(absl::UnixEpoch() + absl::Milliseconds(450)) ==
        std::vector<std::string>{"s2"});

  rig.now = absl::UnixEpoch() + absl::Milliseconds(100);
  rig.replicator.OnTick(rig.now);
  CHECK(rig.Take(2).has_value());
}

TEST_CASE("who is caught up counts from before it is reported") {
  Rig rig;
  rig.Follow();
  rig.Answer(rig.Take(2)->id, 0);
  const auto to_3 = rig.Take(3);
  rig.replicator.Append(rig.now, EntryOf(1));
  rig.Answer(rig.Take(2)->id, 1);
  CHECK(rig.replicator.committed() == 1);

  // It has all but entry 1, which is committed without it: it counts, and is not caught up.
  rig.Answer(to_3->id, 0);
  CHECK(rig.StateOf(3) == v1::BackupReport::BEHIND);
  rig.replicator.Append(rig.now, EntryOf(2));
  rig.Answer(rig.Take(2)->id, 2);
  CHECK(rig.replicator.committed() == 1);
  rig.replicator.TakeNews();
  rig.Answer(rig.Take(3)->id, 1);

  CHECK(rig.StateOf(3) == v1::BackupReport::CAUGHT_UP);
  CHECK(rig.replicator.TakeNews());
  // Another config knows nothing of that.
  rig.NextConfig();
  CHECK(rig.StateOf(3) == v1::BackupReport::BEHIND);
  CHECK(rig.replicator.committed() == 2);
}

TEST_CASE("a silent copy in sync lags, and is waited for until a new config says otherwise") {
  Rig rig;
  rig.Follow();
  rig.replicator.Append(rig.now, EntryOf(1));
  rig.now += absl::Seconds(2);
  rig.replicator.OnTick(rig.now);
  CHECK(rig.StateOf(2) == v1::BackupReport::LAGGING);
  CHECK(rig.StateOf(3) == v1::BackupReport::BEHIND);
  CHECK(rig.replicator.TakeNews());
  CHECK(rig.replicator.committed() == 0);

  rig.placement.mutable_replicas(1)->set_in_sync(false);
  rig.NextConfig();
  CHECK(rig.replicator.committed() == 1);
  CHECK(rig.replicator.copies_in_sync() == 1);
}

TEST_CASE("a new primary answers nothing before what it inherited is committed") {
  Replicator::Start start{3, 1, {EntryOf(4)}};
  Rig rig(100, {}, std::move(start));
  rig.Follow();
  const auto sent = rig.Take(2);
  CHECK(sent->header.previous_index() == 3);
  CHECK(sent->header.previous_term() == 1);
  CHECK(sent->header.entries(0).term() == 1);

  rig.Answer(sent->id, 3);
  CHECK_FALSE(rig.replicator.may_answer(rig.now));
  rig.Answer(rig.Take(2)->id, 4);
  CHECK(rig.replicator.may_answer(rig.now));
}

TEST_CASE("a backup whose entries are gone gets a whole partition once that is committed") {
  Rig rig(100, LogLimits{1, 1 << 20});
  rig.Follow();
  rig.Answer(rig.Take(2)->id, 0);
  for (uint64_t index = 1; index <= 3; ++index) {
    rig.replicator.Append(rig.now, EntryOf(index));
    rig.Answer(rig.Take(2)->id, index);
  }
  CHECK(rig.replicator.entries().size() == 1);
  const auto to_3 = rig.Take(3);
  CHECK_FALSE(rig.replicator.wants_image());
  rig.Answer(to_3->id, 0);
  REQUIRE(rig.replicator.wants_image());

  rig.replicator.Append(rig.now, EntryOf(4));
  InstallImage image;
  image.index = 4;
  image.state.set_version(4);
  for (int i = 0; i < 3; ++i) image.arrays.push_back(std::make_shared<Block>(kElements));
  rig.replicator.OnImage(rig.now, std::move(image));
  CHECK_FALSE(rig.TakeInstall().has_value());  // Not committed yet.
  rig.Answer(rig.Take(2)->id, 4);

  for (uint32_t array = 0; array < 3; ++array) {
    const auto call = rig.TakeInstall();
    REQUIRE(call.has_value());
    const auto& header = std::get<v1::InstallHeader>(call->header);
    CHECK(header.array() == array);
    CHECK(header.has_state() == (array == 0));
    rig.Answer(call->id, array == 2 ? 4 : 0);
  }
  CHECK(rig.StateOf(3) == v1::BackupReport::CAUGHT_UP);
  CHECK_FALSE(rig.replicator.wants_image());
}

TEST_CASE("fewer copies in sync than wanted: nothing may be appended") {
  Rig rig;
  rig.replicator.Follow(rig.now, rig.placement, 1, 3);
  CHECK_FALSE(rig.replicator.may_append());
  rig.replicator.Follow(rig.now, rig.placement, 1, 2);
  CHECK(rig.replicator.may_append());
}

TEST_CASE("a copy that has diverged stays so") {
  Rig rig;
  rig.Follow();
  rig.replicator.Diverged(2);
  CHECK(rig.replicator.TakeNews());
  rig.Answer(rig.Take(2)->id, 0);
  CHECK(rig.StateOf(2) == v1::BackupReport::DIVERGED);
}

TEST_CASE("a copy that has diverged is waited for until the coordinator has taken it out") {
  // It may be promoted until then, and has to hold what was acknowledged.
  Rig rig;
  rig.Follow();
  rig.Answer(rig.Take(2)->id, 0);
  rig.replicator.Diverged(2);
  CHECK(rig.replicator.Append(rig.now, EntryOf(1)) == 0);
  CHECK(rig.replicator.Awaited(1) == std::vector<std::string>{"s2"});
  // It goes on acknowledging, so nobody waits longer for it than for a sound one.
  rig.Answer(rig.Take(2)->id, 1);
  CHECK(rig.replicator.committed() == 1);
  CHECK(rig.replicator.Append(rig.now, EntryOf(2)) == 1);
  // Silent, it is still reported as what it is: the coordinator takes it out either way.
  rig.now += absl::Seconds(5);
  rig.replicator.OnTick(rig.now);
  CHECK(rig.StateOf(2) == v1::BackupReport::DIVERGED);
  CHECK(rig.replicator.committed() == 1);

  rig.placement.mutable_replicas()->DeleteSubrange(1, 1);
  rig.NextConfig();

  CHECK(rig.replicator.committed() == 2);
}

TEST_CASE("acks: leader: so many entries are acknowledged beyond what is committed") {
  Rig rig(100, {}, {}, {2});
  rig.Follow();
  rig.Answer(rig.Take(2)->id, 0);
  for (uint64_t index = 1; index <= 4; ++index) {
    CHECK(rig.replicator.Append(rig.now, EntryOf(index)) == 0);
  }
  CHECK(rig.replicator.acknowledgeable() == 2);
  CHECK(rig.replicator.committed() == 0);

  rig.Answer(rig.Take(2)->id, 1);
  CHECK(rig.replicator.acknowledgeable() == 3);
  rig.Answer(rig.Take(2)->id, 4);
  CHECK(rig.replicator.acknowledgeable() == 4);
}

TEST_CASE("acks: leader: fewer entries if they are large, and never none") {
  const size_t entry = kElements * sizeof(float);
  for (const auto& [bytes, wanted] : {std::pair<size_t, uint64_t>{3 * entry + 1, 3}, {1, 1}}) {
    Rig rig(100, {}, {}, {10, bytes});
    rig.Follow();
    for (uint64_t index = 1; index <= 8; ++index) rig.replicator.Append(rig.now, EntryOf(index));
    CHECK(rig.replicator.acknowledgeable() == wanted);
  }
}

TEST_CASE("acks: leader: a new primary answers with what it inherited, and says where that ends") {
  Rig rig(100, {}, Replicator::Start{3, 1, {EntryOf(4)}}, {2});
  rig.Follow();
  rig.Answer(rig.Take(2)->id, 3);
  CHECK(rig.replicator.may_answer(rig.now));
  rig.replicator.Append(rig.now, EntryOf(5, 2));
  v1::PartitionReport report;
  rig.replicator.FillIn(&report);
  CHECK(report.first_index() == 4);
  CHECK(report.committed_index() == 3);
  CHECK(report.last_index() == 5);
}

}  // namespace
}  // namespace paceline
