// A coordinator on a memory store with a clock that the test turns, and the requests that
// workers, servers and people would send it.
#ifndef PACELINE_SERVER_COORDINATOR_TEST_CLUSTER_H_
#define PACELINE_SERVER_COORDINATOR_TEST_CLUSTER_H_

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "absl/time/time.h"
#include "server/coordinator/coordinator.h"
#include "server/store/memory.h"

namespace paceline {

class TestCluster {
 public:
  explicit TestCluster(CoordinatorOptions options = DefaultOptions());

  static CoordinatorOptions DefaultOptions();

  // A new coordinator on the same store.
  void Restart();

  void Advance(absl::Duration duration);  // Ticks on the way.
  // The same, and one worker is heard all the time.
  void AdvanceHearing(const std::string& worker, absl::Duration duration);

  // The reply to `call`, or null while it waits. The pointer stays good.
  const Reply* Find(uint64_t call);

  // The message of a reply that is there and OK.
  template <typename Message>
  const Message& Get(uint64_t call) {
    const Reply* reply = Require(call);
    return std::get<Message>(reply->message);
  }
  absl::Status StatusOf(uint64_t call);

  // Registration; remembers the incarnation. A server syncs at once with the one it got.
  uint64_t RegisterWorker(const std::string& id, uint32_t slots = 1, const std::string& join = "");
  uint64_t RegisterServer(const std::string& id, const std::string& zone = "");

  // Syncs of the registered incarnation with the newest version it was answered with.
  v1::WorkerSyncRequest WorkerRequest(const std::string& id) const;
  v1::ServerSyncRequest ServerRequest(const std::string& id) const;
  uint64_t Sync(const v1::WorkerSyncRequest& request);
  uint64_t Sync(const v1::ServerSyncRequest& request);
  uint64_t SyncWorker(const std::string& id) { return Sync(WorkerRequest(id)); }
  uint64_t SyncServer(const std::string& id) { return Sync(ServerRequest(id)); }
  void SyncAll();

  // Reports that `id` read 80 samples of 4 features (or `samples`) and computes by `kernels`.
  uint64_t ReportFacts(const std::string& id, const std::string& job, uint64_t samples = 80,
                       const std::string& kernels = "cpu openblas-Haswell");
  uint64_t ReportError(const std::string& id, const std::string& job, const std::string& error);
  uint64_t ReportClock(const std::string& id, const std::string& job, uint64_t clock);
  uint64_t ReportEvaluation(const std::string& id, const std::string& job, uint32_t epoch,
                            bool is_final);

  // Reports all partitions that `id` holds of `job` at `version` with `applied_below`.
  uint64_t ReportPartitions(const std::string& id, const std::string& job, uint64_t version,
                            uint64_t applied_below);

  // The primary of a partition, wherever it is, reports for itself: `version`, an entry for each,
  // and (unless `backup` is 0) that this copy is in `state` at `last_index`.
  uint64_t ReportPrimary(const std::string& job, uint32_t partition, uint64_t version,
                         uint64_t backup = 0,
                         v1::BackupReport::State state = v1::BackupReport::CAUGHT_UP,
                         uint64_t last_index = 0);
  // What the copy of a partition on `server` says of a checkpoint, at `version`.
  uint64_t ReportCheckpoint(const std::string& server, const std::string& job, uint32_t partition,
                            uint64_t version, const v1::CheckpointReport& checkpoint);

  // That checkpoint `id` cannot be written or read.
  static v1::CheckpointReport CheckpointError(uint64_t id, const std::string& error);
  // What is known of the job's newest checkpoint.
  v1::CheckpointStatus NewestCheckpoint(const std::string& job);

  // Partition 0, the only one, is written at `version`, and then the manifest.
  void WriteCheckpoint(const std::string& job, uint64_t id, uint64_t version);

  // The backup on `server` reports that its log goes up to `last_index`.
  uint64_t ReportBackup(const std::string& server, const std::string& job, uint32_t partition,
                        uint64_t last_index);

  // All partitions' copies that are not in sync catch up, and new primaries that others wait for
  // report, until nothing changes.
  void CatchUp(const std::string& job);

  uint64_t Submit(const v1::JobSpec& spec, const std::string& submission_id,
                  const v1::StartingPoint* start = nullptr);
  std::string MustSubmit(const v1::JobSpec& spec);  // The job's name.
  uint64_t Lease(const std::string& worker, const std::string& job, uint32_t want,
                 uint32_t segment = 0);
  uint64_t Cancel(const std::string& job, const std::string& reason);
  uint64_t SetConsistency(const std::string& job, const v1::ConsistencySpec& consistency);
  uint64_t Drain(const std::string& server, bool cancel = false);
  v1::RebalanceReply Rebalance(bool dry_run);
  uint64_t Scale(const v1::ScaleJobRequest& request);
  uint64_t TakeCheckpoint(const std::string& job, const std::string& path = "");
  v1::JobStatus Describe(const std::string& job);
  v1::FleetStatus DescribeFleet();
  uint64_t ListEvents(const std::string& job, uint64_t after, uint32_t wait_ms);
  bool HasEvent(const std::string& kind, const std::string& words = "");

  // The newest directive of `job` that the worker was answered with; null: none.
  const v1::JobDirective* DirectiveOf(const std::string& worker, const std::string& job) const;
  const v1::JobDirective* ServerDirectiveOf(const std::string& server,
                                            const std::string& job) const;

  // 80 samples in shards of 10, rounds of 4, pushes of 2; two epochs unless changed: 4 rounds.
  static v1::JobSpec Spec(uint32_t workers = 1);
  static v1::JobSpec BareSpec();

  // Submits `spec`, registers server s1 and workers w1..wn, who report facts: a job that runs.
  std::string Running(const v1::JobSpec& spec, int workers);

  // The same on servers s1..sn, with `replicas` copies.
  std::string Replicated(uint32_t replicas, int servers, v1::JobSpec spec = Spec());

  // 50 epochs of it: 100 rounds, 200 runs. A checkpoint each 10 s.
  static v1::JobSpec CheckpointedSpec();
  // The same in ssp(1).
  static v1::JobSpec Ssp(v1::JobSpec spec);

  // A bare job of so many partitions of 2^20 elements.
  static v1::JobSpec WideSpec(uint64_t partitions);

  // "s1", "s2*": where the copies of a partition are; * the primary, ~ not in sync, - leaving.
  std::string CopiesOf(const std::string& job, uint32_t partition);

  // Takes back the waiting sync of a server, as the transport does when its process dies.
  void Break(const std::string& server);

  Coordinator& coordinator() { return *coordinator_; }
  MemoryStore& store() { return store_; }
  absl::Time now() const { return now_; }
  uint64_t IncarnationOf(const std::string& id) const { return incarnations_.at(id); }

 private:
  // Adds a report of the copy on `server` to a request of that server, as what it is now.
  static v1::PartitionReport* AddReport(const v1::PartitionPlacement& place,
                                        const std::string& server, const std::string& job,
                                        v1::ServerSyncRequest* request);
  const Reply* Require(uint64_t call);
  void Collect();

  CoordinatorOptions options_;
  MemoryStore store_;
  absl::Time now_ = absl::FromUnixSeconds(1000000);
  std::unique_ptr<Coordinator> coordinator_;
  uint64_t calls_ = 0;
  uint64_t submissions_ = 0;
  std::map<uint64_t, Reply> replies_;
  std::map<uint64_t, std::string> caller_;
  std::map<std::string, uint64_t> incarnations_;
  std::map<std::string, v1::WorkerSyncReply> worker_directives_;
  std::map<std::string, v1::ServerSyncReply> server_directives_;
};

}  // namespace paceline

#endif  // PACELINE_SERVER_COORDINATOR_TEST_CLUSTER_H_
