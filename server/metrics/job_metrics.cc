#include "server/metrics/job_metrics.h"

#include <algorithm>
#include <cstdint>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/job/job_state.h"

namespace paceline {
namespace {

constexpr absl::string_view kJob = "job_name";
constexpr absl::string_view kPartition = "job_name,partition";

constexpr MetricSpec kState = {"paceline_job_state", MetricType::kGauge, "job_name,state",
                               "1 for the job's present state: waiting, running, evaluating, "
                               "finished, failed or cancelled."};
constexpr MetricSpec kVersion = {"paceline_job_version", MetricType::kGauge, kJob,
                                 "Rounds (sync) or pushes applied in every partition."};
constexpr MetricSpec kVersionPlanned = {"paceline_job_version_planned", MetricType::kGauge, kJob,
                                        "What paceline_job_version is when the job is done."};
constexpr MetricSpec kEpoch = {"paceline_job_epoch", MetricType::kGauge, kJob, "Complete epochs."};
constexpr MetricSpec kSamples = {"paceline_job_samples_total", MetricType::kCounter, kJob,
                                 "Samples applied in every partition, each once."};
constexpr MetricSpec kSamplesPlanned = {"paceline_job_samples_planned", MetricType::kGauge, kJob,
                                        "What paceline_job_samples_total is when the job is done."};
constexpr MetricSpec kPushed = {"paceline_job_pushed_bytes_total", MetricType::kCounter, kJob,
                                "Bytes of gradients that its workers sent."};
constexpr MetricSpec kPulled = {"paceline_job_pulled_bytes_total", MetricType::kCounter, kJob,
                                "Bytes of parameters that its workers received."};
constexpr MetricSpec kWall = {"paceline_job_wall_seconds", MetricType::kGauge, kJob,
                              "Time since its first data shard was granted, until now or the end."};
constexpr MetricSpec kLoss = {"paceline_job_loss", MetricType::kGauge, kJob,
                              "Mean loss over the samples applied in about the last second."};
constexpr MetricSpec kEpochLoss = {"paceline_job_epoch_loss", MetricType::kGauge, kJob,
                                   "Mean loss over the running epoch."};
constexpr MetricSpec kEpochAccuracy = {
    "paceline_job_epoch_accuracy", MetricType::kGauge, kJob,
    "Share of the running epoch's samples classified correctly; of classifiers only."};
constexpr MetricSpec kEvaluationEpoch = {"paceline_job_evaluation_epoch", MetricType::kGauge, kJob,
                                         "Epochs before the newest evaluation."};
constexpr MetricSpec kEvaluationLoss = {"paceline_job_evaluation_loss", MetricType::kGauge, kJob,
                                        "Mean loss of the newest evaluation."};
constexpr MetricSpec kEvaluationAccuracy = {
    "paceline_job_evaluation_accuracy", MetricType::kGauge, kJob,
    "Share classified correctly in the newest evaluation; of classifiers only."};

constexpr MetricSpec kRate = {"paceline_job_samples_per_second", MetricType::kGauge, kJob,
                              "Samples applied per second, as `paceline status` shows it."};
constexpr MetricSpec kWorkers = {"paceline_job_workers", MetricType::kGauge, kJob,
                                 "Workers on the job's roster."};
constexpr MetricSpec kWorkersWanted = {"paceline_job_workers_wanted", MetricType::kGauge, kJob,
                                       "Workers that the job wants."};
constexpr MetricSpec kStraggler = {
    "paceline_job_straggler_times_median", MetricType::kGauge, "job_name,worker",
    "Compute and transfer time of the worker that the others wait for, times the median of the "
    "others; only while one stands out."};

constexpr MetricSpec kReplicasWanted = {"paceline_job_replicas_wanted", MetricType::kGauge, kJob,
                                        "Copies that each partition is to have."};
constexpr MetricSpec kMinInSync = {"paceline_job_min_in_sync", MetricType::kGauge, kJob,
                                   "Copies in sync below which pushes wait."};
constexpr MetricSpec kHasPrimary = {"paceline_partition_has_primary", MetricType::kGauge,
                                    kPartition,
                                    "0: no copy in sync is alive, so nobody serves it."};
constexpr MetricSpec kInSync = {"paceline_partition_in_sync_replicas", MetricType::kGauge,
                                kPartition, "Copies in sync, the primary's included."};
constexpr MetricSpec kLag = {
    "paceline_partition_replication_lag_entries", MetricType::kGauge, "job_name,partition,server",
    "Log entries that the backup on that server lacks, as the primary knows."};

constexpr MetricSpec kCheckpointUp = {
    "paceline_checkpoint_up", MetricType::kGauge, kJob,
    "1: the newest checkpoint that ended is whole; 0: it failed. Absent before the first."};
constexpr MetricSpec kCheckpointFailures = {"paceline_checkpoint_failures", MetricType::kGauge,
                                            kJob, "Failed ones among the newest 16 checkpoints."};
constexpr MetricSpec kCheckpointInterval = {
    "paceline_checkpoint_interval_seconds", MetricType::kGauge, kJob,
    "Time from one checkpoint to the next that the job asks for."};
constexpr MetricSpec kCheckpointId = {"paceline_checkpoint_last_id", MetricType::kGauge, kJob,
                                      "Number of the newest whole checkpoint."};
constexpr MetricSpec kCheckpointTime = {
    "paceline_checkpoint_last_time_seconds", MetricType::kGauge, kJob,
    "When the newest whole checkpoint was ordered, in seconds since 1970."};
constexpr MetricSpec kCheckpointBytes = {"paceline_checkpoint_last_bytes", MetricType::kGauge, kJob,
                                         "Bytes written anew for the newest whole checkpoint."};
constexpr MetricSpec kCheckpointSeconds = {
    "paceline_checkpoint_last_duration_seconds", MetricType::kGauge, kJob,
    "Time from its order until the newest whole checkpoint was whole."};

// Adds samples of one job.
class Adder {
 public:
  Adder(const v1::JobStatus& job, MetricSet* set) : job_(job), set_(set) {}

  void Progress() const;
  void Evaluations() const;
  void Workers() const;
  void Partitions() const;
  void Checkpoints() const;

 private:
  template <typename Value>
  void Add(const MetricSpec& spec, Value value) const {
    set_->Add(spec, static_cast<double>(value), {job_.job()});
  }

  void Copies(const v1::PartitionPlacement& place) const;

  const v1::JobStatus& job_;
  MetricSet* const set_;
};

void Adder::Progress() const {
  set_->Add(kState, 1, {job_.job(), absl::AsciiStrToLower(v1::JobState_Name(job_.state()))});
  Add(kVersion, job_.version());
  Add(kVersionPlanned, job_.version_total());
  Add(kEpoch, job_.epoch());
  Add(kSamples, job_.samples());
  Add(kSamplesPlanned, job_.samples_total());
  Add(kPushed, job_.bytes_pushed());
  Add(kPulled, job_.bytes_pulled());
  Add(kWall, job_.wall_s());
  if (job_.samples() == 0) return;  // Nothing has been measured.
  Add(kLoss, job_.recent_loss());
  Add(kEpochLoss, job_.epoch_loss());
  if (Classifies(job_.spec())) Add(kEpochAccuracy, job_.epoch_accuracy());
}

void Adder::Evaluations() const {
  if (job_.evaluations().empty()) return;
  const v1::Evaluation& newest = *job_.evaluations().rbegin();
  Add(kEvaluationEpoch, newest.epoch());
  Add(kEvaluationLoss, newest.loss());
  if (newest.has_accuracy()) Add(kEvaluationAccuracy, newest.accuracy());
}

void Adder::Workers() const {
  Add(kRate, job_.samples_per_s());
  Add(kWorkers, job_.roster().members_size());
  Add(kWorkersWanted, job_.fleet().workers());
  if (!job_.has_straggler()) return;
  set_->Add(kStraggler, job_.straggler().times_median(),
            {job_.job(), job_.straggler().worker().id()});
}

void Adder::Copies(const v1::PartitionPlacement& place) const {
  const std::string partition = absl::StrCat(place.partition());
  int in_sync = 0;
  for (const v1::PartitionReplica& copy : place.replicas()) {
    in_sync += copy.in_sync();
    if (static_cast<int>(place.partition()) >= job_.partitions_size()) continue;
    const v1::PartitionReport& report = job_.partitions(static_cast<int>(place.partition()));
    for (const v1::BackupReport& backup : report.backups()) {
      if (backup.replica() != copy.id()) continue;
      const uint64_t lag = report.last_index() - std::min(report.last_index(), backup.last_index());
      set_->Add(kLag, static_cast<double>(lag), {job_.job(), partition, copy.server()});
    }
  }
  set_->Add(kInSync, in_sync, {job_.job(), partition});
  set_->Add(kHasPrimary, !place.server().empty(), {job_.job(), partition});
}

void Adder::Partitions() const {
  Add(kReplicasWanted, job_.fleet().replicas());
  Add(kMinInSync, job_.fleet().min_in_sync());
  for (const v1::PartitionPlacement& place : job_.placement()) Copies(place);
}

void Adder::Checkpoints() const {
  if (job_.spec().checkpoint().has_every_s()) {
    Add(kCheckpointInterval, job_.spec().checkpoint().every_s());
  }
  const v1::CheckpointStatus* ended = nullptr;
  const v1::CheckpointStatus* whole = nullptr;
  int failures = 0;
  for (const v1::CheckpointStatus& checkpoint : job_.checkpoints()) {
    if (checkpoint.state() == v1::CheckpointStatus::WRITING) continue;
    ended = &checkpoint;
    if (checkpoint.state() == v1::CheckpointStatus::WHOLE) whole = &checkpoint;
    failures += checkpoint.state() == v1::CheckpointStatus::FAILED;
  }
  if (ended == nullptr) return;
  Add(kCheckpointUp, ended == whole);
  Add(kCheckpointFailures, failures);
  if (whole == nullptr) return;
  Add(kCheckpointId, whole->id());
  Add(kCheckpointTime, whole->ordered_unix_s());
  Add(kCheckpointBytes, whole->bytes());
  Add(kCheckpointSeconds, whole->seconds());
}

}  // namespace

void AddJobMetrics(const v1::JobStatus& job, MetricSet* set) {
  const Adder adder(job, set);
  adder.Progress();
  adder.Evaluations();
  if (HasEnded(job.state())) return;
  adder.Workers();
  adder.Partitions();
  adder.Checkpoints();
}

std::vector<MetricSpec> JobMetrics() {
  return {kState,
          kVersion,
          kVersionPlanned,
          kEpoch,
          kSamples,
          kSamplesPlanned,
          kRate,
          kLoss,
          kEpochLoss,
          kEpochAccuracy,
          kEvaluationEpoch,
          kEvaluationLoss,
          kEvaluationAccuracy,
          kWall,
          kWorkers,
          kWorkersWanted,
          kStraggler,
          kPushed,
          kPulled,
          kReplicasWanted,
          kMinInSync,
          kHasPrimary,
          kInSync,
          kLag,
          kCheckpointUp,
          kCheckpointFailures,
          kCheckpointInterval,
          kCheckpointId,
          kCheckpointTime,
          kCheckpointBytes,
          kCheckpointSeconds};
}

}  // namespace paceline
