// What a run leaves behind, as plain files: spec.yaml, metrics.jsonl, events.jsonl, summary.json,
// model.safetensors, and the logs of its processes in logs/.
//
// Errors   AlreadyExists: the folder holds a run. InvalidArgument: it cannot be made.
//          ResourceExhausted: a line could not be written. Else the system's, with the path.
// Threads  One object, one thread.
#ifndef PACELINE_CLI_RUN_DIRECTORY_H_
#define PACELINE_CLI_RUN_DIRECTORY_H_

#include <fstream>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "proto/control.pb.h"

namespace paceline::cli {

class RunDirectory {
 public:
  // Makes `path` (empty: runs/<name>-<date>-<time>) with the spec in it.
  static absl::StatusOr<std::unique_ptr<RunDirectory>> Create(const std::string& path,
                                                              const v1::JobSpec& spec);

  const std::string& path() const { return path_; }
  std::string logs() const { return path_ + "/logs"; }
  std::string model() const { return path_ + "/model.safetensors"; }

  // A line each in metrics.jsonl and events.jsonl; WriteSummary says if one could not be written.
  void AddMetrics(const v1::JobStatus& job, double unix_s);
  void AddEvent(const v1::Event& event);
  // summary.json, the last of the files.
  absl::Status WriteSummary(const std::string& json);

 private:
  explicit RunDirectory(std::string path) : path_(std::move(path)) {}

  const std::string path_;
  std::ofstream metrics_;
  std::ofstream events_;
};

}  // namespace paceline::cli

#endif  // PACELINE_CLI_RUN_DIRECTORY_H_
