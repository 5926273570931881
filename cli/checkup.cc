#include "cli/checkup.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "cli/data_head.h"
#include "cli/fleet_call.h"
#include "cli/local_fleet.h"
#include "cli/render.h"
#include "cli/spec_file.h"
#include "client/control_client.h"
#include "common/base/version.h"
#include "common/job/job_spec.h"

namespace paceline::cli {
namespace {

constexpr rlim_t kOpenFilesWanted = 1024;

// 0, or errno of the step that failed.
int BindLoopback(int port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return errno;
  const int reuse = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof(reuse));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  int error = 0;
  if (::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) error = errno;
  ::close(fd);
  return error;
}

// One word of a shell command.
std::string Quoted(const std::string& word) {
  return absl::StrCat("'", absl::StrReplaceAll(word, {{"'", "'\\''"}}), "'");
}

std::string OutputOf(const std::string& command) {
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(::popen(command.c_str(), "r"), ::pclose);
  if (pipe == nullptr) return "";
  std::string text;
  std::array<char, 256> buffer;
  while (std::fgets(buffer.data(), buffer.size(), pipe.get()) != nullptr) text += buffer.data();
  return std::string(absl::StripAsciiWhitespace(text));
}

// Of a data file of which `status` says that it will not do.
Finding BadData(const std::string& path, const absl::Status& status) {
  const std::string seen(status.message());
  if (absl::IsInvalidArgument(status)) {
    return {Finding::kBad, "data", seen,
            "a worker will refuse it: correct data.format or the file"};
  }
  std::string advice = "correct the path in the spec; paths are relative to the spec's own folder";
  if (absl::StrContains(path, "fashion-mnist")) {
    advice += ". Fashion-MNIST is Debian's package dataset-fashion-mnist";
  }
  return {Finding::kBad, "data", seen, advice};
}

void CheckIdxFiles(const v1::DataFiles& files, std::vector<Finding>* findings) {
  std::vector<std::vector<uint64_t>> shapes;
  for (const std::string& path : {files.images(), files.labels()}) {
    const auto shape = ReadIdxShape(path);
    if (shape.ok()) {
      shapes.push_back(*shape);
      const std::string seen = absl::StrCat(path, ": ", absl::StrJoin(*shape, " x "));
      findings->push_back({Finding::kGood, "data", seen, ""});
    } else {
      findings->push_back(BadData(path, shape.status()));
    }
  }
  if (shapes.size() < 2) return;
  const absl::Status pair = CheckIdxPair(shapes[0], shapes[1], files);
  if (!pair.ok()) findings->push_back(BadData(files.images(), pair));
}

absl::StatusOr<std::string> Describe(v1::DataSpec::Format format, const v1::DataFiles& files) {
  switch (format) {
    case v1::DataSpec::CSV:
      return DescribeCsv(files);
    case v1::DataSpec::TSV:
      return DescribeTsv(files);
    case v1::DataSpec::JSONL:
      return DescribeJsonl(files);
    case v1::DataSpec::TEXT_FOLDER:
      return DescribeTextFolder(files);
    default:
      return DescribeLibsvm(files);
  }
}

void CheckFiles(v1::DataSpec::Format format, const v1::DataFiles& files,
                std::vector<Finding>* findings) {
  if (format == v1::DataSpec::IDX) return CheckIdxFiles(files, findings);
  const auto seen = Describe(format, files);
  findings->push_back(
      seen.ok() ? Finding{Finding::kGood, "data", absl::StrCat(files.path(), ": ", *seen), ""}
                : BadData(files.path(), seen.status()));
}

const char* LevelName(Finding::Level level) {
  switch (level) {
    case Finding::kGood:
      return "ok";
    case Finding::kNote:
      return "note";
    case Finding::kBad:
      return "BAD";
  }
  return "";
}

}  // namespace

std::string FindingsText(const std::vector<Finding>& findings) {
  std::string text;
  for (const Finding& f : findings) {
    absl::StrAppendFormat(&text, "%-5s %-16s %s\n", LevelName(f.level), f.what, Printable(f.seen));
    if (!f.advice.empty()) absl::StrAppendFormat(&text, "%-22s -> %s\n", "", f.advice);
  }
  return text;
}

std::string FindingsJson(const std::vector<Finding>& findings) {
  auto json = nlohmann::ordered_json::array();
  for (const Finding& f : findings) {
    json.push_back(
        {{"level", LevelName(f.level)}, {"what", f.what}, {"seen", f.seen}, {"advice", f.advice}});
  }
  return json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

bool AllWell(const std::vector<Finding>& findings) {
  return std::none_of(findings.begin(), findings.end(),
                      [](const Finding& f) { return f.level == Finding::kBad; });
}

Finding CheckProgram(const std::string& program, const std::string& directory) {
  const auto path = FindProgram(program, directory);
  if (!path.ok()) {
    return {Finding::kBad, program, std::string(path.status().message()),
            "build them with: bazel build //server:paceline-server //worker:paceline-worker"};
  }
  const std::string version = OutputOf(Quoted(*path) + " --version 2>&1");
  const std::string wanted = absl::StrCat(program, " ", kRelease);
  if (version != wanted) {
    return {Finding::kBad, program, absl::StrCat(*path, " says \"", version, "\""),
            absl::StrCat("it must be of this program's release: ", wanted)};
  }
  return {Finding::kGood, program, absl::StrCat(*path, " (", kRelease, ")"), ""};
}

Finding CheckCpu() {
  __builtin_cpu_init();
  std::vector<std::string> features;
  if (__builtin_cpu_supports("avx2")) features.push_back("AVX2");
  if (__builtin_cpu_supports("avx512f")) features.push_back("AVX-512");
  const std::string seen =
      absl::StrCat(Counted(std::thread::hardware_concurrency(), "core"), ", ",
                   features.empty() ? "neither AVX2 nor AVX-512" : absl::StrJoin(features, ", "));
  if (features.empty()) {
    return {Finding::kNote, "cpu", seen, "training works, at a fraction of the speed"};
  }
  return {Finding::kGood, "cpu", seen, ""};
}

Finding CheckMemory() {
  struct sysinfo info = {};
  if (::sysinfo(&info) != 0) return {Finding::kNote, "memory", std::strerror(errno), ""};
  const double total = static_cast<double>(info.totalram) * info.mem_unit;
  const std::string seen = Bytes(total);
  if (total < 2e9) return {Finding::kNote, "memory", seen, "small: keep models and data small too"};
  return {Finding::kGood, "memory", seen, ""};
}

Finding CheckGpu() {
  void* driver = ::dlopen("libcuda.so.1", RTLD_LAZY);
  if (driver == nullptr) {
    return {Finding::kNote, "gpu", "no NVIDIA driver (libcuda.so.1)", "workers compute on the CPU"};
  }
  int count = 0;
  const auto init = reinterpret_cast<int (*)(unsigned)>(::dlsym(driver, "cuInit"));
  const auto get = reinterpret_cast<int (*)(int*)>(::dlsym(driver, "cuDeviceGetCount"));
  const bool works = init != nullptr && get != nullptr && init(0) == 0 && get(&count) == 0;
  ::dlclose(driver);
  if (!works || count == 0) {
    return {Finding::kNote, "gpu", "a driver, but no usable device",
            "see nvidia-smi; workers compute on the CPU"};
  }
  return {Finding::kGood, "gpu", Counted(count, "CUDA device"), ""};
}

Finding CheckLoopback() {
  const int error = BindLoopback(0);
  if (error == 0) return {Finding::kGood, "loopback", "ports can be listened at", ""};
  return {Finding::kBad, "loopback",
          absl::StrCat("cannot listen on 127.0.0.1: ", std::strerror(error)),
          "bring the loopback interface up: ip link set lo up"};
}

Finding CheckOpenFiles() {
  rlimit limit = {};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  const std::string seen = absl::StrCat(limit.rlim_cur, " open files allowed");
  if (limit.rlim_cur >= kOpenFilesWanted) return {Finding::kGood, "limits", seen, ""};
  return {Finding::kNote, "limits", seen, "raise it for a large fleet: ulimit -n 4096"};
}

Finding CheckPort(int port) {
  const int error = BindLoopback(port);
  if (error == 0) return {Finding::kGood, "port", absl::StrCat(port, " is free"), ""};
  return {Finding::kBad, "port", absl::StrCat(port, ": ", std::strerror(error)),
          absl::StrCat("see who has it: ss -ltnp 'sport = :", port, "'")};
}

Finding CheckDefaultPort(int port) {
  const int error = BindLoopback(port);
  if (error == 0) return {Finding::kGood, "port", absl::StrCat(port, " is free"), ""};
  return {Finding::kNote, "port",
          absl::StrCat(port, ", a server's default: ", std::strerror(error)),
          absl::StrCat("does a fleet of this machine have it? ss -ltnp 'sport = :", port,
                       "'; else give servers another one with --listen")};
}

std::vector<Finding> CheckSpec(const std::string& path) {
  auto spec = LoadSpec(path, {});
  const absl::Status status = spec.ok() ? ResolveJobSpec(&*spec) : spec.status();
  if (!status.ok()) {
    return {{Finding::kBad, "spec", std::string(status.message()), "see docs/spec.md"}};
  }
  std::vector<Finding> findings = {{Finding::kGood, "spec", path, ""}};
  const v1::DataSpec& source = spec->data();
  if (source.has_train()) CheckFiles(source.format(), source.train(), &findings);
  if (source.has_eval()) CheckFiles(source.format(), source.eval(), &findings);
  return findings;
}

std::vector<Finding> CheckFleet(const std::string& address) {
  ControlClient control(address);
  const auto fleet = control.DescribeFleet({}, kCallTimeout);
  if (!fleet.ok()) {
    return {{Finding::kBad, "fleet", std::string(fleet.status().message()),
             "is a paceline-server with the coordinator role listening there?"}};
  }
  std::vector<Finding> findings;
  if (fleet->release() != kRelease) {
    findings.push_back({Finding::kBad, "fleet",
                        absl::StrCat(address, " runs release ", fleet->release()),
                        absl::StrCat("this program is of release ", kRelease)});
  } else {
    findings.push_back({Finding::kGood, "fleet", absl::StrCat(address, " answers"), ""});
  }
  const std::string seen = absl::StrCat(Counted(fleet->servers_size(), "server"), ", ",
                                        Counted(fleet->workers_size(), "worker"));
  const bool complete = fleet->servers_size() > 0 && fleet->workers_size() > 0;
  findings.push_back({complete ? Finding::kGood : Finding::kNote, "fleet", seen,
                      complete ? "" : "a job needs at least one of each"});
  return findings;
}

}  // namespace paceline::cli
