#include "server/metrics/partition_metrics.h"

#include <algorithm>
#include <cstdint>

#include "absl/strings/str_cat.h"

namespace paceline {
namespace {

constexpr absl::string_view kCopy = "job_name,partition,server";
constexpr absl::string_view kPartition = "job_name,partition";

constexpr MetricSpec kVersion = {"paceline_replica_version", MetricType::kGauge, kCopy,
                                 "Updates that this copy of the partition has applied."};
constexpr MetricSpec kTerm = {"paceline_replica_term", MetricType::kGauge, kCopy,
                              "Leadership number of the partition that this copy follows."};
constexpr MetricSpec kIsPrimary = {"paceline_replica_is_primary", MetricType::kGauge, kCopy,
                                   "1: this copy serves the partition; 0: it is a backup."};
constexpr MetricSpec kLast = {"paceline_replica_log_last_index", MetricType::kGauge, kCopy,
                              "Newest entry in the copy's log."};
constexpr MetricSpec kCommitted = {"paceline_replica_log_committed_index", MetricType::kGauge,
                                   kCopy, "Newest entry that is known here to be committed."};

constexpr MetricSpec kApplied = {"paceline_partition_pushes_applied_total", MetricType::kCounter,
                                 kPartition, "Pushes whose gradient was applied."};
constexpr MetricSpec kDuplicate = {"paceline_partition_pushes_duplicate_total",
                                   MetricType::kCounter, kPartition,
                                   "Pushes that repeated one which had been applied."};
constexpr MetricSpec kRefused = {"paceline_partition_pushes_refused_stale_total",
                                 MetricType::kCounter, kPartition,
                                 "Pushes refused because they were too stale."};
constexpr MetricSpec kDamped = {"paceline_partition_pushes_damped_total", MetricType::kCounter,
                                kPartition, "Pushes applied that were scaled down as stale."};
constexpr MetricSpec kInvalid = {
    "paceline_partition_pushes_invalid_total", MetricType::kCounter, kPartition,
    "Requests refused as wrong, such as a gradient with a NaN or of another length."};
constexpr MetricSpec kSamples = {"paceline_partition_samples_total", MetricType::kCounter,
                                 kPartition, "Samples applied, each once."};
constexpr MetricSpec kDropped = {"paceline_partition_shards_dropped_total", MetricType::kCounter,
                                 kPartition, "Data shards that quorum rounds were closed without."};
constexpr MetricSpec kCarried = {"paceline_partition_shards_carried_total", MetricType::kCounter,
                                 kPartition,
                                 "Those of the data shards dropped that a later round took."};
constexpr MetricSpec kRepeated = {
    "paceline_partition_shards_repeated_total", MetricType::kCounter, kPartition,
    "Data shards that arrived more than once; the first gradient counted."};
constexpr MetricSpec kStaleness = {
    "paceline_partition_push_staleness", MetricType::kHistogram, kPartition,
    "Updates between the read that a push was computed on and its arrival. Without a sum."};
constexpr MetricSpec kStalenessMax = {"paceline_partition_push_staleness_max", MetricType::kGauge,
                                      kPartition, "Largest staleness of any push so far."};
constexpr MetricSpec kParked = {"paceline_partition_parked_requests", MetricType::kGauge,
                                kPartition, "Requests that wait for others."};
constexpr MetricSpec kOldest = {"paceline_partition_parked_oldest_seconds", MetricType::kGauge,
                                kPartition, "How long the oldest of them has waited; 0: none."};
constexpr MetricSpec kLead = {
    "paceline_partition_read_lead_max", MetricType::kGauge, kPartition,
    "Largest number of clocks by which a reader was ahead of the slowest worker (ssp)."};

// Staleness 0, 1, 2..3, 4..7, ..., 512..1023, and more.
constexpr size_t kStalenessBuckets = 12;

void AddStaleness(const v1::PartitionReport& report, const MetricSet::LabelValues& labels,
                  MetricSet* set) {
  std::vector<double> bounds;
  for (size_t b = 0; b + 1 < kStalenessBuckets; ++b) {
    bounds.push_back(static_cast<double>((uint64_t{1} << b) - 1));
  }
  std::vector<uint64_t> counts(kStalenessBuckets, 0);
  for (int b = 0; b < report.staleness_size(); ++b) {
    counts[std::min(static_cast<size_t>(b), kStalenessBuckets - 1)] += report.staleness(b);
  }
  set->AddHistogram(kStaleness, bounds, counts, labels);
}

void AddPrimary(const v1::PartitionReport& report, const MetricSet::LabelValues& labels,
                MetricSet* set) {
  const auto add = [&](const MetricSpec& spec, uint64_t value) {
    set->Add(spec, static_cast<double>(value), labels);
  };
  add(kApplied, report.pushes_applied());
  add(kDuplicate, report.pushes_duplicate());
  add(kRefused, report.pushes_refused_stale());
  add(kDamped, report.pushes_damped());
  add(kInvalid, report.pushes_invalid());
  add(kSamples, report.samples());
  add(kDropped, report.shards_dropped());
  add(kCarried, report.shards_carried());
  add(kRepeated, report.shards_repeated());
  add(kStalenessMax, report.staleness_max());
  add(kLead, report.lead_max());
  add(kParked, static_cast<uint64_t>(report.waits_size()));
  double oldest = 0;
  for (const v1::Wait& wait : report.waits()) oldest = std::max(oldest, wait.seconds());
  set->Add(kOldest, oldest, labels);
  AddStaleness(report, labels, set);
}

}  // namespace

void AddPartitionMetrics(const std::string& server, const std::vector<v1::PartitionReport>& reports,
                         MetricSet* set) {
  for (const v1::PartitionReport& report : reports) {
    const std::string partition = absl::StrCat(report.partition());
    const MetricSet::LabelValues copy = {report.job(), partition, server};
    const auto add = [&](const MetricSpec& spec, uint64_t value) {
      set->Add(spec, static_cast<double>(value), copy);
    };
    add(kVersion, report.version());
    add(kTerm, report.term());
    add(kIsPrimary, !report.is_backup());
    add(kLast, report.last_index());
    add(kCommitted, report.committed_index());
    if (!report.is_backup()) AddPrimary(report, {report.job(), partition}, set);
  }
}

std::vector<MetricSpec> PartitionMetrics() {
  return {kCarried, kDropped, kRepeated,  kSamples, kParked,   kOldest,       kStaleness,
          kApplied, kDamped,  kDuplicate, kInvalid, kRefused,  kStalenessMax, kLead,
          kVersion, kTerm,    kIsPrimary, kLast,    kCommitted};
}

}  // namespace paceline
