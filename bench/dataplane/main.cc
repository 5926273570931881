// The data plane against this machine's limits, all in one run: memory, our best raw socket
// program, and Paceline from end to end over loopback TCP.
//
//   bazel run -c opt //bench/dataplane -- [--rounds N] [--seconds S] [--sizes 4096,1048576]
//   [--json]
//
// Variants take turns within a round; printed are medians of the rounds. bench/README.md has what
// was expected, and what was measured.
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "bench/dataplane/load.h"
#include "bench/dataplane/machine.h"
#include "bench/dataplane/parameter_plane.h"
#include "bench/dataplane/raw_socket.h"
#include "common/base/check.h"
#include "common/net/transport.h"

namespace paceline::bench {
namespace {

struct Flags {
  std::string serve;  // Of a child: "raw" or "parameters".
  int rounds = 5;
  double seconds = 0.4;
  std::vector<size_t> sizes = {4 << 10, 64 << 10, 1 << 20, 4 << 20, 16 << 20, 64 << 20};
  bool json = false;
};

double CpuSeconds(clockid_t clock) {
  timespec time = {};
  PACELINE_CHECK(::clock_gettime(clock, &time) == 0);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

// This program once more, as a server; ends with its standard input.
class ServerProcess {
 public:
  ServerProcess(const std::string& serve, const Flags& flags) {
    int input[2];
    int output[2];
    PACELINE_CHECK(::pipe(input) == 0 && ::pipe(output) == 0);
    const std::string sizes = absl::StrJoin(flags.sizes, ",");
    pid_ = ::fork();
    PACELINE_CHECK(pid_ >= 0);
    if (pid_ == 0) {
      ::dup2(input[0], 0);
      ::dup2(output[1], 1);
      for (const int end : {input[0], input[1], output[0], output[1]}) ::close(end);
      ::execl("/proc/self/exe", "dataplane", "--serve", serve.c_str(), "--sizes", sizes.c_str(),
              nullptr);
      std::_Exit(127);
    }
    ::close(input[0]);
    ::close(output[1]);
    input_ = input[1];
    PACELINE_CHECK(::read(output[0], &port_, sizeof(port_)) == sizeof(port_));
    ::close(output[0]);
    PACELINE_CHECK(::clock_getcpuclockid(pid_, &clock_) == 0);
  }
  ~ServerProcess() {
    ::close(input_);
    ::waitpid(pid_, nullptr, 0);
  }
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;

  uint16_t port() const { return port_; }
  double cpu_seconds() const { return CpuSeconds(clock_); }

 private:
  pid_t pid_ = -1;
  int input_ = -1;
  uint16_t port_ = 0;
  clockid_t clock_ = 0;
};

void Announce(uint16_t port) { PACELINE_CHECK(::write(1, &port, sizeof(port)) == sizeof(port)); }

int Serve(const Flags& flags) {
  if (flags.serve == "raw") {
    ServeRaw(Announce);
  } else {
    ServeParameters(flags.sizes, Announce, [] {
      char byte;
      while (::read(0, &byte, 1) > 0) {
      }
    });
  }
  return 0;
}

double Median(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

double Percentile(std::vector<double> values, double share) {
  if (values.empty()) return 0;
  const auto at =
      values.begin() + static_cast<ptrdiff_t>(share * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

struct Variant {
  std::string name;
  const ServerProcess* server = nullptr;
  std::unique_ptr<Plane> plane;
};

// Of the rounds.
struct Figures {
  std::vector<double> gb_per_s, cpu_s_per_gb, p50_us, p99_us, per_s;
};

// By row ("push 4096"), then by variant.
using Table = std::map<std::string, std::map<std::string, Figures>>;

struct Row {
  std::string name;
  Load load;
};

const char* Name(Operation operation) {
  switch (operation) {
    case Operation::kPush:
      return "push";
    case Operation::kPull:
      return "pull";
    case Operation::kExchange:
      return "exchange";
  }
  PACELINE_CHECK(false);
}

int WindowOf(size_t message_bytes) {
  if (message_bytes <= size_t{1} << 20) return 8;
  return message_bytes <= size_t{16} << 20 ? 4 : 2;
}

std::string SizeName(size_t bytes) {
  return bytes < size_t{1} << 20 ? absl::StrCat(bytes >> 10, "K") : absl::StrCat(bytes >> 20, "M");
}

std::vector<Row> RowsOf(const Flags& flags) {
  std::vector<Row> rows;
  const absl::Duration at_least = absl::Seconds(flags.seconds);
  for (const Operation operation : {Operation::kPush, Operation::kPull, Operation::kExchange}) {
    for (const size_t bytes : flags.sizes) {
      rows.push_back({absl::StrCat(Name(operation), " ", SizeName(bytes)),
                      {operation, bytes, WindowOf(bytes), at_least, false}});
    }
  }
  const size_t smallest = *std::min_element(flags.sizes.begin(), flags.sizes.end());
  rows.push_back({absl::StrCat("push ", SizeName(smallest), ", one at a time"),
                  {Operation::kPush, smallest, 1, at_least, true}});
  rows.push_back({absl::StrCat("push ", SizeName(smallest), ", 64 at once"),
                  {Operation::kPush, smallest, 64, at_least, true}});
  return rows;
}

void Measure(const Row& row, const Variant& variant, Figures* figures) {
  const double before = CpuSeconds(CLOCK_PROCESS_CPUTIME_ID) + variant.server->cpu_seconds();
  const Work work = variant.plane->Run(row.load);
  const double cpu = CpuSeconds(CLOCK_PROCESS_CPUTIME_ID) + variant.server->cpu_seconds() - before;
  figures->gb_per_s.push_back(work.bytes / 1e9 / work.seconds);
  figures->cpu_s_per_gb.push_back(cpu / (work.bytes / 1e9));
  figures->per_s.push_back(static_cast<double>(work.messages) / work.seconds);
  figures->p50_us.push_back(Percentile(work.latencies_us, 0.5));
  figures->p99_us.push_back(Percentile(work.latencies_us, 0.99));
}

// Throughput as "GB/s @ CPU s/GB (x raw, CPU x raw)".
void PrintThroughput(const Row& row, const std::map<std::string, Figures>& figures,
                     const std::vector<Variant>& variants) {
  const double raw_speed = Median(figures.at("raw").gb_per_s);
  const double raw_cpu = Median(figures.at("raw").cpu_s_per_gb);
  std::printf("%-22s", row.name.c_str());
  for (const Variant& variant : variants) {
    const double speed = Median(figures.at(variant.name).gb_per_s);
    const double cpu = Median(figures.at(variant.name).cpu_s_per_gb);
    std::printf("  %-5s %5.2f @ %6.3f (x%.2f, cpu x%.2f)", variant.name.c_str(), speed, cpu,
                speed / raw_speed, cpu / raw_cpu);
  }
  std::printf("\n");
}

void PrintLatency(const Row& row, const std::map<std::string, Figures>& figures,
                  const std::vector<Variant>& variants) {
  const double raw = Median(figures.at("raw").p50_us);
  std::printf("%-22s", row.name.c_str());
  for (const Variant& variant : variants) {
    const Figures& of = figures.at(variant.name);
    const double p50 = Median(of.p50_us);
    std::printf("  %-5s p50 %5.0f us p99 %5.0f us %7.0f/s (p50 x%.2f)", variant.name.c_str(), p50,
                Median(of.p99_us), Median(of.per_s), p50 / raw);
  }
  std::printf("\n");
}

nlohmann::json JsonOf(const Figures& figures) {
  nlohmann::json json = {{"gb_per_s", Median(figures.gb_per_s)},
                         {"cpu_s_per_gb", Median(figures.cpu_s_per_gb)},
                         {"messages_per_s", Median(figures.per_s)}};
  if (Median(figures.p50_us) > 0) {
    json["p50_us"] = Median(figures.p50_us);
    json["p99_us"] = Median(figures.p99_us);
  }
  return json;
}

int Compare(const Flags& flags) {
  const ServerProcess raw_server("raw", flags);
  const ServerProcess parameter_server("parameters", flags);
  std::vector<Variant> variants;
  variants.push_back({"raw", &raw_server, ConnectRaw(raw_server.port())});
  for (const char* rule : kRules) {
    variants.push_back({rule, &parameter_server, ConnectParameters(parameter_server.port(), rule)});
  }
  const std::vector<Row> rows = RowsOf(flags);
  Table table;
  std::vector<double> copy, add;
  std::map<std::string, std::vector<double>> apply;
  for (int round = -1; round < flags.rounds; ++round) {  // The first warms up.
    if (round >= 0) {
      copy.push_back(MemcpyGbPerSecond());
      add.push_back(AddGbPerSecond());
      for (const char* rule : kRules) apply[rule].push_back(ApplySecondsPerGb(rule));
    }
    for (const Row& row : rows) {
      for (const Variant& variant : variants) {
        Figures unused;
        Measure(row, variant, round < 0 ? &unused : &table[row.name][variant.name]);
      }
    }
  }
  if (flags.json) {
    nlohmann::json json = {{"memcpy_gb_per_s", Median(copy)}, {"add_gb_per_s", Median(add)}};
    for (const auto& [row, by_variant] : table) {
      for (const auto& [name, figures] : by_variant) json["rows"][row][name] = JsonOf(figures);
    }
    for (const auto& [rule, seconds] : apply) json["apply_s_per_gb"][rule] = Median(seconds);
    std::printf("%s\n", json.dump(2).c_str());
    return 0;
  }
  std::printf("memcpy %.1f GB/s, stream add %.1f GB/s", Median(copy), Median(add));
  for (const auto& [rule, seconds] : apply) {
    std::printf(", %s alone %.3f s/GB", rule.c_str(), Median(seconds));
  }
  std::printf("\n");
  for (const Row& row : rows) {
    (row.load.wants_latencies ? PrintLatency : PrintThroughput)(row, table[row.name], variants);
  }
  return 0;
}

}  // namespace
}  // namespace paceline::bench

int main(int argc, char** argv) {
  paceline::SetUpProcess();
  paceline::bench::Flags flags;
  CLI::App app("The data plane against this machine's limits.");
  app.add_option("--serve", flags.serve)->group("");
  app.add_option("--rounds", flags.rounds, "Measurements of each; medians are printed")
      ->check(CLI::Range(1, 1000));
  app.add_option("--seconds", flags.seconds, "Each measurement takes at least this long")
      ->check(CLI::Range(0.01, 60.0));
  app.add_option("--sizes", flags.sizes, "Message sizes in bytes, powers of two from 4096 to 64 Mi")
      ->delimiter(',');
  app.add_flag("--json", flags.json, "Print JSON");
  CLI11_PARSE(app, argc, argv);
  for (const size_t bytes : flags.sizes) {
    if (bytes < 4096 || bytes > paceline::bench::kStoreBytes || (bytes & (bytes - 1)) != 0) {
      std::fprintf(stderr, "--sizes: %zu is not a power of two from 4096 to 67108864\n", bytes);
      return 2;
    }
  }
  return flags.serve.empty() ? paceline::bench::Compare(flags) : paceline::bench::Serve(flags);
}
