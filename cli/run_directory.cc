#include "cli/run_directory.h"

#include <filesystem>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "cli/render.h"
#include "common/base/file.h"
#include "common/base/status_macros.h"
#include "common/job/job_spec.h"
#include "server/checkpoint/safetensors.h"

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
                                                                   v1::JobSpec* spec) {
  const std::string folder = path.empty() ? FreshFolder(spec->name()) : path;
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
  if (spec->has_checkpoint() && spec->checkpoint().path().empty()) {
    const fs::path checkpoints = fs::absolute(fs::path(folder) / "checkpoints", error);
    if (!error) fs::create_directory(checkpoints, error);
    if (error) {
      return absl::InvalidArgumentError(
          absl::StrCat("cannot make ", folder, "/checkpoints: ", error.message()));
    }
    spec->mutable_checkpoint()->set_path(checkpoints.lexically_normal().string());
  }
  auto directory = std::unique_ptr<RunDirectory>(new RunDirectory(folder));
  RETURN_IF_ERROR(WriteFileAtomically(folder + "/spec.yaml", SpecToYaml(*spec)));
  directory->metrics_.open(folder + "/metrics.jsonl");
  directory->events_.open(folder + "/events.jsonl");
  return directory;
}

absl::Status RunDirectory::WriteModel(const std::vector<ParameterInfo>& parameters,
                                      absl::Span<const float> flat,
                                      const std::map<std::string, std::string>& metadata) {
  if (TotalElements(parameters) != flat.size()) {
    return absl::InvalidArgumentError(absl::StrCat(
        model(), ": ", flat.size(), " elements for parameters of ", TotalElements(parameters)));
  }
  std::vector<SafetensorsTensor> tensors;
  for (const ParameterInfo& parameter : parameters) {
    tensors.push_back({parameter.name, parameter.shape});
  }
  ASSIGN_OR_RETURN(std::string file, SafetensorsHeader(tensors, metadata));
  file.append(reinterpret_cast<const char*>(flat.data()), flat.size() * sizeof(float));
  return WriteFileAtomically(model(), file);
}

void RunDirectory::AddMetrics(const v1::JobStatus& job, double unix_s) {
  std::vector<v1::Evaluation> fresh;
  for (const v1::Evaluation& evaluation : job.evaluations()) {
    const auto key = std::make_tuple(evaluation.epoch(), evaluation.version(), evaluation.final());
    if (!evaluations_.insert(key).second) continue;
    fresh.push_back(evaluation);
  }
  metrics_ << MetricsJson(job, unix_s, fresh) << std::endl;
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
