#include "worker/loop/fake_fleet.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/tensor/block.h"

namespace paceline {
namespace {

// Two parameters, kept whole by lamb: one partition each.
constexpr uint64_t kElements = 20000;
constexpr uint32_t kPartitions = 2;

v1::JobDirective FirstDirective(const FakeFleetOptions& options) {
  v1::JobDirective job;
  job.set_job("fake-1");
  job.set_state(v1::RUNNING);
  v1::JobSpec* const spec = job.mutable_spec();
  for (const char* const name : {"a", "b"}) {
    v1::ParameterSpec* const parameter = spec->mutable_model()->add_parameters();
    parameter->set_name(name);
    parameter->add_shape(kElements);
  }
  spec->mutable_optimizer()->mutable_lamb();
  if (options.clip_global_norm) spec->mutable_optimizer()->set_clip_global_norm(1);
  spec->mutable_fleet()->set_servers(kPartitions);
  spec->mutable_data()->set_shard_samples(1);
  spec->mutable_train()->set_epochs(options.epochs);
  spec->mutable_train()->set_shards_per_round(options.shards_per_round);
  spec->mutable_train()->set_shards_per_push(options.shards_per_push);
  job.mutable_facts()->set_train_samples(options.shards_per_epoch);
  job.mutable_facts()->set_eval_samples(1);
  *job.mutable_segment()->mutable_consistency() = options.consistency;
  if (options.consistency.has_sync()) {
    job.mutable_segment()->mutable_consistency()->mutable_sync()->set_speculate(options.speculate);
  }
  for (uint32_t p = 0; p < kPartitions; ++p) {
    v1::PartitionPlacement* const place = job.add_placement();
    place->set_partition(p);
    place->set_term(1);
    place->set_address(absl::StrCat("server-", p, ":1"));
  }
  return job;
}

}  // namespace

FakeFleet::FakeFleet(FakeFleetOptions options)
    : options_(options),
      random_(options.seed, "fake fleet"),
      job_(FirstDirective(options)),
      plan_(PlanOf(options, job_.segment())) {
  total_ = uint64_t{options_.shards_per_epoch} * options_.epochs;
  granted_limit_ = plan_.size();
  for (uint32_t p = 0; p < kPartitions; ++p) {
    partitions_.push_back(std::make_unique<PartitionState>());
    partitions_.back()->id = p;
  }
  applied_.assign(kPartitions, std::vector<int>(total_, 0));
  GrantRounds();
}

FakeFleet::~FakeFleet() = default;

WorkPlan FakeFleet::PlanOf(const FakeFleetOptions& options, const v1::Segment& segment) {
  return WorkPlan(
      segment.first_shard(), options.shards_per_epoch,
      uint64_t{options.shards_per_epoch} * options.epochs,
      HasRounds(segment.consistency()) ? options.shards_per_round : options.shards_per_push);
}

float FakeFleet::SumOfOrdinals(const v1::Piece& piece) {
  float sum = 0;
  for (uint64_t i = 0; i < piece.shards(); ++i) {
    sum += static_cast<float>(piece.first_shard() + i + 1);
  }
  return sum;
}

// ---- Time and the network ----

void FakeFleet::At(absl::Duration delay, std::function<void()> event) {
  events_.emplace(now_ + delay, std::move(event));
}

absl::Duration FakeFleet::Delay() {
  return absl::Microseconds(100) + absl::Milliseconds(3) * random_.Uniform(draws_++);
}

bool FakeFleet::Lost() { return random_.Uniform(draws_++) < options_.loss; }

void FakeFleet::Violation(std::string what) { violations_.push_back(std::move(what)); }

bool FakeFleet::RunUntil(const std::function<bool()>& done, absl::Duration limit) {
  const absl::Time end = now_ + limit;
  while (!done() && job_.state() != v1::FINISHED && !events_.empty() && now_ <= end) {
    const auto first = events_.begin();
    now_ = first->first;
    const std::function<void()> event = std::move(first->second);
    events_.erase(first);
    event();
  }
  return done();
}

bool FakeFleet::RunToEnd(absl::Duration limit) {
  return RunUntil([this] { return job_.state() == v1::FINISHED; }, limit);
}

uint64_t FakeFleet::version() const {
  uint64_t lowest = partitions_[0]->version;
  for (const auto& partition : partitions_) lowest = std::min(lowest, partition->version);
  return lowest;
}

std::string FakeFleet::Doing(const std::string& worker) const {
  return nodes_.at(worker)->loop->Doing();
}

v1::WorkerJobReport FakeFleet::Report(const std::string& worker) const {
  return nodes_.at(worker)->loop->Report(now_);
}

// ---- Workers ----

void FakeFleet::Start(const std::string& worker) {
  auto node = std::make_shared<Node>();
  node->identity.set_id(worker);
  node->identity.set_incarnation(++incarnations_);
  JobLoopOptions options;
  options.session.seed = options_.seed;
  node->loop = std::make_unique<JobLoop>(node->identity, options);
  nodes_[worker] = node;

  v1::Roster* const roster = job_.mutable_roster();
  v1::RosterMember* member = Member(worker);
  if (member == nullptr) member = roster->add_members();
  *member->mutable_worker() = node->identity;
  member->set_start_clock(LargestClock());
  member->set_idle(false);
  std::sort(roster->mutable_members()->begin(), roster->mutable_members()->end(),
            [](const v1::RosterMember& a, const v1::RosterMember& b) {
              return a.worker().id() < b.worker().id();
            });
  roster->set_version(roster->version() + 1);
  Publish();
  Sync(node);
}

void FakeFleet::Kill(const std::string& worker) {
  const NodeRef node = nodes_.at(worker);
  node->alive = false;
  At(absl::Milliseconds(30), [this, worker, node] {
    if (nodes_[worker] == node) {
      v1::Roster* const roster = job_.mutable_roster();
      for (int i = 0; i < roster->members_size(); ++i) {
        if (roster->members(i).worker().id() != worker) continue;
        roster->mutable_members()->DeleteSubrange(i, 1);
        break;
      }
      roster->set_version(roster->version() + 1);
    }
    for (auto it = held_.begin(); it != held_.end();) {
      if (it->second != absl::StrCat(worker, "/", node->identity.incarnation())) {
        ++it;
        continue;
      }
      orphans_.insert(it->first);
      it = held_.erase(it);
    }
    Publish();
    AnswerParked();
  });
}

void FakeFleet::Drain(const NodeRef& node) {
  JobLoop& loop = *node->loop;
  for (const ParameterCall& call : loop.TakeCalls()) Call(node, call);
  for (const uint64_t id : loop.TakeCancels()) node->open_calls.erase(id);
  if (const auto id = loop.TakeAbandoned()) {
    node->abandoned = *id;
    ++abandoned_;
  }
  if (const auto request = loop.TakeCompute()) Compute(node, *request);
  if (const auto request = loop.TakeEvaluate()) Evaluate(node, *request);
  if (const auto call = loop.TakeLease()) Lease(node, *call);
  if (loop.NextTick() == absl::InfiniteFuture()) return;
  At(std::max(absl::ZeroDuration(), loop.NextTick() - now_), [this, node] {
    if (!node->alive || node->loop->NextTick() > now_) return;
    node->loop->OnTick(now_);
    Drain(node);
  });
}

void FakeFleet::Call(const NodeRef& node, const ParameterCall& call) {
  node->open_calls.insert(call.id);
  At(call.timeout, [this, node, id = call.id] {
    if (!node->alive || node->open_calls.erase(id) == 0) return;
    node->loop->OnCallDone(now_, id, {absl::DeadlineExceededError("lost"), {}, nullptr});
    Drain(node);
  });
  if (Lost()) return;
  At(Delay(), [this, node, call] { Arrive(node, call); });
  // Some messages arrive twice.
  if (Lost()) At(Delay(), [this, node, call] { Arrive(node, call); });
}

void FakeFleet::Answer(const Waiting& waiting, CallResult result) {
  if (Lost()) return;
  At(Delay(), [this, node = waiting.node, id = waiting.call.id, result = std::move(result)] {
    if (!node->alive || node->open_calls.erase(id) == 0) return;
    node->loop->OnCallDone(now_, id, result);
    Drain(node);
  });
}

void FakeFleet::Compute(const NodeRef& node, const ComputeRequest& request) {
  if (++node->open_computes > 1) Violation("two computations are open");
  std::vector<ComputedPiece> pieces;
  for (const ComputePiece& piece : request.pieces) {
    ComputedPiece computed;
    computed.piece.set_first_shard(piece.first_shard);
    computed.piece.set_shards(piece.shards);
    computed.piece.set_weight(piece.shards);
    computed.piece.set_samples(piece.shards);
    computed.square_norm = request.square_norm ? 2 : 0;
    auto gradient = std::make_shared<Block>(kElements * kPartitions);
    for (uint32_t p = 0; p < kPartitions; ++p) {
      gradient->floats()[p * kElements] = SumOfOrdinals(computed.piece);
      gradient->floats()[p * kElements + 1] = request.parameters->floats()[p * kElements];
    }
    computed.gradient = gradient;
    pieces.push_back(std::move(computed));
  }
  const auto slow = options_.slowness.find(node->identity.id());
  const double slowness = slow == options_.slowness.end() ? 1 : slow->second;
  At(2 * slowness * Delay(), [this, node, id = request.id, pieces = std::move(pieces)] {
    --node->open_computes;
    if (!node->alive) return;
    if (node->abandoned == id) {
      node->loop->OnAbandoned(now_, id, 1);
    } else {
      node->loop->OnComputed(now_, id, pieces);
    }
    Drain(node);
  });
}

void FakeFleet::Evaluate(const NodeRef& node, const EvaluateRequest& request) {
  if (has_rounds()) {
    for (uint32_t p = 0; p < kPartitions; ++p) {
      if (request.parameters->floats()[p * kElements] != static_cast<float>(request.version)) {
        Violation("an evaluation is of mixed versions");
      }
    }
  }
  At(5 * Delay(), [this, node, request] {
    if (!node->alive) return;
    v1::Evaluation evaluation;
    evaluation.set_samples(1);
    if (request.final) evaluation.set_weights_sha256("hash");
    node->loop->OnEvaluated(now_, request.id, evaluation);
    Drain(node);
  });
}

void FakeFleet::Lease(const NodeRef& node, const LeaseCall& call) {
  if (++node->open_leases > 1) Violation("two lease questions are open");
  const bool lost = Lost();
  const bool answer_lost = Lost();
  At(lost || answer_lost ? absl::Milliseconds(300) : 2 * Delay(), [=] {
    --node->open_leases;
    if (!node->alive) return;
    absl::StatusOr<v1::LeaseReply> reply = absl::UnavailableError("lost");
    const std::string holder = absl::StrCat(node->identity.id(), "/", node->identity.incarnation());
    if (!lost && call.segment == job_.segment().index()) {
      reply = Grant(holder, call.want);
    } else if (!lost) {
      reply = absl::FailedPreconditionError("another segment");
    }
    if (answer_lost) reply = absl::UnavailableError("lost");
    node->loop->OnLease(now_, call.id, std::move(reply));
    Drain(node);
  });
}

// Every 10 ms: the worker's report, and the directive for it.
void FakeFleet::Sync(const NodeRef& node) {
  if (!node->alive) return;
  const v1::WorkerJobReport report = node->loop->Report(now_);
  if (!report.error().empty()) Violation(report.error());
  for (const v1::Evaluation& evaluation : report.evaluations()) {
    evaluations_.push_back(evaluation);
    if (evaluation.final()) job_.set_state(v1::FINISHED);
  }
  node->loop->OnReported(report);
  EndOrCut();
  At(absl::Milliseconds(10), [this, node] { Sync(node); });
}

}  // namespace paceline
