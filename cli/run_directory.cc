#include "cli/run_directory.h"

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "cli/render.h"
#include "common/base/file.h"
#include "common/base/status_macros.h"
#include "common/job/job_spec.h"

namespace paceline::cli {

namespace {

namespace fs = std::filesystem;

// runs/<name>-<date>-<time>, with a number behind it if that is taken.
std::string FreshFolder(const std::string& name) {
  const std::string stem = absl::StrCat(
      "runs/", name, "-", absl::FormatTime("%Y%m%d-%H%M%S", absl::Now(), absl::LocalTimeZone()));
  std::string folder = stem;
  std::error_code error;
  for (int i = 2; fs::exists(folder, error); ++i) folder = absl::StrCat(stem, "-", i);
  return folder;
}

}  // namespace

absl::StatusOr<std::unique_ptr<RunDirectory>> RunDirectory::Create(const std::string& path,
                                                                   const v1::JobSpec& spec) {
  const std::string folder = path.empty() ? FreshFolder(spec.name()) : path;
  std::error_code error;
  if (fs::exists(fs::path(folder) / "spec.yaml", error)) {
    return absl::AlreadyExistsError(
        absl::StrCat(folder, " holds a run already; name another folder with --run-dir"));
  }
  fs::create_directories(fs::path(folder) / "logs", error);
  if (error) {
    return absl::InvalidArgumentError(
        absl::StrCat("cannot make ", folder, "/logs: ", error.message()));
  }
  auto directory = std::unique_ptr<RunDirectory>(new RunDirectory(folder));
  RETURN_IF_ERROR(WriteFileAtomically(folder + "/spec.yaml", SpecToYaml(spec)));
  directory->metrics_.open(folder + "/metrics.jsonl");
  directory->events_.open(folder + "/events.jsonl");
  return directory;
}

void RunDirectory::AddMetrics(const v1::JobStatus& job, double unix_s) {
  metrics_ << MetricsJson(job, unix_s) << std::endl;
}

void RunDirectory::AddEvent(const v1::Event& event) { events_ << EventJson(event) << std::endl; }

absl::Status RunDirectory::WriteSummary(const std::string& json) {
  if (!metrics_ || !events_) {
    return absl::ResourceExhaustedError(absl::StrCat("cannot write ", path_,
                                                     !metrics_ ? "/metrics.jsonl" : "/events.jsonl",
                                                     "; is the disk full?"));
  }
  return WriteFileAtomically(path_ + "/summary.json", json + "\n");
}

}  // namespace paceline::cli
