// The coordinator's durable state: in memory for reading, changed only through Edit.
//
// Errors   Load: DataLoss: a record that no coordinator wrote; FailedPrecondition: a newer schema.
//          Commit: Unavailable, with the store's reason; nothing has changed, in memory or the store.
// Threads  One object, one thread.
// Source   state.proto.
#ifndef PACELINE_SERVER_COORDINATOR_RECORDS_H_
#define PACELINE_SERVER_COORDINATOR_RECORDS_H_

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "proto/control.pb.h"
#include "server/coordinator/state.pb.h"
#include "server/store/store.h"

namespace paceline {

class Records {
 public:
  // Evaluations of one job by epoch.
  using Evaluations = std::map<uint32_t, v1::Evaluation>;

  // Reads everything and begins a new life: an earlier coordinator that is still there can write no
  // longer.
  static absl::StatusOr<Records> Load(Store* store);

  const state::CoordinatorRecord& coordinator() const { return coordinator_; }
  const std::map<std::string, state::WorkerRecord>& workers() const { return workers_; }
  const std::map<std::string, state::ServerRecord>& servers() const { return servers_; }
  const std::map<uint64_t, state::JobRecord>& jobs() const { return jobs_; }
  const Evaluations& evaluations(uint64_t job) const;

  // Store::health, in the words of a commit that fails.
  absl::Status health() const;

 private:
  friend class Edit;

  explicit Records(Store* store) : store_(store) {}
  absl::Status Read(const Entry& entry);

  Store* store_;
  uint64_t fence_ = 0;  // The revision of the coordinator's record.
  state::CoordinatorRecord coordinator_;
  std::map<std::string, state::WorkerRecord> workers_;
  std::map<std::string, state::ServerRecord> servers_;
  std::map<uint64_t, state::JobRecord> jobs_;
  std::map<uint64_t, Evaluations> evaluations_;
};

// Changes that become durable, and visible in Records, together or not at all.
class Edit {
 public:
  explicit Edit(Records* records) : records_(records) {}
  Edit(const Edit&) = delete;
  Edit& operator=(const Edit&) = delete;

  // Copies to change. A worker, server or job that is not there yet is created.
  state::CoordinatorRecord* coordinator();
  state::WorkerRecord* worker(const std::string& id);
  state::ServerRecord* server(const std::string& id);
  state::JobRecord* job(uint64_t number);

  void RemoveWorker(const std::string& id) { workers_[id] = std::nullopt; }
  void RemoveServer(const std::string& id) { servers_[id] = std::nullopt; }
  void RemoveJob(uint64_t number) { jobs_[number] = std::nullopt; }  // And its evaluations.
  void AddEvaluation(uint64_t job, const v1::Evaluation& evaluation);
  void RemoveEvaluation(uint64_t job, uint32_t epoch) { evaluations_[{job, epoch}] = std::nullopt; }

  // What is to happen once the changes are durable, in order.
  void Then(std::function<void()> effect) { effects_.push_back(std::move(effect)); }

  bool empty() const;

  // Writes the changes, applies them, runs the effects. Once. An empty edit writes nothing.
  absl::Status Commit();

 private:
  Transaction Encode() const;
  void Apply(uint64_t revision);

  Records* records_;
  std::optional<state::CoordinatorRecord> coordinator_;
  std::map<std::string, std::optional<state::WorkerRecord>> workers_;
  std::map<std::string, std::optional<state::ServerRecord>> servers_;
  std::map<uint64_t, std::optional<state::JobRecord>> jobs_;
  std::map<std::pair<uint64_t, uint32_t>, std::optional<v1::Evaluation>> evaluations_;
  std::vector<std::function<void()>> effects_;
};

}  // namespace paceline

#endif  // PACELINE_SERVER_COORDINATOR_RECORDS_H_
