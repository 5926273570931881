#include "server/checkpoint_files.h"

#include <catch2/catch.hpp>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "common/tensor/block.h"
#include "proto/checkpoint.pb.h"
#include "server/checkpoint/memory_file_system.h"
#include "server/checkpoint_job.h"

namespace paceline {
namespace {

using Fault = MemoryFileSystem::Fault;

constexpr char kPath[] = "disk/checkpoints";

v1::CheckpointOrder OrderOf(uint64_t id, uint64_t exact_version) {
  v1::CheckpointOrder order;
  order.set_id(id);
  order.set_path(kPath);
  order.set_exact_version(exact_version);
  order.set_keep(2);
  return order;
}

// The same directive, made a restored job's: it goes on from a checkpoint under term 2.
v1::JobDirective Restored(v1::JobDirective directive, uint64_t id) {
  v1::RestoreOrigin* const origin = directive.mutable_restore();
  origin->set_path(kPath);
  origin->set_job("job-1");
  origin->set_id(id);
  directive.mutable_segment()->set_index(1);
  for (v1::PartitionPlacement& placement : *directive.mutable_placement()) {
    placement.set_term(2);
    placement.set_config(2);
  }
  return directive;
}

// The servers of a job, and what they do one after the other.
struct Fleet {
  Fleet(MemoryFileSystem* files, const std::vector<std::string>& names) : files(files) {
    CHECK(files->MakeFolder("disk").ok());
    for (const std::string& name : names) {
      servers.push_back(std::make_unique<CheckpointServer>(name, files));
    }
    directive = CheckpointJob({names.front(), names.back()});
  }

  CheckpointServer& Of(uint32_t partition) {
    return partition == 0 ? *servers.front() : *servers.back();
  }
  void Direct() {
    for (const auto& server : servers) server->Direct(directive);
  }
  void Train(uint64_t from, uint64_t to) {
    for (uint64_t version = from; version < to; ++version) {
      for (const uint32_t partition : {0u, 1u}) {
        INFO(version);
        CHECK(Of(partition).PushRound(partition, version, directive.placement(0).term()).ok());
      }
    }
  }
  // Gives the order and takes it back, as the coordinator does; the error, if there is one.
  std::string Take(uint64_t id, uint64_t version) {
    *directive.mutable_checkpoint() = OrderOf(id, version);
    directive.mutable_checkpoint()->set_first(first);
    if (pinned > 0) directive.mutable_checkpoint()->add_pinned(pinned);
    was_taken = false;
    Direct();
    Train(Of(0).Report(0).version(), version);
    std::string error;
    for (const uint32_t partition : {0u, 1u}) {
      const v1::CheckpointReport report = Of(partition).Report(partition).checkpoint();
      CHECK(report.id() == id);
      if (error.empty()) error = report.error();
      was_taken |= report.taken();
      directive.mutable_checkpoint()->add_parts(report.part());
    }
    if (error.empty()) {
      Direct();
      const v1::CheckpointReport report = Of(0).Report(0).checkpoint();
      CHECK(report.committed() == report.error().empty());
      error = report.error();
      was_taken |= report.taken();
    }
    directive.clear_checkpoint();
    Direct();
    return error;
  }
  std::vector<float> Parameters() {
    std::vector<float> all = Of(0).Parameters(0);
    const std::vector<float> rest = Of(1).Parameters(1);
    all.insert(all.end(), rest.begin(), rest.end());
    return all;
  }
  std::vector<uint64_t> Listed() {
    const auto store = CheckpointStore::Open(files, std::string(kPath) + "/job-1");
    if (!store.ok()) return {};
    const auto all = (*store)->List();
    return all.ok() ? *all : std::vector<uint64_t>();
  }

  MemoryFileSystem* files;
  std::vector<std::unique_ptr<CheckpointServer>> servers;
  v1::JobDirective directive;
  bool first = false;   // As in the orders that Take gives,
  uint64_t pinned = 0;  // as this, if it is not 0.
  bool was_taken = false;
};

bool SameFloats(const BlockRef& a, const BlockRef& b) {
  if (a == nullptr || b == nullptr) return a == b;
  return a->elements() == b->elements() &&
         std::memcmp(a->floats().data(), b->floats().data(), a->elements() * sizeof(float)) == 0;
}

// The same but for the workers: a job with data shards needs none to know what counts.
bool SameImage(PartitionImage a, const PartitionImage& b) {
  a.state.clear_workers();
  bool same = a.partition == b.partition && a.version == b.version && a.index == b.index &&
              a.state.SerializeAsString() == b.state.SerializeAsString() &&
              SameFloats(a.parameters, b.parameters) && SameFloats(a.previous, b.previous) &&
              a.slots.size() == b.slots.size();
  for (size_t i = 0; same && i < a.slots.size(); ++i) same = SameFloats(a.slots[i], b.slots[i]);
  return same;
}

std::vector<float> Undisturbed() {
  MemoryFileSystem files;
  Fleet fleet(&files, {"s1"});
  fleet.Direct();
  fleet.Train(0, kCheckpointJobRounds);
  return fleet.Parameters();
}

TEST_CASE("a job restored on fewer or more servers goes on to the bits of one undisturbed") {
  const std::vector<float> wanted = Undisturbed();
  using Names = std::vector<std::string>;
  for (const auto& [before, after] : {std::make_pair(Names{"s1", "s2"}, Names{"s1"}),
                                      std::make_pair(Names{"s1"}, Names{"s1", "s2"})}) {
    MemoryFileSystem files;
    Fleet first(&files, before);
    first.Direct();
    first.Train(0, 2);
    CHECK(first.Take(1, 5).empty());
    first.Train(5, 7);
    Fleet second(&files, after);
    second.directive = Restored(second.directive, 1);
    second.Direct();

    for (const uint32_t partition : {0u, 1u}) {
      CHECK(second.Of(partition).Report(partition).version() == 5);
      CHECK(second.Of(partition).Report(partition).samples() == 5 * 8);
      CHECK(second.Of(partition).Report(partition).applied_below() == 10);
      CHECK_FALSE(second.Of(partition).Report(partition).has_checkpoint());
      // It had counted when the checkpoint was taken.
      CHECK(absl::IsAlreadyExists(second.Of(partition).PushRound(partition, 4, 2)));
      CHECK(second.Of(partition).Report(partition).pushes_duplicate() == 1);
    }
    second.Train(5, kCheckpointJobRounds);
    CHECK(second.Parameters() == wanted);
    CHECK(first.Parameters() != wanted);
  }
}

TEST_CASE("a restored partition is what it was, bit for bit, and its log goes on in the new term") {
  MemoryFileSystem files;
  Fleet first(&files, {"s1", "s2"});
  first.Direct();
  CHECK(first.Take(1, 5).empty());
  Fleet second(&files, {"s3"});
  second.directive = Restored(second.directive, 1);
  second.Direct();
  CHECK(second.Take(2, 5).empty());

  for (const uint32_t partition : {0u, 1u}) {
    const CheckpointWork& was = first.Of(partition).works().front();
    const CheckpointWork& is = second.Of(partition).works()[partition];
    CHECK(SameImage(was.image, is.image));
    REQUIRE(was.image.slots.size() == 2);
    CHECK(was.image.term == 1);
    CHECK(is.image.term == 2);
    CHECK(second.Of(partition).Report(partition).last_index() == 5);
    CHECK(second.Of(partition).Report(partition).term() == 2);
  }
  CHECK(first.Of(0).works().front().image.state.workers_size() == 1);
}

TEST_CASE("a version that is gone is an error, and the next order is followed") {
  MemoryFileSystem files;
  Fleet fleet(&files, {"s1", "s2"});
  fleet.Direct();
  fleet.Train(0, 3);
  CHECK_THAT(fleet.Take(1, 2), Catch::Contains("is at version 3; checkpoint 1 wants version 2"));
  CHECK(fleet.Listed().empty());
  CHECK(fleet.Take(2, 4).empty());
  CHECK(fleet.Listed() == std::vector<uint64_t>{2});
}

TEST_CASE("of the checkpoints those that are to be kept are kept, once nobody writes any more") {
  MemoryFileSystem files;
  Fleet fleet(&files, {"s1", "s2"});
  fleet.Direct();
  for (uint64_t id = 1; id <= 3; ++id) CHECK(fleet.Take(id, id).empty());
  CHECK(fleet.Listed() == std::vector<uint64_t>{1, 2, 3});
  CHECK(fleet.Of(0).files().Tidy());
  CHECK(fleet.Listed() == std::vector<uint64_t>{2, 3});
  CHECK(fleet.Of(0).files().Tidy());

  // While somebody still holds what is there, nothing is removed.
  CHECK(fleet.Take(4, 4).empty());
  auto store = CheckpointStore::Open(&files, std::string(kPath) + "/job-1").value();
  auto hold = store->Hold().value();
  CHECK_FALSE(fleet.Of(0).files().Tidy());
  CHECK(fleet.Listed() == std::vector<uint64_t>{2, 3, 4});
  hold = nullptr;
  CHECK(fleet.Of(0).files().Tidy());
  CHECK(fleet.Listed() == std::vector<uint64_t>{3, 4});
}

TEST_CASE("between the first part and the manifest nobody can remove anything") {
  MemoryFileSystem files;
  Fleet fleet(&files, {"s1", "s2"});
  fleet.Direct();
  *fleet.directive.mutable_checkpoint() = OrderOf(1, 1);
  fleet.Direct();
  fleet.Train(0, 1);
  auto store = CheckpointStore::Open(&files, std::string(kPath) + "/job-1").value();
  CHECK(absl::IsUnavailable(store->Collect().status()));
  fleet.directive.clear_checkpoint();
  fleet.Direct();
  CHECK(store->Collect().ok());
}

TEST_CASE("a manifest that has been written is not written again by another server") {
  MemoryFileSystem files;
  Fleet fleet(&files, {"s1"});
  fleet.Direct();
  CHECK(fleet.Take(1, 1).empty());
  CheckpointWork again = fleet.Of(0).works().back();
  REQUIRE(again.order.parts_size() == 2);
  CheckpointFiles other({&files, [] { return absl::UnixEpoch(); }, nullptr, nullptr});
  CHECK(other.Do(again).committed());
  // Another checkpoint under that number is refused.
  CHECK(fleet.Take(2, 2).empty());
  CheckpointWork wrong = fleet.Of(0).works().back();
  wrong.order.set_id(1);
  CHECK_THAT(other.Do(wrong).error(), Catch::Contains("0000000001.json"));
}

TEST_CASE("parts of before the segment that has begun since are refused") {
  MemoryFileSystem files;
  Fleet fleet(&files, {"s1"});
  fleet.Direct();
  CHECK(fleet.Take(1, 1).empty());
  CheckpointWork late = fleet.Of(0).works().back();
  late.order.set_id(9);
  late.directive.mutable_segment()->set_index(1);
  late.directive.mutable_segment()->set_first_version(2);
  CheckpointFiles other({&files, [] { return absl::UnixEpoch(); }, nullptr, nullptr});
  CHECK_THAT(other.Do(late).error(),
             Catch::Contains("taken at version 1") &&
                 Catch::Contains("segment 1 has begun since, at version 2"));
  CHECK(fleet.Listed() == std::vector<uint64_t>{1});
}

TEST_CASE("an earlier fleet's checkpoints of the same name are not written among") {
  MemoryFileSystem files;
  Fleet first(&files, {"s1"});
  first.Direct();
  CHECK(first.Take(7, 1).empty());
  Fleet second(&files, {"s2"});
  second.Direct();
  CHECK_THAT(second.Take(1, 1), Catch::Contains("holds checkpoint 7; wanted none above 1"));
  CHECK(second.Take(8, 2).empty());
}

TEST_CASE("a job's first checkpoint wants a folder without any, and says when it is taken") {
  MemoryFileSystem files;
  Fleet first(&files, {"s1"});
  first.Direct();
  const uint64_t old = GENERATE(1, 7);
  CHECK(first.Take(old, 1).empty());
  Fleet second(&files, {"s2"});
  second.Direct();
  second.first = true;

  // An old one of the same number is found when the manifest is written.
  CHECK_THAT(second.Take(1, 2), Catch::Contains(old == 7 ? "holds checkpoint 7; wanted none but 1"
                                                         : "0000000001.json"));

  CHECK(second.was_taken);
  CHECK(second.Listed() == std::vector<uint64_t>{old});
}

TEST_CASE("a checkpoint that another job begins from is kept while the order says so") {
  MemoryFileSystem files;
  Fleet fleet(&files, {"s1"});
  fleet.Direct();
  fleet.pinned = 1;
  for (uint64_t id = 1; id <= 4; ++id) CHECK(fleet.Take(id, id).empty());
  CHECK(fleet.Of(0).files().Tidy());
  CHECK(fleet.Listed() == std::vector<uint64_t>{1, 3, 4});

  fleet.pinned = 0;
  CHECK(fleet.Take(5, 5).empty());
  CHECK(fleet.Of(0).files().Tidy());
  CHECK(fleet.Listed() == std::vector<uint64_t>{4, 5});
}

TEST_CASE(
    "a disk that is full, or a power cut, at any operation: an error, and nothing is listed") {
  for (const Fault fault :
       {Fault::kNoSpace, Fault::kFailedSync, Fault::kTornWrite, Fault::kCrash}) {
    uint64_t operations = 0;
    {
      MemoryFileSystem files;
      Fleet fleet(&files, {"s1", "s2"});
      fleet.Direct();
      CHECK(fleet.Take(1, 1).empty());
      operations = files.operations();
    }
    // Most operations make the 256 folders.
    for (uint64_t at = 1; at < operations; at += at < operations - 60 ? 41 : 1) {
      MemoryFileSystem files;
      Fleet fleet(&files, {"s1", "s2"});
      fleet.Direct();
      files.FailAt(at, fault, fault == Fault::kCrash ? 1 : 1000000);
      const std::string error = fleet.Take(1, 1);
      INFO(static_cast<int>(fault) << " at " << at << ": " << error);
      files.Restart(at);
      if (!error.empty()) {
        // A power cut after the manifest has its name may leave it there, whole.
        for (const uint64_t id : fleet.Listed()) {
          auto store = CheckpointStore::Open(&files, std::string(kPath) + "/job-1").value();
          CHECK(store->Verify(id).ok());
          CHECK(fault != Fault::kNoSpace);
        }
      }
      // Training goes on, and so do checkpoints.
      CHECK(fleet.Take(2, 2).empty());
      fleet.Train(2, 3);
    }
  }
}

TEST_CASE("power lost after a first checkpoint leaves it, and the folders above it") {
  MemoryFileSystem files;
  Fleet fleet(&files, {"s1"});
  CHECK(files.SyncFolder("").ok());  // The disk's own folder.
  fleet.Direct();
  CHECK(fleet.Take(1, 1).empty());

  files.Restart(0);

  CHECK(fleet.Listed() == std::vector<uint64_t>{1});
}

TEST_CASE("a full disk is named as that") {
  MemoryFileSystem files;
  Fleet fleet(&files, {"s1"});
  fleet.Direct();
  CHECK(fleet.Take(1, 1).empty());
  files.FailAt(8, Fault::kNoSpace, 1000);
  const std::string error = fleet.Take(2, 2);
  INFO(error);
  CHECK_THAT(error, Catch::Contains("space"));
  CHECK(fleet.Listed() == std::vector<uint64_t>{1});
}

TEST_CASE("a partition that cannot be restored says why, is not served, and is not read again") {
  MemoryFileSystem files;
  Fleet first(&files, {"s1"});
  first.Direct();
  CHECK(first.Take(1, 3).empty());
  const BlockRef whole = first.Of(1).works()[1].image.slots[0];
  for (const std::string& path : files.Files()) {
    // Partition 1's is the only chunk of that length twice over; any one of its arrays will do.
    const auto size = files.Size(path);
    if (size.ok() && *size == whole->elements() * sizeof(float)) {
      CHECK(files.Flip(path, 5, 1).ok());
    }
  }
  Fleet second(&files, {"s2"});
  second.directive = Restored(second.directive, 1);
  second.Direct();

  const v1::PartitionReport report = second.Of(1).Report(1);
  CHECK(report.version() == 0);
  CHECK(report.term() == 2);
  CHECK(report.config() == 2);
  CHECK(report.checkpoint().id() == 1);
  CHECK_THAT(report.checkpoint().error(),
             Catch::Contains("checkpoint 1 in disk/checkpoints/job-1") &&
                 Catch::Contains("is damaged: its SHA-256 is"));
  CHECK(second.Of(1).Parameters(1).empty());
  CHECK(second.Of(1).host().TakeNews());
  const size_t complaints = second.Of(1).complaints().size();
  second.directive.mutable_placement(1)->set_config(3);
  second.Direct();
  CHECK(second.Of(1).Report(1).config() == 3);
  CHECK(second.Of(1).complaints().size() == complaints);
  CHECK_FALSE(second.Of(1).host().TakeNews());
  // Another checkpoint is another chance.
  CHECK(first.Take(2, 4).empty());
  second.directive = Restored(second.directive, 2);
  for (v1::PartitionPlacement& placement : *second.directive.mutable_placement()) {
    placement.set_term(3);
    placement.set_config(4);
  }
  second.Direct();
  CHECK(second.Of(1).Report(1).version() == 4);
  CHECK_FALSE(second.Of(1).Report(1).has_checkpoint());
}

TEST_CASE("a checkpoint of another job's shape is refused, naming what was seen and wanted") {
  MemoryFileSystem files;
  Fleet first(&files, {"s1"});
  first.Direct();
  CHECK(first.Take(1, 3).empty());
  const auto error_of = [&](const v1::JobDirective& directive) {
    CheckpointServer server("s1", &files);
    server.Direct(directive);
    CHECK(server.Parameters(0).empty());
    return server.Report(0).checkpoint().error();
  };
  const v1::JobDirective right = Restored(CheckpointJob({"s1", "s1"}), 1);

  v1::JobDirective wrong = right;
  wrong.mutable_facts()->set_features(999);
  CHECK_THAT(error_of(wrong),
             Catch::Contains("of 40000 elements; wanted") && Catch::Contains("of 39960"));
  wrong = right;
  wrong.mutable_spec()->mutable_fleet()->set_servers(1);
  wrong.mutable_placement()->RemoveLast();
  CHECK_THAT(error_of(wrong), Catch::Contains("has 2 partitions; wanted 1"));
  // But it may run on any number of servers if it is cut as it was.
  wrong.mutable_spec()->mutable_fleet()->set_layout_servers(2);
  *wrong.mutable_placement() = right.placement();
  CHECK(Fleet(&files, {"s1"}).Of(0).Report(0).version() == 0);
  CheckpointServer server("s1", &files);
  server.Direct(wrong);
  CHECK(server.Report(0).version() == 3);

  wrong = right;
  wrong.mutable_spec()->mutable_optimizer()->mutable_sgd()->set_learning_rate(1);
  CHECK_THAT(error_of(wrong), Catch::Contains("an image of 2 optimizer slots; wanted 0"));
  wrong = right;
  wrong.mutable_restore()->set_id(2);
  CHECK_THAT(error_of(wrong), Catch::Contains("there is no checkpoint 2"));
  wrong = right;
  wrong.mutable_restore()->set_job("../job-1");
  CHECK_THAT(error_of(wrong), Catch::Contains("no job's name"));
}

}  // namespace
}  // namespace paceline
