#include "server/partition/partition_testing.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/job/job_work.h"
#include "common/tensor/block.h"
#include "server/partition/replicated_state.h"

namespace paceline {
namespace {

// Two of these are cut into two partitions on two servers' worth.
constexpr uint64_t kBareElements = 20000;

// Keeps every entry; commits at once or never by itself.
class TestLog final : public ReplicaLog {
 public:
  TestLog(std::shared_ptr<std::vector<LogEntry>> entries, std::shared_ptr<uint64_t> committed,
          const RigOptions& options)
      : entries_(std::move(entries)),
        committed_(std::move(committed)),
        commits_at_once_(options.commits_at_once),
        ahead_(options.ahead) {}

  uint64_t Append(absl::Time /*now*/, LogEntry entry) override {
    PACELINE_CHECK(entry.index == entries_->size() + 1);
    entries_->push_back(std::move(entry));
    if (commits_at_once_) *committed_ = entries_->size();
    return *committed_;
  }
  uint32_t copies_in_sync() const override { return 1; }
  uint32_t min_in_sync() const override { return 1; }
  uint64_t acknowledgeable() const override {
    return std::min<uint64_t>(entries_->size(), *committed_ + ahead_);
  }
  bool may_answer(absl::Time /*now*/) const override { return true; }
  std::vector<std::string> Awaited(uint64_t /*index*/) const override { return {}; }
  std::vector<std::string> Unpromised(absl::Time /*now*/) const override { return {}; }

 private:
  const std::shared_ptr<std::vector<LogEntry>> entries_;
  const std::shared_ptr<uint64_t> committed_;
  const bool commits_at_once_;
  const uint64_t ahead_;
};

}  // namespace

v1::ConsistencySpec SyncSpec() {
  v1::ConsistencySpec spec;
  spec.mutable_sync();
  return spec;
}

v1::ConsistencySpec QuorumSpec(uint32_t workers, double grace, double carry_weight) {
  v1::ConsistencySpec spec;
  v1::QuorumMode* const quorum = spec.mutable_quorum();
  quorum->set_workers(workers);
  quorum->set_grace(grace);
  if (carry_weight > 0) {
    quorum->set_on_late(v1::QuorumMode::CARRY);
    quorum->set_carry_weight(carry_weight);
  }
  return spec;
}

v1::ConsistencySpec SspSpec(uint32_t staleness) {
  v1::ConsistencySpec spec;
  spec.mutable_ssp()->set_staleness(staleness);
  return spec;
}

v1::ConsistencySpec AsyncSpec(absl::optional<uint64_t> max_staleness,
                              v1::AsyncMode::OnStale on_stale) {
  v1::ConsistencySpec spec;
  v1::AsyncMode* const async = spec.mutable_async();
  if (max_staleness.has_value()) {
    async->set_max_staleness(*max_staleness);
    async->set_on_stale(on_stale);
  }
  return spec;
}

v1::OptimizerSpec SgdWith(float learning_rate) {
  v1::OptimizerSpec spec;
  spec.mutable_sgd()->set_learning_rate(learning_rate);
  spec.set_weight_decay(0);
  spec.mutable_schedule()->set_warmup_steps(0);
  spec.mutable_schedule()->mutable_constant();
  return spec;
}

v1::WorkerIdentity WorkerOf(const std::string& id, uint64_t incarnation) {
  v1::WorkerIdentity worker;
  worker.set_id(id);
  worker.set_incarnation(incarnation);
  return worker;
}

v1::Roster RosterOf(uint32_t members, uint64_t version) {
  v1::Roster roster;
  roster.set_version(version);
  for (uint32_t i = 1; i <= members; ++i) {
    *roster.add_members()->mutable_worker() = WorkerOf(absl::StrCat("w", i));
  }
  return roster;
}

v1::JobDirective BareJob(const std::string& name) {
  v1::JobDirective directive;
  directive.set_job(name);
  directive.set_state(v1::RUNNING);
  v1::JobSpec* const spec = directive.mutable_spec();
  spec->set_seed(1);
  for (const std::string parameter : {"a", "b"}) {
    v1::ParameterSpec* const added = spec->mutable_model()->add_parameters();
    added->set_name(parameter);
    added->add_shape(kBareElements);
  }
  *spec->mutable_optimizer() = SgdWith(1);
  spec->mutable_fleet()->set_servers(2);
  *directive.mutable_segment()->mutable_consistency() = SspSpec(0);
  *directive.mutable_roster() = RosterOf(2);
  for (uint32_t i = 0; i < 2; ++i) {
    v1::PartitionPlacement* const placement = directive.add_placement();
    placement->set_partition(i);
    placement->set_term(1);
    placement->set_server("s1");
    placement->set_server_incarnation(1);
  }
  return directive;
}

v1::PartitionKey KeyOf(const std::string& job, uint32_t partition, uint64_t term) {
  v1::PartitionKey key;
  key.set_job(job);
  key.set_partition(partition);
  key.set_term(term);
  return key;
}

PartitionRig::PartitionRig(const RigOptions& options)
    : entries_(std::make_shared<std::vector<LogEntry>>()),
      committed_(std::make_shared<uint64_t>(0)) {
  PartitionSpec spec;
  spec.job = "job-1";
  spec.optimizer = options.optimizer;
  spec.segment_elements = options.segment_elements;
  for (const uint64_t elements : spec.segment_elements) spec.elements += elements;
  spec.work = options.work;
  directive_.set_job(spec.job);
  directive_.set_state(v1::RUNNING);
  *directive_.mutable_segment()->mutable_consistency() = options.consistency;
  *directive_.mutable_roster() = options.roster;
  directive_.set_granted_rounds(1000);
  if (options.ahead > 0) {
    directive_.mutable_spec()->mutable_fleet()->set_acks(v1::FleetSpec::LEADER);
  }
  auto initial = std::make_shared<Block>(spec.elements);
  std::fill(initial->floats().begin(), initial->floats().end(), 0.0f);
  auto shape = StateShape::Create(spec, 256);
  PACELINE_CHECK(shape.ok());
  auto partition =
      PartitionPrimary::Create(directive_, 1, ReplicatedState::FromSeed(*shape, std::move(initial)),
                               std::make_unique<TestLog>(entries_, committed_, options));
  PACELINE_CHECK(partition.ok());
  partition_ = *std::move(partition);
}

v1::PartitionKey PartitionRig::key() const {
  v1::PartitionKey key;
  key.set_job("job-1");
  key.set_term(1);
  key.set_segment(directive_.segment().index());
  return key;
}

v1::PushHeader PartitionRig::Header(const std::string& worker, uint64_t clock) const {
  v1::PushHeader header;
  *header.mutable_key() = key();
  *header.mutable_worker() = WorkerOf(worker);
  header.set_clock(clock);
  const bool has_rounds = HasRounds(directive_.segment().consistency());
  header.set_base_version(has_rounds ? clock : partition_->version());
  header.set_dtype(v1::FLOAT32);
  return header;
}

v1::PushHeader PartitionRig::Header(const std::string& worker, uint64_t clock, uint64_t first_shard,
                                    uint32_t shards, double weight) const {
  v1::PushHeader header = Header(worker, clock);
  v1::Piece* const piece = header.add_pieces();
  piece->set_first_shard(first_shard);
  piece->set_shards(shards);
  piece->set_weight(weight);
  piece->set_samples(1);
  return header;
}

uint64_t PartitionRig::DoPush(const v1::PushHeader& header, const std::vector<float>& gradients,
                              bool want_parameters) {
  auto block = std::make_shared<Block>(gradients.size());
  std::copy(gradients.begin(), gradients.end(), block->floats().begin());
  PartitionPrimary::Answers answers;
  partition_->OnPush(now_, next_call_, header, std::move(block), want_parameters, &answers);
  Take(std::move(answers));
  return next_call_++;
}

uint64_t PartitionRig::Push(const v1::PushHeader& header, const std::vector<float>& gradients) {
  return DoPush(header, gradients, false);
}

uint64_t PartitionRig::Exchange(const v1::PushHeader& header, const std::vector<float>& gradients) {
  return DoPush(header, gradients, true);
}

uint64_t PartitionRig::Pull(absl::optional<uint64_t> exact_version, uint64_t clock,
                            bool offers_help) {
  v1::PullRequest request;
  *request.mutable_key() = key();
  if (exact_version.has_value()) request.set_exact_version(*exact_version);
  request.set_clock(clock);
  request.set_offers_help(offers_help);
  PartitionPrimary::Answers answers;
  partition_->OnPull(now_, next_call_, request, &answers);
  Take(std::move(answers));
  return next_call_++;
}

uint64_t PartitionRig::Settle(uint64_t clock, double total_square_norm) {
  v1::SettleRequest request;
  *request.mutable_key() = key();
  *request.mutable_worker() = WorkerOf("w1");
  request.set_clock(clock);
  request.set_total_square_norm(total_square_norm);
  PartitionPrimary::Answers answers;
  partition_->OnSettle(now_, next_call_, request, &answers);
  Take(std::move(answers));
  return next_call_++;
}

absl::Status PartitionRig::Direct(uint64_t term) {
  PartitionPrimary::Answers answers;
  const absl::Status status = partition_->OnDirective(now_, directive_, term, &answers);
  Take(std::move(answers));
  return status;
}

void PartitionRig::Tick(absl::Duration passed) {
  now_ += passed;
  PartitionPrimary::Answers answers;
  partition_->OnTick(now_, &answers);
  Take(std::move(answers));
}

void PartitionRig::CommitAll() {
  PartitionPrimary::Answers answers;
  *committed_ = entries_->size();
  partition_->OnLogProgress(now_, *committed_, &answers);
  Take(std::move(answers));
}

void PartitionRig::Take(PartitionPrimary::Answers answers) {
  for (Answer& answer : answers) {
    const uint64_t call = answer.call;
    PACELINE_CHECK(answers_.emplace(call, std::move(answer)).second);
  }
}

const Answer* PartitionRig::Find(uint64_t call) const {
  const auto it = answers_.find(call);
  return it == answers_.end() ? nullptr : &it->second;
}

absl::Status PartitionRig::StatusOf(uint64_t call) const {
  const Answer* const answer = Find(call);
  return answer == nullptr ? absl::UnknownError("parked") : answer->status;
}

std::vector<float> PartitionRig::ParametersOf(uint64_t call) const {
  const Answer* const answer = Find(call);
  if (answer == nullptr || answer->parameters == nullptr) return {};
  const auto floats = answer->parameters->floats();
  return {floats.begin(), floats.end()};
}

std::vector<float> PartitionRig::Newest() { return ParametersOf(Pull()); }

}  // namespace paceline
