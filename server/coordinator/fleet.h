// The coordinator's inside: durable records, soft state, and the calls that wait.
//
// Each request changes soft state or commits an Edit, marks what that touches, and ends in Settle,
// which carries jobs on until nothing is marked and answers whom it concerns.
//
// Threads  One object, one thread.
#ifndef PACELINE_SERVER_COORDINATOR_FLEET_H_
#define PACELINE_SERVER_COORDINATOR_FLEET_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "server/coordinator/checkpoints.h"
#include "server/coordinator/coordinator.h"
#include "server/coordinator/data_shards.h"
#include "server/coordinator/events.h"
#include "server/coordinator/leases.h"
#include "server/coordinator/parked.h"
#include "server/coordinator/progress.h"
#include "server/coordinator/records.h"
#include "server/coordinator/replicas.h"
#include "server/coordinator/reservation.h"
#include "server/coordinator/round_grants.h"
#include "server/coordinator/straggler.h"

namespace paceline {

class Coordinator::Fleet {
 public:
  Fleet(CoordinatorOptions options, Records records, absl::Time now);

  // As Coordinator's methods of the same names.
  void OnWorkerSync(absl::Time now, uint64_t call, const v1::WorkerSyncRequest& request);
  void OnServerSync(absl::Time now, uint64_t call, const v1::ServerSyncRequest& request);
  void OnLeaseRuns(absl::Time now, uint64_t call, const v1::LeaseRequest& request);
  void OnSubmitJob(absl::Time now, uint64_t call, const v1::SubmitJobRequest& request);
  void OnDescribeJob(absl::Time now, uint64_t call, const v1::DescribeJobRequest& request);
  void OnListJobs(absl::Time now, uint64_t call);
  void OnCancelJob(absl::Time now, uint64_t call, const v1::CancelJobRequest& request);
  void OnSetConsistency(absl::Time now, uint64_t call, const v1::SetConsistencyRequest& request);
  void OnListEvents(absl::Time now, uint64_t call, const v1::ListEventsRequest& request);
  void OnDescribeFleet(absl::Time now, uint64_t call);
  void OnDrainServer(absl::Time now, uint64_t call, const v1::DrainServerRequest& request);
  void OnRebalance(absl::Time now, uint64_t call, const v1::RebalanceRequest& request);
  void OnScaleJob(absl::Time now, uint64_t call, const v1::ScaleJobRequest& request);
  void OnTakeCheckpoint(absl::Time now, uint64_t call, const v1::TakeCheckpointRequest& request);
  void OnCancel(uint64_t call);
  void OnTick(absl::Time now);
  absl::Time NextTick() const;
  std::vector<Reply> TakeReplies() { return std::exchange(replies_, {}); }

 private:
  // A live worker or library client, beside its WorkerRecord.
  struct Worker {
    absl::Time last_sync;
    bool heard = false;  // Since this coordinator started.
    uint64_t version = 0;
    std::set<uint64_t> jobs;  // Assigned.
    bool evaluations_not_kept = false;  // Those of its newest sync.
    std::optional<uint64_t> parked;     // That sync, if it waits.
  };

  struct Server {
    absl::Time last_sync;
    bool heard = false;      // Since this coordinator started.
    bool suspected = false;  // Its waiting sync was cancelled, and no other has come.
    bool is_sound() const { return heard && !suspected; }
    uint64_t version = 0;
    uint64_t known = 0;  // The newest directive version that it says it has.
    std::optional<uint64_t> parked;
  };

  // A worker that a job has been given to. It is on the roster once it is ready.
  struct Assigned {
    uint64_t incarnation = 0;
    bool ready = false;  // Its facts are the job's.
    bool heard = false;  // Since this coordinator started.
    v1::WorkerJobReport report;
  };

  struct Refusal {
    uint64_t incarnation = 0;
    std::string why;
  };

  // A partition whose primary has changed and has not come further since.
  struct Failover {
    absl::Time when;
    uint64_t version = 0;  // When it changed.
  };

  // A copy that could not begin from its checkpoint.
  struct Unreadable {
    std::string server;
    std::string why;
  };

  // A copy that is sent what it lacks: when it last came nearer.
  struct Nearing {
    absl::Time since;
    uint64_t last_index = 0;
  };

  // Changes of copies, each with its partition.
  using PartitionChanges = std::vector<std::pair<uint32_t, CopyChange>>;

  // Soft state of a job that has not ended.
  struct Job {
    uint64_t number = 0;
    std::string name;
    bool is_bare = false;
    std::map<std::string, Assigned> assigned;  // By worker id.
    StragglerWatch pace;                       // Of those.
    std::map<std::string, Refusal> refused;    // By worker id.
    uint64_t lost = 0;                         // Workers that went without naming an error.
    std::optional<v1::DatasetFacts> facts;     // While waiting: those of the first ready worker.
    absl::Time start_by = absl::InfiniteFuture();  // Starts then with the servers there are.
    std::vector<uint64_t> elements;                // Of each partition, once placed.
    std::map<uint32_t, CopyWords> words;           // By partition: what its copies report.
    std::set<uint32_t> told;         // Partitions whose primary has said something of its backups.
    bool check_copies = true;        // Servers or wishes have changed.
    std::map<uint32_t, std::map<uint64_t, Nearing>> nearing;  // By partition and copy.
    std::set<std::pair<uint32_t, uint64_t>> stuck;  // Those that have not come nearer for long.
    std::map<uint32_t, Failover> failovers;        // By partition.
    std::unique_ptr<Progress> progress;            // Once placed.
    std::optional<DataShards> shards;              // ssp and async, with data.
    std::optional<RoundGrants> grants;             // sync, quorum.
    Reservation reservation;                       // Of the segment's rounds or runs.
    std::map<std::string, uint64_t> lease_calls;  // Parked LeaseRuns by worker.
    std::string evaluator;
    std::optional<CheckpointRun> order;  // While a checkpoint is written.
    uint64_t order_mark = 0;             // Servers that know newer directives have heard of it.
    bool is_committing = false;          // The manifest is ordered.
    std::map<std::pair<uint32_t, uint64_t>, Unreadable> unreadable;  // By partition and copy.
    uint64_t bytes_pushed = 0;  // Of workers that have gone.
    uint64_t bytes_pulled = 0;
  };

  struct Gone {
    v1::WorkerStatus status;
    std::string how;  // "expired", "left", "replaced".
    absl::Time when;
    std::set<uint64_t> jobs;
  };

  // fleet.cc: answers, marks, and the loop that carries everything on.
  template <typename Message>
  void Answer(uint64_t call, Message message) {
    replies_.push_back({call, absl::OkStatus(), std::move(message)});
  }
  void Refuse(uint64_t call, absl::Status status);
  void Begin(absl::Time now);
  // A worker or server syncs: whoever was cut off itself is not any more.
  void Hear();
  // Everyone has one full lease.
  void RenewAll();
  void Settle();
  absl::Status Commit(Edit* edit);
  void NoteStore(const absl::Status& status);
  void CarryOn();
  void EndRetry();
  void EndSync(std::optional<uint64_t>* parked, const absl::Status& status);
  void Emit(absl::string_view job, EventKind kind, absl::string_view subject,
            absl::string_view message);
  void Mark(uint64_t job) { marked_jobs_.insert(job); }
  void ChangeWorker(const std::string& id);
  void ChangeServer(const std::string& id);
  void ChangeWorkers(const Job& job);
  void ChangeHolders(const state::JobRecord& record);
  void ChangeAll(const Job& job);
  void AnswerChanged();
  void AnswerDue();
  void AnswerEvents();
  absl::Status ExpireLeases();
  // Whether all are silent at once, without any connection breaking: it is this coordinator that
  // is cut off.
  bool HearsNobody() const;
  absl::Status DropEnded();
  absl::Status DropEvaluations(uint64_t job);
  void Park(uint64_t call, ParkedCall parked);
  const state::JobRecord* FindRecord(const std::string& name) const;
  const state::JobRecord& RecordOf(const Job& job) const { return records_.jobs().at(job.number); }
  Job* FindJob(uint64_t number);

  // fleet_workers.cc
  absl::Status RegisterWorker(const v1::WorkerSyncRequest& request);
  absl::Status CheckJoin(const v1::WorkerSyncRequest& request) const;
  absl::Status TakeEvaluations(const v1::WorkerSyncRequest& request, Edit* edit);
  void TakeReports(const v1::WorkerSyncRequest& request);
  void DetachWorker(Edit* edit, const std::string& id, const std::string& how);
  absl::Status LeaveWorker(const std::string& id);
  void AssignTo(Job* job, const std::string& id);
  void Unassign(Job* job, const std::string& id);
  void Schedule();
  bool HasCandidate(const Job& job) const;
  bool IsRefused(const Job& job, const std::string& id) const;
  v1::WorkerSyncReply WorkerReply(const std::string& id, bool changed) const;
  static void FillDirective(const state::JobRecord& record, v1::JobDirective* directive);
  uint64_t IncarnationOf(const std::string& worker) const;

  // fleet_servers.cc
  absl::Status RegisterServer(const v1::ServerSyncRequest& request);
  absl::Status LeaveServer(const std::string& id);
  void TakePartitions(const v1::ServerSyncRequest& request);
  void TakePartition(const v1::ServerIdentity& server, const v1::PartitionReport& report, Job* job);
  void MeetNewPrimary(const v1::ServerIdentity& server, const v1::PartitionReport& report,
                      Job* job);
  v1::ServerSyncReply ServerReply(const std::string& id, bool changed) const;

  // fleet_replicas.cc: the copies of partitions.
  CopyServers ServersForCopies() const;
  // Whether it has the only copy in sync of some partition, not counting those on servers that have
  // been silent for a suspect lease, or whose connection broke.
  bool HoldsAlone(const std::string& server) const;
  void CheckCopies();  // Of all jobs, when next they are advanced.
  void TakeNearing(uint32_t partition, Job* job);
  absl::Status KeepCopies(Job* job);
  void DetachServers(Edit* edit, const std::map<std::string, std::string>& lost);
  void DetachCopies(Edit* edit, const std::map<std::string, std::string>& lost,
                    const state::JobRecord& record, const CopyServers& servers);
  void AfterCopies(uint64_t number, const std::set<std::string>& holders,
                   const PartitionChanges& changes);
  void LosePartitions(Job* job, Edit* edit, const std::string& why,
                      const std::vector<uint32_t>& lost);
  void EmitChanges(const state::JobRecord& record, const PartitionChanges& changes);
  uint64_t CopiesOn(const std::string& server) const;
  void TellDrained(const std::string& server);

  // fleet_admin.cc: what a person asks of servers and copies.
  std::vector<v1::ReplicaMove> PlanRebalance(std::vector<bool>* roles) const;
  absl::Status LetGo(Job* job);

  // fleet_jobs.cc: one job's way from WAITING to its end.
  absl::Status Advance(Job* job);
  absl::Status AdvanceWaiting(Job* job);
  absl::Status AdvanceRunning(Job* job);
  absl::Status ChangeRunning(Job* job);
  absl::Status AdvanceEvaluating(Job* job);
  absl::Status ChangeEvaluating(Job* job);
  void TakeFacts(Job* job, Edit* edit);
  void LeaveOut(Job* job, Edit* edit, const std::string& id, const std::string& why);
  void JoinReady(Job* job, Edit* edit);
  bool FailIfStuck(Job* job, Edit* edit);
  bool FactsFit(const Job& job, const v1::DatasetFacts& facts, std::string* why) const;
  void Start(Job* job, Edit* edit);
  void End(Job* job, Edit* edit, v1::JobState state, const std::string& reason,
           const std::string& weights_sha256 = "");
  void AfterEnd(uint64_t number, v1::JobState state, const std::string& reason);
  uint64_t NextStartClock(const Job& job) const;
  bool ServersSuffice(Job* job);

  // fleet_checkpoints.cc: orders to write one, and the way back to one.
  absl::Status CheckStartOf(const v1::JobSpec& spec, v1::StartingPoint* start) const;
  static void SetStart(const v1::StartingPoint& start, state::JobRecord* record);
  absl::Status GiveOrder(Job* job, const std::string& path);  // As asked for.
  absl::Status GiveOrder(Job* job, const std::string& path, Edit* edit);
  void BuildOrder(Job* job, uint64_t mark);
  bool OrderHeard(const Job& job) const;
  void FillOrder(const state::JobRecord& record, const std::string& server,
                 v1::JobDirective* directive) const;
  absl::Status KeepCheckpoint(Job* job);
  absl::Status FinishOrder(Job* job, const v1::CheckpointStatus& outcome);
  absl::Status MoveOrder(Job* job, const std::string& why);
  void DropOrder(Job* job, const std::string& why, Edit* edit);
  void TellOutcome(const std::string& job, const v1::CheckpointStatus& outcome);
  void Restore(Job* job, Edit* edit, const std::string& why);
  absl::Status PlaceAnew(Job* job);
  void PlaceCopies(const std::vector<uint64_t>& elements, state::JobRecord* record) const;
  bool TakeCheckpointReport(const v1::PartitionReport& report, const v1::PartitionReplica& copy,
                            Job* job);
  absl::Status TakeUnreadable(Job* job);
  void FollowSpec(Job* job, Edit* edit);

  // fleet_work.cc: rounds and runs.
  void BuildWork(Job* job);
  absl::Status GrantRounds(Job* job);
  absl::Status Reserve(Job* job, uint64_t granted, uint64_t size);
  void UpdateIdle(Job* job, Edit* edit);
  void StartSegment(Job* job, Edit* edit);
  bool CutReached(const Job& job) const;
  bool AllApplied(const Job& job) const;
  void TryLease(uint64_t call, const ParkedCall& parked, bool is_last);
  void WakeLeases(Job* job);
  uint32_t RunsPerClockOf(const Job& job, const std::string& worker) const;
  std::vector<uint64_t> GrantRuns(Job* job, const std::string& worker, std::vector<uint64_t> runs);

  // fleet_status.cc: what people see.
  v1::JobStatus Describe(const state::JobRecord& record) const;
  void DescribeLive(const Job& job, v1::JobStatus* status) const;
  void DescribeWorkers(const Job& job, v1::JobStatus* status) const;
  v1::WorkerStatus DescribeWorker(const std::string& id) const;
  std::string ReasonOf(const Job& job) const;
  std::string WaitingReason(const Job& job) const;
  std::string ServersReason(const Job& job) const;
  std::string RestoringReason(const Job& job) const;
  std::string RunningReason(const Job& job) const;
  std::string FailoverReason(const Job& job) const;
  std::string CopyingReason(const Job& job, bool blocks) const;
  std::string Silence(const Job& job) const;
  std::string MissingWork(const Job& job, const std::string& worker) const;

  const CoordinatorOptions options_;
  Records records_;
  EventLog events_;
  absl::Time now_;
  uint64_t version_;  // The newest directive version given to anyone.
  uint64_t ended_ = 0;  // Jobs that ever ended on this store.

  std::map<std::string, Worker> workers_;
  std::map<std::string, Server> servers_;
  std::map<uint64_t, Job> jobs_;  // Those that have not ended.
  std::map<std::string, uint64_t> number_of_;   // All jobs by name.
  std::map<std::string, uint64_t> submission_;  // All jobs by submission id.
  std::map<uint64_t, std::set<std::string>> clients_;  // Library clients by the job they joined.
  std::deque<Gone> gone_;
  Leases worker_leases_;
  Leases server_leases_;
  ParkedCalls parked_;
  std::vector<Reply> replies_;

  std::set<uint64_t> marked_jobs_;
  bool schedule_ = true;
  bool drop_ = true;
  bool has_events_ = false;
  std::set<std::string> changed_workers_;
  std::set<std::string> changed_servers_;
  // Why the newest write failed, or what the store said of itself; OK again when all that waited for
  // it has been written.
  absl::Status store_status_;
  absl::Time store_lost_;      // Since when it is not OK.
  absl::Time retry_at_ = absl::InfiniteFuture();  // Until then no write is tried; while OK: never.
  bool has_written_ = false;  // Since then.
  // It said of itself that it does not answer; where it tells who coordinates, it did not tell.
  bool was_store_silent_ = false;
  std::set<uint64_t> retry_jobs_;
  // The latest sync of anybody, whatever became of it; before the first, the begin of this life.
  absl::Time heard_at_;
  // Nobody is heard, so nobody is given up for being silent.
  bool is_cut_off_ = false;
};

}  // namespace paceline

#endif  // PACELINE_SERVER_COORDINATOR_FLEET_H_
