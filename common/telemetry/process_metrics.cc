#include "common/telemetry/process_metrics.h"

#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace paceline {
namespace {

constexpr MetricSpec kCpu = {"process_cpu_seconds_total", MetricType::kCounter, "",
                             "User and system CPU time of the process."};
constexpr MetricSpec kResident = {"process_resident_memory_bytes", MetricType::kGauge, "",
                                  "Memory of the process that is in RAM."};
constexpr MetricSpec kVirtual = {"process_virtual_memory_bytes", MetricType::kGauge, "",
                                 "Address space of the process."};
constexpr MetricSpec kThreads = {"process_threads", MetricType::kGauge, "",
                                 "Threads of the process."};
constexpr MetricSpec kStart = {"process_start_time_seconds", MetricType::kGauge, "",
                               "When the process started, in seconds since 1970."};
constexpr MetricSpec kOpenFds = {"process_open_fds", MetricType::kGauge, "",
                                 "Files and sockets that the process has open."};
constexpr MetricSpec kMaxFds = {"process_max_fds", MetricType::kGauge, "",
                                "Files and sockets that the process may have open."};

// Fields of /proc/self/stat behind the program's name, which may hold spaces: proc(5)'s numbers
// less 3.
enum Field {
  kUserTicks = 11,
  kSystemTicks = 12,
  kThreadCount = 17,
  kStartTicks = 19,
  kVirtualBytes = 20,
  kResidentPages = 21,
  kFieldCount = 22
};

std::string ReadAll(const char* path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

// Of all fields up to the last one wanted; empty: it is not such a text.
std::vector<double> StatNumbers(absl::string_view stat) {
  const size_t name_end = stat.rfind(") ");
  if (name_end == absl::string_view::npos) return {};
  const std::vector<absl::string_view> words =
      absl::StrSplit(stat.substr(name_end + 2), ' ', absl::SkipEmpty());
  if (words.size() < kFieldCount) return {};
  std::vector<double> numbers(kFieldCount, 0);
  for (size_t i = 1; i < kFieldCount; ++i) {  // 0 is the state, a letter.
    if (!absl::SimpleAtod(words[i], &numbers[i])) return {};
  }
  return numbers;
}

absl::optional<double> BootTime(absl::string_view system) {
  for (absl::string_view line : absl::StrSplit(system, '\n')) {
    double seconds = 0;
    if (absl::ConsumePrefix(&line, "btime ") && absl::SimpleAtod(line, &seconds)) return seconds;
  }
  return absl::nullopt;
}

}  // namespace

ProcessFacts ReadProcess() {
  ProcessFacts facts;
  facts.stat = ReadAll("/proc/self/stat");
  facts.system = ReadAll("/proc/stat");
  std::error_code error;
  const std::filesystem::directory_iterator open("/proc/self/fd", error);
  if (!error) {
    // One of them is the folder itself.
    facts.open_fds = static_cast<double>(std::distance(begin(open), end(open)) - 1);
  }
  rlimit limit = {};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    facts.max_fds = static_cast<double>(limit.rlim_cur);
  }
  facts.ticks_per_second = static_cast<double>(::sysconf(_SC_CLK_TCK));
  facts.page_bytes = static_cast<double>(::sysconf(_SC_PAGESIZE));
  return facts;
}

void AddProcessMetrics(const ProcessFacts& facts, MetricSet* set) {
  if (facts.open_fds.has_value()) set->Add(kOpenFds, *facts.open_fds);
  if (facts.max_fds.has_value()) set->Add(kMaxFds, *facts.max_fds);
  const std::vector<double> stat = StatNumbers(facts.stat);
  if (stat.empty()) return;
  set->Add(kCpu, (stat[kUserTicks] + stat[kSystemTicks]) / facts.ticks_per_second);
  set->Add(kResident, stat[kResidentPages] * facts.page_bytes);
  set->Add(kVirtual, stat[kVirtualBytes]);
  set->Add(kThreads, stat[kThreadCount]);
  const absl::optional<double> boot = BootTime(facts.system);
  if (boot.has_value()) set->Add(kStart, *boot + stat[kStartTicks] / facts.ticks_per_second);
}

std::vector<MetricSpec> ProcessMetrics() {
  return {kCpu, kMaxFds, kOpenFds, kResident, kStart, kThreads, kVirtual};
}

}  // namespace paceline
