#include "server/partition/partition_host.h"

#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "server/partition/partition.h"
#include "server/partition/partition_spec.h"

namespace paceline {
namespace {

absl::Status NotHeld(absl::string_view job, uint32_t partition) {
  return absl::FailedPreconditionError(
      absl::StrCat("partition ", partition, " of ", job, " is not held by this server"));
}

bool HasEndedBadly(v1::JobState state) { return state == v1::CANCELLED || state == v1::FAILED; }

absl::Status EndOf(const v1::JobDirective& directive) {
  return absl::CancelledError(absl::StrCat(
      directive.job(), directive.state() == v1::FAILED ? " has failed" : " was cancelled"));
}

bool IsPlacedOn(const v1::ServerIdentity& self, const v1::PartitionPlacement& placement) {
  return placement.server() == self.id() && placement.server_incarnation() == self.incarnation();
}

std::string ComplaintKey(absl::string_view job, uint32_t partition) {
  return absl::StrCat(job, "/", partition);
}

}  // namespace

struct PartitionHost::Held {
  explicit Held(std::unique_ptr<PartitionPrimary> held)
      : elements(held->elements()), partition(std::move(held)) {}

  const uint64_t elements;
  // The last lock taken; pushes to different partitions take different ones.
  absl::Mutex mutex;
  const std::unique_ptr<PartitionPrimary> partition ABSL_PT_GUARDED_BY(mutex);
};

PartitionHost::PartitionHost(Options options, AnswerSink sink)
    : options_(std::move(options)), sink_(std::move(sink)) {}

PartitionHost::~PartitionHost() = default;

absl::StatusOr<std::shared_ptr<PartitionHost::Held>> PartitionHost::Find(
    const v1::PartitionKey& key) const {
  absl::ReaderMutexLock lock(&table_mutex_);
  const auto job = jobs_.find(key.job());
  if (job == jobs_.end()) return NotHeld(key.job(), key.partition());
  if (!job->second.ended.ok()) return job->second.ended;
  const auto held = job->second.partitions.find(key.partition());
  if (held == job->second.partitions.end()) return NotHeld(key.job(), key.partition());
  return held->second;
}

absl::StatusOr<uint64_t> PartitionHost::Elements(const v1::PartitionKey& key) const {
  ASSIGN_OR_RETURN(const std::shared_ptr<Held> held, Find(key));
  return held->elements;
}

template <typename Event>
void PartitionHost::Dispatch(const v1::PartitionKey& key, uint64_t call, Event event) {
  const absl::StatusOr<std::shared_ptr<Held>> held = Find(key);
  if (!held.ok()) return sink_({call, held.status(), {}, nullptr});
  Answers answers;
  With(held->get(), [&](PartitionPrimary* partition) { event(partition, &answers); });
  Send(std::move(answers));
}

template <typename Event>
void PartitionHost::With(Held* held, Event event) {
  absl::MutexLock lock(&held->mutex);
  PartitionPrimary& partition = *held->partition;
  event(&partition);
  if (partition.TakeNews()) news_.store(true);
}

void PartitionHost::Send(Answers answers) {
  for (Answer& answer : answers) sink_(std::move(answer));
}

void PartitionHost::OnPush(absl::Time now, uint64_t call, const v1::PushHeader& header,
                           std::shared_ptr<Block> gradients, bool want_parameters) {
  Dispatch(header.key(), call, [&](PartitionPrimary* partition, Answers* answers) {
    partition->OnPush(now, call, header, std::move(gradients), want_parameters, answers);
  });
}

void PartitionHost::OnPull(absl::Time now, uint64_t call, const v1::PullRequest& request) {
  Dispatch(request.key(), call, [&](PartitionPrimary* partition, Answers* answers) {
    partition->OnPull(now, call, request, answers);
  });
}

void PartitionHost::OnSettle(absl::Time now, uint64_t call, const v1::SettleRequest& request) {
  Dispatch(request.key(), call, [&](PartitionPrimary* partition, Answers* answers) {
    partition->OnSettle(now, call, request, answers);
  });
}

std::vector<std::shared_ptr<PartitionHost::Held>> PartitionHost::All() const {
  std::vector<std::shared_ptr<Held>> all;
  absl::ReaderMutexLock lock(&table_mutex_);
  for (const auto& [id, job] : jobs_) {
    for (const auto& [index, held] : job.partitions) all.push_back(held);
  }
  return all;
}

void PartitionHost::OnCancel(uint64_t call) {
  for (const std::shared_ptr<Held>& held : All()) {
    With(held.get(), [call](PartitionPrimary* partition) { partition->OnCancel(call); });
  }
}

std::vector<v1::PartitionReport> PartitionHost::Report(absl::Time now) const {
  std::vector<v1::PartitionReport> reports;
  for (const std::shared_ptr<Held>& held : All()) {
    absl::MutexLock lock(&held->mutex);
    reports.push_back(held->partition->Report(now));
  }
  return reports;
}

bool PartitionHost::TakeNews() { return news_.exchange(false); }

void PartitionHost::OnDirectives(absl::Time /*now*/, const v1::ServerSyncReply& reply) {
  if (!reply.changed()) return;
  Answers answers;
  std::vector<std::string> complaints;
  {
    absl::MutexLock lock(&directives_mutex_);
    DropOthers(reply, &answers);
    for (const v1::JobDirective& directive : reply.jobs()) {
      Follow(reply.server(), directive, &answers);
    }
    complaints.swap(unsaid_);
  }
  Send(std::move(answers));
  if (options_.complain == nullptr) return;
  for (const std::string& complaint : complaints) options_.complain(complaint);
}

void PartitionHost::DropOthers(const v1::ServerSyncReply& reply, Answers* answers) {
  std::map<std::string, std::set<uint32_t>> named;
  for (const v1::JobDirective& directive : reply.jobs()) {
    std::set<uint32_t>& partitions = named[directive.job()];
    for (const v1::PartitionPlacement& placement : directive.placement()) {
      if (IsPlacedOn(reply.server(), placement)) partitions.insert(placement.partition());
    }
  }
  std::vector<std::pair<std::shared_ptr<Held>, absl::Status>> dropped;
  {
    absl::MutexLock lock(&table_mutex_);
    for (auto job = jobs_.begin(); job != jobs_.end();) {
      const auto kept = named.find(job->first);
      auto& partitions = job->second.partitions;
      for (auto it = partitions.begin(); it != partitions.end();) {
        if (kept != named.end() && kept->second.count(it->first) > 0) {
          ++it;
          continue;
        }
        complaints_.erase(ComplaintKey(job->first, it->first));
        dropped.emplace_back(it->second, NotHeld(job->first, it->first));
        it = partitions.erase(it);
      }
      job = kept == named.end() ? jobs_.erase(job) : std::next(job);
    }
  }
  for (const auto& [held, reason] : dropped) {
    With(held.get(),
         [&, &why = reason](PartitionPrimary* partition) { partition->End(why, answers); });
  }
}

void PartitionHost::Follow(const v1::ServerIdentity& self, const v1::JobDirective& directive,
                           Answers* answers) {
  std::map<uint32_t, std::shared_ptr<Held>> held;
  {
    absl::MutexLock lock(&table_mutex_);
    Job& job = jobs_[directive.job()];
    if (HasEndedBadly(directive.state()) && job.ended.ok()) job.ended = EndOf(directive);
    held = job.partitions;
  }
  if (HasEndedBadly(directive.state())) {
    for (const auto& [index, one] : held) {
      With(one.get(),
           [&](PartitionPrimary* partition) { partition->End(EndOf(directive), answers); });
    }
    return;
  }
  absl::StatusOr<JobLayout> layout = absl::UnknownError("not worked out yet");
  for (const v1::PartitionPlacement& placement : directive.placement()) {
    if (!IsPlacedOn(self, placement)) continue;
    const auto it = held.find(placement.partition());
    absl::Status status;
    if (it != held.end()) {
      With(it->second.get(), [&](PartitionPrimary* partition) {
        status = partition->OnDirective(directive, placement.term(), answers);
      });
    } else {
      if (absl::IsUnknown(layout.status())) layout = LayoutOf(directive);
      status = layout.ok() ? CreatePartition(directive, *layout, placement) : layout.status();
    }
    NoteComplaint(directive.job(), placement.partition(), status);
  }
}

absl::Status PartitionHost::CreatePartition(const v1::JobDirective& directive,
                                            const JobLayout& layout,
                                            const v1::PartitionPlacement& placement) {
  const uint32_t index = placement.partition();
  if (index >= layout.partitions.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("partition ", index, " is placed; the job has ", layout.partitions.size()));
  }
  ASSIGN_OR_RETURN(PartitionSpec spec, PartitionSpecOf(directive, layout, index));
  ASSIGN_OR_RETURN(auto partition,
                   PartitionPrimary::Create(std::move(spec), directive, placement.term(),
                                            InitialBlock(layout, index),
                                            std::make_unique<LocalLog>(options_.log)));
  auto held = std::make_shared<Held>(std::move(partition));
  absl::MutexLock lock(&table_mutex_);
  jobs_[directive.job()].partitions.emplace(index, std::move(held));
  return absl::OkStatus();
}

void PartitionHost::NoteComplaint(const std::string& job, uint32_t partition,
                                  const absl::Status& status) {
  const std::string key = ComplaintKey(job, partition);
  if (status.ok()) {
    complaints_.erase(key);
    return;
  }
  std::string& said = complaints_[key];
  if (said == status.message()) return;
  said = std::string(status.message());
  unsaid_.push_back(absl::StrCat("partition ", partition, " of ", job,
                                 ": directive refused: ", status.ToString()));
}

}  // namespace paceline
