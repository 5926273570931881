// What a run leaves behind, as plain files: spec.yaml, metrics.jsonl, events.jsonl, summary.json,
// model.safetensors, checkpoints/, and the logs of its processes in logs/.
//
// Errors   AlreadyExists: the folder holds a run. InvalidArgument: it cannot be made.
//          ResourceExhausted: a line could not be written. Else the system's, with the path.
// Threads  One object, one thread.
#ifndef PACELINE_CLI_RUN_DIRECTORY_H_
#define PACELINE_CLI_RUN_DIRECTORY_H_

#include <cstdint>
#include <fstream>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "common/job/parameters.h"
#include "proto/control.pb.h"

namespace paceline::cli {

class RunDirectory {
 public:
  // Makes `path` (empty: runs/<name>-<date>-<time>) with the spec in it. A spec that asks for
  // checkpoints and says not where gets the folder checkpoints/ for them.
  static absl::StatusOr<std::unique_ptr<RunDirectory>> Create(const std::string& path,
                                                              v1::JobSpec* spec);

  const std::string& path() const { return path_; }
  std::string logs() const { return path_ + "/logs"; }
  std::string model() const { return path_ + "/model.safetensors"; }

  // model.safetensors: `flat` holds every element of `parameters`, end to end. InvalidArgument: it
  // has more or fewer, or a parameter has a name that no tensor can have; nothing is written.
  absl::Status WriteModel(const std::vector<ParameterInfo>& parameters,
                          absl::Span<const float> flat,
                          const std::map<std::string, std::string>& metadata);

  // A line each in metrics.jsonl, with the evaluations that no line has had before, and in
  // events.jsonl; WriteSummary says if one could not be written.
  void AddMetrics(const v1::JobStatus& job, double unix_s);
  void AddEvent(const v1::Event& event);
  // summary.json, the last of the files.
  absl::Status WriteSummary(const std::string& json);

 private:
  explicit RunDirectory(std::string path) : path_(std::move(path)) {}

  const std::string path_;
  // (epoch, version, final) of those written: after a restore an epoch may be evaluated again.
  std::set<std::tuple<uint32_t, uint64_t, bool>> evaluations_;
  std::ofstream metrics_;
  std::ofstream events_;
};

}  // namespace paceline::cli

#endif  // PACELINE_CLI_RUN_DIRECTORY_H_
