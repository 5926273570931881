#include "worker/agent/agent.h"

#include <unistd.h>

#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/version.h"

namespace paceline {
namespace {

// A sync is answered within the interval; this much more is for a coordinator that has gone silent.
// Once the lease is known it is a quarter of that: an answer that is lost must not cost the lease.
constexpr absl::Duration kSyncSlack = absl::Seconds(3);
constexpr int kSlacksInLease = 4;
constexpr absl::Duration kRetry = absl::Milliseconds(250);
constexpr absl::Duration kLeaveTimeout = absl::Seconds(1);

std::string HostName() {
  char name[256] = {};
  return ::gethostname(name, sizeof(name) - 1) == 0 ? name : "unknown";
}

// Whether asking again may help.
bool IsPassing(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kInternal:
      return true;
    default:
      return false;
  }
}

}  // namespace

Agent::Agent(AgentOptions options, Logger* logger)
    : options_(std::move(options)),
      logger_(logger),
      control_(options_.coordinator),
      sync_slack_(kSyncSlack) {
  worker_.set_id(options_.id);
  view_.id = options_.id;
  view_.release = kRelease;
}

Agent::~Agent() = default;

void Agent::Stop() {
  absl::MutexLock lock(&mutex_);
  stopping_ = true;
}

bool Agent::stopping() {
  absl::MutexLock lock(&mutex_);
  return stopping_;
}

bool Agent::WaitFor(absl::Duration timeout) {
  absl::MutexLock lock(&mutex_);
  return mutex_.AwaitWithTimeout(absl::Condition(&stopping_), timeout);
}

WorkerView Agent::View() {
  absl::MutexLock lock(&mutex_);
  return view_;
}

void Agent::Note(const v1::WorkerSyncRequest& request, bool in_sync) {
  absl::MutexLock lock(&mutex_);
  view_.in_sync = in_sync;
  view_.jobs.assign(request.jobs().begin(), request.jobs().end());
}

absl::Status Agent::Run() {
  bool reachable = true;
  while (!stopping()) {
    const v1::WorkerSyncRequest request = MakeRequest();
    const auto reply = control_.WorkerSync(request, sync_interval_ + sync_slack_);
    Note(request, reply.ok());
    if (reply.ok()) {
      if (!reachable) logger_->Log(LogLevel::kInfo, "in sync with the coordinator again");
      reachable = true;
      Apply(request, *reply);
      continue;
    }
    const std::string error(reply.status().message());
    const bool is_known = worker_.incarnation() != 0;
    const bool is_refused = absl::IsFailedPrecondition(reply.status());
    if (!IsPassing(reply.status()) || (is_refused && !is_known)) return reply.status();
    if (is_refused) {
      logger_->Log(LogLevel::kWarning, "registering anew", {{"reason", error}});
      StartAnew();
    } else if (reachable) {
      reachable = false;
      logger_->Log(LogLevel::kWarning, "cannot sync with the coordinator; asking again",
                   {{"reason", error}});
    }
    WaitFor(kRetry);
  }
  Leave();
  return absl::OkStatus();
}

v1::WorkerSyncRequest Agent::MakeRequest() {
  v1::WorkerSyncRequest request;
  *request.mutable_worker() = worker_;
  request.set_release(kRelease);
  request.set_host(HostName());
  request.set_pid(static_cast<uint64_t>(::getpid()));
  request.set_known_version(known_version_);
  request.set_slots(options_.slots);
  for (const auto& [job, runner] : runners_) *request.add_jobs() = runner->Report();
  return request;
}

void Agent::Apply(const v1::WorkerSyncRequest& request, const v1::WorkerSyncReply& reply) {
  for (const v1::WorkerJobReport& report : request.jobs()) {
    if (reply.evaluations_not_kept()) break;
    const auto found = runners_.find(report.job());
    if (found != runners_.end()) found->second->OnReported(report);
  }
  if (reply.worker().incarnation() != worker_.incarnation()) {
    worker_ = reply.worker();
    logger_->Log(LogLevel::kInfo, "registered",
                 {{"worker", absl::StrCat(worker_.id(), "#", worker_.incarnation())}});
  }
  sync_interval_ = absl::Milliseconds(reply.sync_interval_ms());
  sync_slack_ = absl::Milliseconds(reply.lease_ms()) / kSlacksInLease;
  if (reply.changed()) ApplyDirectives(reply);
}

void Agent::ApplyDirectives(const v1::WorkerSyncReply& reply) {
  known_version_ = reply.version();
  std::set<std::string> named;
  for (const v1::JobDirective& directive : reply.jobs()) {
    named.insert(directive.job());
    auto& runner = runners_[directive.job()];
    if (runner != nullptr) {
      runner->OnDirective(directive);
      continue;
    }
    logger_->Log(LogLevel::kInfo, "joining a job", {{"job", directive.job()}});
    runner = std::make_unique<JobRunner>(worker_, directive, options_.coordinator, logger_,
                                         options_.runner);
  }
  for (auto it = runners_.begin(); it != runners_.end();) {
    if (named.count(it->first) > 0) {
      ++it;
      continue;
    }
    logger_->Log(LogLevel::kInfo, "leaving a job", {{"job", it->first}});
    it = runners_.erase(it);
  }
}

void Agent::StartAnew() {
  runners_.clear();
  worker_.set_incarnation(0);
  known_version_ = 0;
}

void Agent::Leave() {
  runners_.clear();
  if (worker_.incarnation() == 0) return;
  v1::WorkerSyncRequest request = MakeRequest();
  request.set_leaving(true);
  const auto reply = control_.WorkerSync(request, kLeaveTimeout);
  if (!reply.ok()) {
    logger_->Log(LogLevel::kWarning, "could not say goodbye; the lease will expire",
                 {{"error", std::string(reply.status().message())}});
  }
}

}  // namespace paceline
