// Two servers that hold the same partitions: replication and checkpoints through their hosts.
#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/tensor/block.h"
#include "server/checkpoint/partition_image.h"
#include "server/partition/partition_host.h"
#include "server/partition/partition_testing.h"

namespace paceline {
namespace {

v1::OptimizerSpec Adam() {
  v1::OptimizerSpec spec;
  spec.mutable_adam()->set_learning_rate(0.1f);
  spec.mutable_adam()->set_beta1(0.9f);
  spec.mutable_adam()->set_beta2(0.99f);
  spec.mutable_adam()->set_epsilon(1e-6f);
  spec.set_weight_decay(0);
  spec.mutable_schedule()->set_warmup_steps(0);
  spec.mutable_schedule()->mutable_constant();
  return spec;
}

// Calls to one another arrive when Deliver is called.
struct Pair {
  Pair() {
    for (size_t i = 0; i < 2; ++i) {
      PartitionHost::Options options;
      options.replication.log.entries_max = 1;
      options.complain = [](absl::string_view what) { FAIL(std::string(what)); };
      options.checkpoint = [this, i](CheckpointWork work) {
        works.emplace_back(i, std::move(work));
      };
      options.restore = [this](const v1::RestoreOrigin& origin, const JobLayout&,
                               uint32_t partition) {
        return stored.at({origin.id(), partition});
      };
      hosts.push_back(std::make_unique<PartitionHost>(
          std::move(options), [this](Answer answer) { answers[answer.call] = answer.status; },
          [this, i](ReplicaCall call) { calls.emplace_back(i, std::move(call)); }));
    }
  }

  v1::JobDirective Job(size_t primary, uint64_t term) const {
    v1::JobDirective job = BareJob("job-1");
    *job.mutable_spec()->mutable_optimizer() = Adam();
    if (order.id() > 0) *job.mutable_checkpoint() = order;
    if (origin.id() > 0) *job.mutable_restore() = origin;
    job.mutable_segment()->set_index(segment);
    for (v1::PartitionPlacement& placement : *job.mutable_placement()) {
      placement.set_term(term);
      placement.set_config(term);
      placement.set_server(absl::StrCat("s", primary));
      for (uint64_t i = 0; i < 2; ++i) {
        v1::PartitionReplica* const replica = placement.add_replicas();
        replica->set_id(10 * segment + i + 1);
        replica->set_server(absl::StrCat("s", i));
        replica->set_server_incarnation(1);
        replica->set_address(absl::StrCat(i));
        replica->set_in_sync(i == primary || is_backup_in_sync);
      }
    }
    return job;
  }

  void Direct(size_t primary, uint64_t term) {
    for (size_t i = 0; i < 2; ++i) {
      v1::ServerSyncReply reply;
      reply.set_changed(true);
      *reply.add_jobs() = Job(primary, term);
      reply.mutable_server()->set_id(absl::StrCat("s", i));
      reply.mutable_server()->set_incarnation(1);
      hosts[i]->OnDirectives(now, reply);
    }
  }

  void Deliver() {
    while (!calls.empty()) {
      auto [from, call] = std::move(calls.front());
      calls.erase(calls.begin());
      PartitionHost& to = *hosts[static_cast<size_t>(std::stoi(call.address))];
      const bool is_install = std::holds_alternative<v1::InstallHeader>(call.header);
      const v1::ReplicaKey key = is_install ? std::get<v1::InstallHeader>(call.header).key()
                                            : std::get<v1::AppendHeader>(call.header).key();
      const uint64_t elements = to.ReplicaElements(key).value();
      auto payload = std::make_shared<Block>(call.payload.size() * elements);
      for (size_t i = 0; i < call.payload.size(); ++i) {
        const auto floats = call.payload[i].block->floats().subspan(call.payload[i].begin);
        std::copy_n(floats.begin(), elements, payload->floats().begin() + i * elements);
      }
      installs += is_install ? 1 : 0;
      const auto reply = is_install
                             ? to.OnInstall(now, std::get<v1::InstallHeader>(call.header), payload)
                             : to.OnAppend(now, std::get<v1::AppendHeader>(call.header), payload);
      hosts[from]->OnReplicaDone(now, call.id, reply.status(),
                                 reply.ok() ? *reply : v1::ReplicaReply());
    }
  }

  void Lose() {
    for (const auto& [from, call] : std::exchange(calls, {})) {
      hosts[from]->OnReplicaDone(now, call.id, absl::UnavailableError("lost"), {});
    }
  }

  void Push(size_t host, uint64_t call, uint64_t term, uint64_t clock) {
    v1::PushHeader header;
    *header.mutable_key() = KeyOf("job-1", 0, term);
    header.mutable_key()->set_segment(segment);
    *header.mutable_worker() = WorkerOf("w1");
    header.set_clock(clock);
    header.set_dtype(v1::FLOAT32);
    header.add_pieces()->set_weight(1);
    auto gradients = std::make_shared<Block>(hosts[host]->Elements(header.key()).value());
    std::fill(gradients->floats().begin(), gradients->floats().end(),
              1.0f / static_cast<float>(clock + 1));
    hosts[host]->OnPush(now, call, header, std::move(gradients), false);
  }

  // Of partition 0.
  v1::PartitionReport Report(size_t host) const { return hosts[host]->Report(now)[0]; }

  absl::Time now = absl::UnixEpoch();
  bool is_backup_in_sync = true;
  v1::CheckpointOrder order;
  v1::RestoreOrigin origin;
  uint32_t segment = 0;
  // By checkpoint and partition.
  std::map<std::pair<uint64_t, uint32_t>, PartitionImage> stored;
  std::vector<std::pair<size_t, ReplicaCall>> calls;
  std::vector<std::pair<size_t, CheckpointWork>> works;
  int installs = 0;
  std::map<uint64_t, absl::Status> answers;
  std::vector<std::unique_ptr<PartitionHost>> hosts;
};

TEST_CASE("two servers keep a partition together, and the backup takes over") {
  Pair pair;
  pair.Direct(0, 1);
  pair.Deliver();
  pair.Push(0, 1, 1, 0);
  CHECK(pair.answers.count(1) == 0);
  pair.Deliver();
  REQUIRE(pair.answers.count(1) == 1);
  CHECK(pair.answers[1].ok());
  CHECK(pair.Report(1).is_backup());
  CHECK(pair.Report(1).last_index() == 1);
  pair.Push(1, 2, 1, 1);
  CHECK(absl::IsFailedPrecondition(pair.answers[2]));
  CHECK(pair.hosts[0]->NextTick() <= pair.now + absl::Milliseconds(100));

  pair.Direct(1, 2);
  pair.now += absl::Seconds(1);
  for (const auto& host : pair.hosts) host->OnTick(pair.now);
  pair.Deliver();
  pair.Push(1, 3, 2, 1);
  pair.Deliver();
  CHECK(pair.answers[3].ok());
  CHECK(pair.Report(1).version() == 2);
  CHECK(pair.Report(0).is_backup());
}

TEST_CASE("a backup that begins empty is sent a whole partition, and goes on from there") {
  Pair pair;
  pair.is_backup_in_sync = false;
  pair.Direct(0, 1);
  pair.Lose();
  // Nobody waits for a copy that is not in sync.
  for (uint64_t clock = 0; clock < 4; ++clock) pair.Push(0, clock + 1, 1, clock);
  CHECK(pair.answers[4].ok());
  pair.now += absl::Seconds(1);
  pair.hosts[0]->OnTick(pair.now);
  pair.Deliver();

  // Two partitions; version 4 has four arrays, version 0 three: there is none before it.
  CHECK(pair.installs == 4 + 3);
  CHECK(pair.Report(1).version() == 4);
  REQUIRE(pair.Report(0).backups_size() == 1);
  CHECK(pair.Report(0).backups(0).state() == v1::BackupReport::CAUGHT_UP);
  CHECK(pair.Report(0).backups(0).last_index() == 4);

  pair.is_backup_in_sync = true;
  pair.Direct(0, 2);
  pair.Push(0, 5, 2, 4);
  pair.Deliver();
  CHECK(pair.answers[5].ok());
  pair.now += absl::Milliseconds(200);
  pair.hosts[0]->OnTick(pair.now);  // A heartbeat says that it is committed.
  pair.Deliver();
  CHECK(pair.Report(1).version() == 5);
  const BlockRef floats = pair.hosts[0]->Parameters("job-1", 0);
  const BlockRef copied = pair.hosts[1]->Parameters("job-1", 0);
  REQUIRE(copied != nullptr);
  CHECK(floats->floats() == copied->floats());
}

TEST_CASE("calls for copies that are not here are refused") {
  Pair pair;
  pair.Direct(0, 1);
  v1::AppendHeader header;
  header.mutable_key()->set_job("job-1");
  header.mutable_key()->set_replica(7);
  header.mutable_key()->set_term(1);
  CHECK(absl::IsFailedPrecondition(pair.hosts[1]->OnAppend(pair.now, header, nullptr).status()));
  CHECK(absl::IsFailedPrecondition(pair.hosts[1]->ReplicaElements(header.key()).status()));
  header.mutable_key()->set_job("job-2");
  CHECK(absl::IsFailedPrecondition(pair.hosts[1]->OnAppend(pair.now, header, nullptr).status()));
  pair.hosts[0]->OnReplicaDone(pair.now, 999, absl::OkStatus(), {});
}

TEST_CASE("a checkpoint holds what is committed only") {
  Pair pair;
  pair.Direct(0, 1);
  pair.Deliver();
  pair.Push(0, 1, 1, 0);
  pair.order.set_id(5);
  pair.Direct(0, 1);
  // Partition 1 has no entries; partition 0's is not at the backup yet.
  REQUIRE(pair.works.size() == 1);
  CHECK(pair.works[0].second.partition == 1);
  pair.Push(0, 2, 1, 1);
  pair.Deliver();
  REQUIRE(pair.works.size() == 2);
  CHECK(pair.works[1].first == 0);
  CHECK(pair.works[1].second.partition == 0);
  CHECK(pair.works[1].second.image.version == 1);
  CHECK(pair.Report(0).version() == 2);
}

TEST_CASE("a backup that becomes primary does the order anew, and its predecessor no more") {
  Pair pair;
  pair.Direct(0, 1);
  pair.Deliver();
  pair.Push(0, 1, 1, 0);
  pair.Deliver();
  pair.order.set_id(5);
  pair.Push(0, 2, 1, 1);
  pair.Direct(0, 1);
  REQUIRE(pair.works.size() == 1);  // Partition 1's.
  pair.works.clear();

  pair.Direct(1, 2);
  pair.now += absl::Seconds(1);
  for (const auto& host : pair.hosts) host->OnTick(pair.now);
  pair.Deliver();

  REQUIRE(pair.works.size() == 2);
  v1::CheckpointReport written;
  written.set_id(5);
  written.set_part("abc");
  for (const auto& [host, work] : pair.works) {
    CHECK(host == 1);
    for (const auto& each : pair.hosts) {
      each->OnCheckpointDone(pair.now, work.job, work.partition, written);
    }
  }
  CHECK(pair.Report(1).checkpoint().part() == "abc");
  CHECK_FALSE(pair.Report(0).has_checkpoint());
  CHECK(pair.hosts[1]->TakeNews());

  pair.order.Clear();
  pair.Direct(1, 2);
  CHECK_FALSE(pair.Report(1).has_checkpoint());
}

TEST_CASE("copies that begin from one checkpoint go on together, and know what had counted") {
  for (const bool goes_on : {true, false}) {
    Pair pair;
    pair.Direct(0, 1);
    pair.Deliver();
    pair.order.set_id(5);
    for (uint64_t clock = 0; clock < 3; ++clock) pair.Push(0, clock + 1, 1, clock);
    pair.Deliver();
    pair.Direct(0, 1);
    REQUIRE(pair.works.size() == 2);
    for (const auto& [host, work] : pair.works) pair.stored[{5, work.partition}] = work.image;
    pair.Push(0, 4, 1, 3);  // What comes after is lost.
    pair.Lose();

    // The job goes back to it, under new ids; or it is another job that begins there.
    pair.order.Clear();
    pair.origin.set_id(5);
    pair.origin.set_job(goes_on ? "job-1" : "job-0");
    pair.segment = 1;
    pair.Direct(0, 2);
    pair.Deliver();
    pair.Push(0, 5, 2, goes_on ? 2 : 0);
    pair.Push(0, 6, 2, goes_on ? 3 : 1);
    pair.Deliver();
    CHECK(pair.answers[5].ok());
    CHECK(pair.answers[6].ok());
    // Version 3, and what had not counted.
    CHECK(pair.Report(0).version() == (goes_on ? 4 : 5));
    CHECK(pair.Report(0).pushes_duplicate() == (goes_on ? 1 : 0));
    CHECK(pair.Report(1).last_index() == pair.Report(0).last_index());
    CHECK(pair.installs == 0);

    pair.Direct(1, 3);
    pair.now += absl::Seconds(1);
    for (const auto& host : pair.hosts) host->OnTick(pair.now);
    pair.Deliver();
    CHECK(pair.Report(1).version() == (goes_on ? 4 : 5));
    CHECK_FALSE(pair.Report(1).is_backup());
  }
}

}  // namespace
}  // namespace paceline
