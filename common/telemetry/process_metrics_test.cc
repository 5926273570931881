#include "common/telemetry/process_metrics.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

namespace paceline {
namespace {

// A program with a name that wants to be misread: 150 + 50 ticks, 7 threads, started at tick 12345,
// 4096000 bytes of addresses, 300 pages.
constexpr char kStat[] =
    "4711 (a) (b c) S 1 4711 4711 0 -1 4194304 99 0 0 0 150 50 0 0 20 0 7 0 12345 4096000 300 "
    "18446744073709551615 1 1 0";

ProcessFacts Facts() {
  ProcessFacts facts;
  facts.stat = kStat;
  facts.system = "cpu  1 2 3\nbtime 1700000000\nprocesses 5\n";
  facts.open_fds = 12;
  facts.max_fds = 1024;
  return facts;
}

TEST_CASE("the system's numbers become seconds and bytes") {
  MetricSet set;
  AddProcessMetrics(Facts(), &set);

  CHECK(set.Find("process_cpu_seconds_total") == 2.0);
  CHECK(set.Find("process_threads") == 7.0);
  CHECK(set.Find("process_start_time_seconds") == 1700000123.45);
  CHECK(set.Find("process_virtual_memory_bytes") == 4096000.0);
  CHECK(set.Find("process_resident_memory_bytes") == 300.0 * 4096);
  CHECK(set.Find("process_open_fds") == 12.0);
  CHECK(set.Find("process_max_fds") == 1024.0);

  std::vector<std::string> listed;
  for (const MetricSpec& spec : ProcessMetrics()) listed.emplace_back(spec.name);
  CHECK(set.Names() == listed);
}

TEST_CASE("what cannot be read is left out, and the rest stays") {
  for (const std::string stat : {"", "4711 (a", "4711 (a) S 1 2", "4711 (a) S one two"}) {
    INFO(stat);
    ProcessFacts facts = Facts();
    facts.stat = stat;
    facts.max_fds = absl::nullopt;
    MetricSet set;
    AddProcessMetrics(facts, &set);
    CHECK(set.Names() == std::vector<std::string>{"process_open_fds"});
  }
  ProcessFacts facts = Facts();
  facts.system = "btime soon\n";
  MetricSet set;
  AddProcessMetrics(facts, &set);
  CHECK_FALSE(set.Find("process_start_time_seconds").has_value());
  CHECK(set.Find("process_threads") == 7.0);
}

TEST_CASE("this process has memory, a thread and an open file") {
  MetricSet set;
  AddProcessMetrics(ReadProcess(), &set);

  CHECK(set.Names().size() == ProcessMetrics().size());
  CHECK(*set.Find("process_resident_memory_bytes") > 1e5);
  CHECK(*set.Find("process_threads") >= 1);
  CHECK(*set.Find("process_open_fds") >= 1);
  CHECK(*set.Find("process_start_time_seconds") > 1.6e9);
}

}  // namespace
}  // namespace paceline
