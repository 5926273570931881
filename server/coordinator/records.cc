#include "server/coordinator/records.h"

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "common/base/check.h"
#include "common/base/status_macros.h"

namespace paceline {
namespace {

constexpr uint32_t kSchema = 1;
constexpr char kCoordinatorKey[] = "coordinator";

std::string JobKey(uint64_t number) { return absl::StrFormat("job/%020d", number); }

std::string EvaluationKey(uint64_t number, uint32_t epoch) {
  return absl::StrFormat("evaluation/%020d/%010d", number, epoch);
}

absl::Status Damaged(const std::string& key) {
  return absl::DataLossError(
      absl::StrCat("coordinator: the store's entry '", key, "' is not one that a coordinator wrote"));
}

template <typename Message>
absl::StatusOr<Message> Parse(const Entry& entry) {
  Message message;
  if (!message.ParseFromString(entry.value)) return Damaged(entry.key);
  return message;
}

template <typename Message>
void Encode(const std::string& key, const std::optional<Message>& message, Transaction* out) {
  if (message.has_value()) {
    out->puts.push_back({key, message->SerializeAsString()});
  } else {
    out->deletes.push_back({key});
  }
}

template <typename Key, typename Message>
void ApplyAll(std::map<Key, std::optional<Message>>* changes, std::map<Key, Message>* records) {
  for (auto& [key, change] : *changes) {
    if (change.has_value()) {
      (*records)[key] = *std::move(change);
    } else {
      records->erase(key);
    }
  }
}

template <typename Key, typename Message>
Message* Copy(const Key& key, const std::map<Key, Message>& records,
              std::map<Key, std::optional<Message>>* changes) {
  std::optional<Message>& change = (*changes)[key];
  if (!change.has_value()) {
    const auto it = records.find(key);
    change = it == records.end() ? Message() : it->second;
  }
  return &*change;
}

absl::Status StoreFailed(const absl::Status& status) {
  return absl::UnavailableError(
      absl::StrCat("the coordinator's store failed: ", status.message()));
}

}  // namespace

const Records::Evaluations& Records::evaluations(uint64_t job) const {
  static const Evaluations& none = *new Evaluations;
  const auto it = evaluations_.find(job);
  return it == evaluations_.end() ? none : it->second;
}

absl::Status Records::Read(const Entry& entry) {
  absl::string_view key = entry.key;
  if (key == kCoordinatorKey) {
    ASSIGN_OR_RETURN(coordinator_, Parse<state::CoordinatorRecord>(entry));
    fence_ = entry.revision;
    return absl::OkStatus();
  }
  if (absl::ConsumePrefix(&key, "worker/")) {
    ASSIGN_OR_RETURN(workers_[std::string(key)], Parse<state::WorkerRecord>(entry));
    return absl::OkStatus();
  }
  if (absl::ConsumePrefix(&key, "server/")) {
    ASSIGN_OR_RETURN(servers_[std::string(key)], Parse<state::ServerRecord>(entry));
    return absl::OkStatus();
  }
  if (absl::ConsumePrefix(&key, "job/")) {
    ASSIGN_OR_RETURN(state::JobRecord job, Parse<state::JobRecord>(entry));
    if (entry.key != JobKey(job.number())) return Damaged(entry.key);
    jobs_[job.number()] = std::move(job);
    return absl::OkStatus();
  }
  uint64_t number = 0;
  if (absl::ConsumePrefix(&key, "evaluation/") && absl::SimpleAtoi(key.substr(0, 20), &number)) {
    ASSIGN_OR_RETURN(v1::Evaluation evaluation, Parse<v1::Evaluation>(entry));
    evaluations_[number][evaluation.epoch()] = std::move(evaluation);
    return absl::OkStatus();
  }
  return Damaged(entry.key);
}

absl::StatusOr<Records> Records::Load(Store* store) {
  Records records(store);
  ASSIGN_OR_RETURN(const std::vector<Entry> entries, store->Range(""));
  for (const Entry& entry : entries) RETURN_IF_ERROR(records.Read(entry));
  if (records.fence_ == 0 && !entries.empty()) return Damaged(entries.front().key);
  if (records.coordinator_.schema() > kSchema) {
    return absl::FailedPreconditionError(
        absl::StrCat("coordinator: the store was written by a newer release (schema ",
                     records.coordinator_.schema(), "; this one knows ", kSchema, ")"));
  }
  Edit edit(&records);
  edit.coordinator()->set_schema(kSchema);
  edit.coordinator()->set_lives(records.coordinator_.lives() + 1);
  RETURN_IF_ERROR(edit.Commit());
  return records;
}

state::CoordinatorRecord* Edit::coordinator() {
  if (!coordinator_.has_value()) coordinator_ = records_->coordinator_;
  return &*coordinator_;
}

state::WorkerRecord* Edit::worker(const std::string& id) {
  return Copy(id, records_->workers_, &workers_);
}

state::ServerRecord* Edit::server(const std::string& id) {
  return Copy(id, records_->servers_, &servers_);
}

state::JobRecord* Edit::job(uint64_t number) { return Copy(number, records_->jobs_, &jobs_); }

void Edit::AddEvaluation(uint64_t job, const v1::Evaluation& evaluation) {
  evaluations_[{job, evaluation.epoch()}] = evaluation;
}

bool Edit::empty() const {
  return !coordinator_.has_value() && workers_.empty() && servers_.empty() && jobs_.empty() &&
         evaluations_.empty();
}

Transaction Edit::Encode() const {
  Transaction out;
  out.compares.push_back({kCoordinatorKey, records_->fence_});
  if (coordinator_.has_value()) paceline::Encode(kCoordinatorKey, coordinator_, &out);
  for (const auto& [id, worker] : workers_) paceline::Encode("worker/" + id, worker, &out);
  for (const auto& [id, server] : servers_) paceline::Encode("server/" + id, server, &out);
  for (const auto& [number, job] : jobs_) {
    paceline::Encode(JobKey(number), job, &out);
    if (job.has_value()) continue;
    for (const auto& [epoch, evaluation] : records_->evaluations(number)) {
      out.deletes.push_back({EvaluationKey(number, epoch)});
    }
  }
  for (const auto& [key, evaluation] : evaluations_) {
    paceline::Encode(EvaluationKey(key.first, key.second), evaluation, &out);
  }
  return out;
}

void Edit::Apply(uint64_t revision) {
  if (coordinator_.has_value()) {
    records_->coordinator_ = *std::move(coordinator_);
    records_->fence_ = revision;
  }
  for (const auto& [number, job] : jobs_) {
    if (!job.has_value()) records_->evaluations_.erase(number);
  }
  ApplyAll(&workers_, &records_->workers_);
  ApplyAll(&servers_, &records_->servers_);
  ApplyAll(&jobs_, &records_->jobs_);
  for (auto& [key, evaluation] : evaluations_) {
    Records::Evaluations& of_job = records_->evaluations_[key.first];
    if (evaluation.has_value()) {
      of_job[key.second] = *std::move(evaluation);
    } else {
      of_job.erase(key.second);
    }
  }
}

absl::Status Records::health() const {
  const absl::Status status = store_->health();
  return status.ok() ? status : StoreFailed(status);
}

absl::Status Edit::Commit() {
  if (!empty()) {
    const absl::StatusOr<CommitResult> result = records_->store_->Commit(Encode());
    if (!result.ok()) return StoreFailed(result.status());
    if (!result->committed) {
      return absl::UnavailableError("another coordinator has taken over this one's store");
    }
    Apply(result->revision);
  }
  std::vector<std::function<void()>> effects;
  effects.swap(effects_);
  for (const auto& effect : effects) effect();
  return absl::OkStatus();
}

}  // namespace paceline
