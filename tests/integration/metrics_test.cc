// What the programs tell Prometheus while a job runs: complete, well-formed, and what `paceline
// status` says.
#include <catch2/catch.hpp>
#include <cstdlib>
#include <map>
#include <regex>
#include <set>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "cli/process.h"
#include "common/telemetry/metric_set.h"
#include "common/testing/http_client.h"
#include "tests/integration/fleet.h"
#include "tests/metrics/metrics_reference.h"
#include "tests/metrics/promtool.h"

namespace paceline {
namespace {

// A page's values by series: 'name{label="value"}'.
using Page = std::map<std::string, double>;

std::string UrlOf(const Fleet& fleet, const std::string& process) {
  std::smatch match;
  std::string log;
  REQUIRE(Eventually([&] {
    log = fleet.Log(process);
    return std::regex_search(log, match, std::regex("http://127\\.0\\.0\\.1:[0-9]+/metrics"));
  }));
  return match.str();
}

// Whether promtool, if there is one, has nothing to say of the text.
bool IsLinted(const std::string& text) {
  if (!HasPromtool()) return true;
  const std::string path = TestFolder("page") + "/metrics";
  WriteText(path, text);
  return std::system(absl::StrCat("promtool check metrics <", path).c_str()) == 0;
}

Page Parse(const std::string& text) {
  static const std::regex kSample(
      "([a-z_]+(\\{[a-z_]+=\"[^\"]*\"(,[a-z_]+=\"[^\"]*\")*\\})?) ([-+0-9.eInfNa]+)");
  Page page;
  const std::vector<std::string> lines = absl::StrSplit(text, '\n');
  for (const std::string& line : lines) {
    if (line.empty() || line[0] == '#') continue;
    INFO(line);
    std::smatch match;
    REQUIRE(std::regex_match(line, match, kSample));
    double value = 0;
    REQUIRE(absl::SimpleAtod(match.str(4), &value));
    CHECK(page.emplace(match.str(1), value).second);
  }
  return page;
}

Page Scrape(const Fleet& fleet, const std::string& process) {
  const std::string text = HttpGet(UrlOf(fleet, process));
  INFO(process << ":\n" << text);
  CHECK(IsLinted(text));
  return Parse(text);
}

// The value, which must be there.
double At(const Page& page, const std::string& series) {
  INFO(series);
  REQUIRE(page.count(series) == 1);
  return page.at(series);
}

double Sum(const std::vector<Page>& pages, const std::string& prefix) {
  double sum = 0;
  for (const Page& page : pages) {
    for (const auto& [series, value] : page) {
      if (series.compare(0, prefix.size(), prefix) == 0) sum += value;
    }
  }
  return sum;
}

// The metrics of which some page has a sample.
std::set<std::string> NamesIn(const std::vector<Page>& pages) {
  std::set<std::string> names;
  for (const Page& page : pages) {
    for (const auto& [series, value] : page) {
      names.insert(std::regex_replace(series.substr(0, series.find('{')),
                                      std::regex("_(bucket|count)$"), ""));
    }
  }
  return names;
}

struct Job {
  std::string folder = TestFolder("metrics");
  std::string csv = MakeCsv(folder + "/samples.csv", 3000);
  std::string spec = MakeSpec(folder + "/job.yaml", csv,
                              absl::StrCat("train: {shards_per_round: 8, epochs: 20}\n"
                                           "checkpoint: {path: ",
                                           folder,
                                           ", every_rounds: 20}\n"
                                           "fleet: {workers: 2, servers: 2, replicas: 2}\n"));
};

TEST_CASE("while a job runs every program's page is well-formed and agrees with status") {
  const Job files;
  FleetOptions options;
  options.workers = 0;
  options.server_flags = {"--metrics=127.0.0.1:0"};
  Fleet fleet(options);
  fleet.StartServer("server-1");
  for (const char* worker : {"worker-0", "worker-1"}) {
    fleet.StartWorker(worker, {"--metrics=0", "--slowdown=12"});
  }
  const std::string job = fleet.Submit(files.spec, {"consistency=sync"});
  REQUIRE(fleet.Reached(job, 0.3));

  const Json before = fleet.Status(job);
  std::vector<Page> pages;
  for (const char* process : {"server-0", "server-1", "worker-0", "worker-1"}) {
    pages.push_back(Scrape(fleet, process));
  }
  const Json after = fleet.Status(job);
  REQUIRE(after["state"] == "RUNNING");

  const std::string of_job = "{job_name=\"" + job + "\"}";
  const auto is_between = [](double low, double value, double high) {
    CHECK(low <= value);
    CHECK(value <= high);
  };
  is_between(static_cast<double>(Number(before["samples"])),
             At(pages[0], "paceline_job_samples_total" + of_job),
             static_cast<double>(Number(after["samples"])));
  CHECK(At(pages[0], "paceline_job_samples_planned" + of_job) ==
        static_cast<double>(Number(after["samples_total"])));
  CHECK(At(pages[0], "paceline_job_state{job_name=\"" + job + "\",state=\"running\"}") == 1);
  CHECK(At(pages[0], "paceline_jobs{state=\"running\"}") == 1);
  CHECK(At(pages[0], "paceline_fleet_servers{state=\"serving\"}") == 2);
  CHECK(At(pages[0], "paceline_fleet_workers{state=\"training\"}") == 2);
  CHECK(At(pages[0], "paceline_store_up") == 1);
  CHECK(At(pages[0], "paceline_server_is_coordinator{server=\"server-0\"}") == 1);
  CHECK(At(pages[1], "paceline_server_is_coordinator{server=\"server-1\"}") == 0);
  CHECK(pages[1].count("paceline_store_up") == 0);
  CHECK(At(pages[0], "paceline_checkpoint_up" + of_job) == 1);
  CHECK(At(pages[1], "process_resident_memory_bytes") > 1e6);

  // Every partition is told of by its primary alone, and each copy by who has it.
  const size_t partitions = before["placement"].size();
  const std::vector<Page> servers = {pages[0], pages[1]};
  CHECK(Sum(servers, "paceline_replica_is_primary{job_name=\"" + job + "\"") ==
        static_cast<double>(partitions));
  for (size_t p = 0; p < partitions; ++p) {
    const std::string labels = absl::StrCat("{job_name=\"", job, "\",partition=\"", p, "\"");
    is_between(static_cast<double>(Number(before["partitions"][p]["pushes_applied"])),
               Sum(servers, "paceline_partition_pushes_applied_total" + labels + "}"),
               static_cast<double>(Number(after["partitions"][p]["pushes_applied"])));
    CHECK(At(pages[0], "paceline_partition_in_sync_replicas" + labels + "}") == 2);
    CHECK(At(pages[0], "paceline_partition_has_primary" + labels + "}") == 1);
  }
  CHECK(At(pages[2], "paceline_worker_in_sync{worker=\"worker-0\"}") == 1);
  const std::string of_worker = "{job_name=\"" + job + "\",worker=\"worker-1\"}";
  CHECK(At(pages[3], "paceline_worker_compute_seconds_total" + of_worker) > 0);
  CHECK(At(pages[3], "paceline_worker_pushed_bytes_total" + of_worker) > 0);

  // Of all metrics only those are missing that this fleet has no reason to show.
  std::set<std::string> missing;
  const std::set<std::string> names = NamesIn(pages);
  for (const MetricSpec& metric : AllMetrics()) {
    if (names.count(std::string(metric.name)) == 0) missing.insert(std::string(metric.name));
  }
  missing.erase("paceline_job_straggler_times_median");
  missing.erase("paceline_checkpoint_interval_seconds");  // It counts rounds, not seconds.
  CHECK(missing == std::set<std::string>{});

  const Json summary = fleet.Wait(job);
  const Json status = fleet.Status(job);
  const Page end = Scrape(fleet, "server-0");
  CHECK(At(end, "paceline_jobs{state=\"finished\"}") == 1);
  CHECK(At(end, "paceline_job_samples_total" + of_job) ==
        static_cast<double>(Number(status["samples"])));
  CHECK(At(end, "paceline_job_version" + of_job) == static_cast<double>(Number(status["version"])));
  const Json& evaluation = status["evaluations"].back();
  CHECK(At(end, "paceline_job_evaluation_loss" + of_job) == evaluation["loss"].get<double>());
  CHECK(At(end, "paceline_job_evaluation_accuracy" + of_job) ==
        evaluation["accuracy"].get<double>());
  CHECK(summary["samples"] == Number(status["samples"]));
}

TEST_CASE("a port that is taken, or an address that is none, ends a program with a clear word") {
  FleetOptions options;
  options.workers = 0;
  options.server_flags = {"--metrics=0"};
  const Fleet fleet(options);
  const std::string url = UrlOf(fleet, "server-0");
  const std::string address = url.substr(7, url.rfind('/') - 7);
  const auto run = [](const std::vector<std::string>& arguments) {
    const std::string log = TestFolder("failing") + "/log";
    auto process = cli::Process::Start(arguments, log);
    REQUIRE(process.ok());
    REQUIRE((*process)->WaitFor(absl::Seconds(10)));
    const std::string text = ReadText(log);
    return absl::StrCat(*(*process)->Ended(), ": ", text);
  };

  const std::vector<std::string> server = {"server/paceline-server", "--listen=127.0.0.1:0",
                                           "--store=memory"};
  const std::vector<std::string> worker = {"worker/paceline-worker", "--backend=cpu",
                                           "--join=" + fleet.coordinator()};
  for (std::vector<std::string> arguments : {server, worker}) {
    INFO(arguments[0]);
    arguments.push_back("--metrics=" + address);
    const std::string taken = run(arguments);
    INFO(taken);
    CHECK(taken.find("exit status 1: ") == 0);
    CHECK(taken.find("is in use by another program") != std::string::npos);
    CHECK(taken.find("--metrics 127.0.0.1:0") != std::string::npos);

    arguments.back() = "--metrics=nowhere";
    const std::string wrong = run(arguments);
    INFO(wrong);
    CHECK(wrong.find("exit status 2: ") == 0);
    CHECK(wrong.find("wanted host:port or a port") != std::string::npos);
  }
}

}  // namespace
}  // namespace paceline
