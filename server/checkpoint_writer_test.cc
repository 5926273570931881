#include "server/checkpoint_writer.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/notification.h"
#include "common/tensor/block.h"
#include "server/checkpoint/checkpoint_store.h"
#include "server/checkpoint/memory_file_system.h"
#include "server/checkpoint_job.h"

namespace paceline {
namespace {

using Fault = MemoryFileSystem::Fault;

// A writer on a disk in memory, with the reports that it has given.
struct Desk {
  explicit Desk(std::function<void()> on_done = nullptr) : on_done(std::move(on_done)) {
    CheckpointWriter::Options options;
    options.files = &files;
    options.now = [] { return absl::UnixEpoch(); };
    options.done = [this](const std::string& job, uint32_t partition,
                          const v1::CheckpointReport& report) {
      if (this->on_done != nullptr) this->on_done();
      absl::MutexLock lock(&mutex);
      reports.push_back(report);
      if (job != "job-1" || partition != 0) reports.back().set_error("of somebody else");
    };
    writer = std::make_unique<CheckpointWriter>(std::move(options));
  }

  v1::CheckpointReport Wait(size_t count) {
    const auto have = [this, count]() { return reports.size() >= count; };
    absl::MutexLock lock(&mutex);
    mutex.Await(absl::Condition(&have));
    return reports[count - 1];
  }

  MemoryFileSystem files;
  const std::function<void()> on_done;
  absl::Mutex mutex;
  std::vector<v1::CheckpointReport> reports;
  std::unique_ptr<CheckpointWriter> writer;
};

// Partition 0 of a small job, without slots; it has but one.
CheckpointWork PartOf(uint64_t id) {
  CheckpointWork work;
  work.job = "job-1";
  work.order.set_id(id);
  work.order.set_path("disk");
  work.order.set_keep(1);
  work.directive = CheckpointJob({"s1", "s1"});
  work.directive.mutable_facts()->set_features(2);
  auto block = std::make_shared<Block>(2 * 40 + 40);
  block->floats()[7] = static_cast<float>(id);
  work.image.parameters = block;
  work.image.previous = block;
  work.image.version = id;
  work.image.state.set_version(id);
  return work;
}

CheckpointWork ManifestOf(uint64_t id, const std::string& part) {
  CheckpointWork work = PartOf(id);
  work.image = PartitionImage();
  work.order.add_parts(part);
  return work;
}

TEST_CASE("a part and then the manifest are written, and what is too old goes") {
  Desk desk;
  for (uint64_t id = 1; id <= 2; ++id) {
    desk.writer->Write(PartOf(id));
    const v1::CheckpointReport part = desk.Wait(2 * id - 1);
    CHECK(part.id() == id);
    CHECK(part.error().empty());
    CHECK(part.version() == id);
    CHECK(part.bytes() > 120 * 4);
    CHECK_FALSE(part.committed());
    desk.writer->Write(ManifestOf(id, part.part()));
    const v1::CheckpointReport manifest = desk.Wait(2 * id);
    CHECK(manifest.error().empty());
    CHECK(manifest.committed());
  }
  desk.writer->Write(PartOf(3));  // What was left to do has been done before it.
  desk.Wait(5);
  auto store = CheckpointStore::Open(&desk.files, "disk/job-1").value();
  CHECK(store->List().value() == std::vector<uint64_t>{2});
  CHECK(store->Verify(2).value().partitions(0).version() == 2);
}

TEST_CASE("no space, or a crash: an error, and nothing is listed") {
  for (const Fault fault : {Fault::kNoSpace, Fault::kCrash}) {
    for (const uint64_t at : {0, 100, 265, 270}) {
      Desk desk;
      desk.files.FailAt(at, fault, 1000000);
      desk.writer->Write(PartOf(1));
      const v1::CheckpointReport part = desk.Wait(1);
      CHECK(part.id() == 1);
      desk.writer->Write(ManifestOf(1, part.part()));
      const v1::CheckpointReport manifest = desk.Wait(2);
      CHECK_FALSE(manifest.error().empty());
      CHECK_FALSE(manifest.committed());
      CHECK((at == 270 || !part.error().empty()));
      if (fault == Fault::kNoSpace && at == 0) {
        CHECK_THAT(part.error(), Catch::Contains("no space left for \"disk\""));
      }
      desk.files.Restart(at);
      const auto store = CheckpointStore::Open(&desk.files, "disk/job-1");
      if (store.ok()) CHECK((*store)->List().value().empty());
      // The disk is back: so are checkpoints.
      desk.writer->Write(PartOf(2));
      desk.writer->Write(ManifestOf(2, desk.Wait(3).part()));
      CHECK(desk.Wait(4).committed());
    }
  }
}

TEST_CASE("an order that has gone is not written any more") {
  Desk desk;
  v1::ServerSyncReply reply;
  reply.set_changed(true);
  *reply.add_jobs() = PartOf(1).directive;
  desk.writer->Follow(reply);
  desk.writer->Write(PartOf(1));
  CHECK_THAT(desk.Wait(1).error(), Catch::Contains("is no longer wanted"));
  CHECK(desk.files.Files().empty());
}

TEST_CASE("work waits for its turn, up to a bound, and is dropped at the end") {
  absl::Notification began;
  absl::Notification go_on;
  std::atomic<int> done{0};
  Desk desk([&] {
    if (done++ > 0) return;
    began.Notify();
    go_on.WaitForNotification();
  });
  desk.writer->Write(PartOf(1));
  began.WaitForNotification();
  CheckpointWork small = PartOf(2);
  small.directive.Clear();
  for (size_t i = 0; i < CheckpointWriter::kQueueMax; ++i) desk.writer->Write(small);
  {
    absl::MutexLock lock(&desk.mutex);
    CHECK(desk.reports.empty());
  }
  desk.writer->Write(small);
  CHECK_THAT(desk.Wait(1).error(), Catch::Contains("parts wait to be written"));
  std::thread stop([&] { desk.writer->Stop(); });
  go_on.Notify();
  stop.join();
  CHECK(desk.reports.size() < CheckpointWriter::kQueueMax);
}

}  // namespace
}  // namespace paceline
