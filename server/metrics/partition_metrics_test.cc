#include "server/metrics/partition_metrics.h"

#include <algorithm>
#include <catch2/catch.hpp>

namespace paceline {
namespace {

// Partition 3 of mnist-1 at version 40, in term 2, with every count different.
v1::PartitionReport Primary() {
  v1::PartitionReport report;
  report.set_job("mnist-1");
  report.set_partition(3);
  report.set_term(2);
  report.set_version(40);
  report.set_last_index(44);
  report.set_committed_index(42);
  report.set_samples(640);
  report.set_pushes_applied(31);
  report.set_pushes_duplicate(32);
  report.set_pushes_refused_stale(33);
  report.set_pushes_damped(34);
  report.set_pushes_invalid(35);
  report.set_shards_dropped(36);
  report.set_shards_carried(37);
  report.set_shards_repeated(38);
  report.set_staleness_max(9);
  report.set_lead_max(5);
  for (const uint64_t count : {10, 7, 0, 4, 2}) report.add_staleness(count);
  for (const double seconds : {0.5, 2.5, 1.0}) report.add_waits()->set_seconds(seconds);
  return report;
}

TEST_CASE("a primary tells all of its partition, a backup of its copy alone") {
  v1::PartitionReport backup = Primary();
  backup.set_partition(4);
  backup.set_is_backup(true);
  MetricSet set;
  AddPartitionMetrics("s1", {Primary(), backup}, &set);

  const MetricSet::LabelValues copy = {"mnist-1", "3", "s1"};
  CHECK(set.Find("paceline_replica_version", copy) == 40.0);
  CHECK(set.Find("paceline_replica_term", copy) == 2.0);
  CHECK(set.Find("paceline_replica_is_primary", copy) == 1.0);
  CHECK(set.Find("paceline_replica_log_last_index", copy) == 44.0);
  CHECK(set.Find("paceline_replica_log_committed_index", copy) == 42.0);
  const MetricSet::LabelValues partition = {"mnist-1", "3"};
  CHECK(set.Find("paceline_partition_samples_total", partition) == 640.0);
  CHECK(set.Find("paceline_partition_pushes_applied_total", partition) == 31.0);
  CHECK(set.Find("paceline_partition_pushes_duplicate_total", partition) == 32.0);
  CHECK(set.Find("paceline_partition_pushes_refused_stale_total", partition) == 33.0);
  CHECK(set.Find("paceline_partition_pushes_damped_total", partition) == 34.0);
  CHECK(set.Find("paceline_partition_pushes_invalid_total", partition) == 35.0);
  CHECK(set.Find("paceline_partition_shards_dropped_total", partition) == 36.0);
  CHECK(set.Find("paceline_partition_shards_carried_total", partition) == 37.0);
  CHECK(set.Find("paceline_partition_shards_repeated_total", partition) == 38.0);
  CHECK(set.Find("paceline_partition_push_staleness_max", partition) == 9.0);
  CHECK(set.Find("paceline_partition_read_lead_max", partition) == 5.0);
  CHECK(set.Find("paceline_partition_parked_requests", partition) == 3.0);
  CHECK(set.Find("paceline_partition_parked_oldest_seconds", partition) == 2.5);

  CHECK(set.Find("paceline_replica_is_primary", {"mnist-1", "4", "s1"}) == 0.0);
  CHECK(set.Find("paceline_replica_version", {"mnist-1", "4", "s1"}) == 40.0);
  CHECK_FALSE(set.Find("paceline_partition_samples_total", {"mnist-1", "4"}).has_value());

  std::vector<std::string> listed;
  for (const MetricSpec& spec : PartitionMetrics()) listed.emplace_back(spec.name);
  std::sort(listed.begin(), listed.end());
  CHECK(set.Names() == listed);
}

TEST_CASE("staleness has the same buckets however far it went") {
  // Staleness 0: 10, 1: 7, 2..3: 0, 4..7: 4, 8..15: 2.
  v1::PartitionReport far = Primary();
  far.set_partition(5);
  while (far.staleness_size() < 20) far.add_staleness(0);
  far.set_staleness(11, 1);  // 1024..2047, and
  far.set_staleness(19, 1);  // 2^18..2^19 - 1.
  MetricSet set;
  AddPartitionMetrics("s1", {Primary(), far}, &set);

  const std::string text = set.Text();
  const auto has = [&text](const std::string& partition, const std::string& le, int count) {
    const std::string line =
        "paceline_partition_push_staleness_bucket{job_name=\"mnist-1\","
        "partition=\"" +
        partition + "\",le=\"" + le + "\"} " + std::to_string(count) + "\n";
    INFO(line);
    CHECK(text.find(line) != std::string::npos);
  };
  has("3", "0", 10);
  has("3", "1", 17);
  has("3", "3", 17);
  has("3", "7", 21);
  has("3", "15", 23);
  has("3", "1023", 23);
  has("3", "+Inf", 23);
  has("5", "1023", 23);
  has("5", "+Inf", 25);
  CHECK(text.find("le=\"2047\"") == std::string::npos);
}

}  // namespace
}  // namespace paceline
