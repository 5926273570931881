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
  for (uint32_t p = 0; p < kPartitions; ++p) {
    v1::PartitionPlacement* const place = job.add_placement();
    place->set_partition(p);
    place->set_term(1);
    place->set_address(absl::StrCat("server-", p, ":1"));
  }
  return job;
}

WorkPlan PlanOf(const FakeFleetOptions& options, const v1::Segment& segment) {
  return WorkPlan(
      segment.first_shard(), options.shards_per_epoch,
      uint64_t{options.shards_per_epoch} * options.epochs,
      segment.consistency().has_sync() ? options.shards_per_round : options.shards_per_push);
}

BlockRef Filled(uint64_t elements, float value) {
  auto block = std::make_shared<Block>(elements);
  std::fill(block->floats().begin(), block->floats().end(), value);
  return block;
}

float SumOfOrdinals(const v1::Piece& piece) {
  float sum = 0;
  for (uint64_t i = 0; i < piece.shards(); ++i) {
    sum += static_cast<float>(piece.first_shard() + i + 1);
  }
  return sum;
}

}  // namespace

struct FakeFleet::Node {
  v1::WorkerIdentity identity;
  std::unique_ptr<JobLoop> loop;
  bool alive = true;
  uint64_t newest_directive = 0;
  std::set<uint64_t> open_calls;
  int open_computes = 0;
  int open_leases = 0;
};

struct FakeFleet::Waiting {
  NodeRef node;
  ParameterCall call;
  bool duplicate = false;
};

struct FakeFleet::PartitionState {
  uint32_t id = 0;
  uint64_t version = 0;
  std::vector<bool> leaves;
  bool reduced = false;
  std::map<std::string, uint64_t> next_clock;
  std::vector<Waiting> parked;
};

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
  At(2 * Delay(), [this, node, id = request.id, pieces = std::move(pieces)] {
    --node->open_computes;
    if (!node->alive) return;
    node->loop->OnComputed(now_, id, pieces);
    Drain(node);
  });
}

void FakeFleet::Evaluate(const NodeRef& node, const EvaluateRequest& request) {
  if (is_sync()) {
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

// ---- The coordinator ----

v1::RosterMember* FakeFleet::Member(const std::string& worker) {
  for (v1::RosterMember& member : *job_.mutable_roster()->mutable_members()) {
    if (member.worker().id() == worker) return &member;
  }
  return nullptr;
}

// To every worker, with a delay; an older directive never follows a newer one.
void FakeFleet::Publish() {
  const uint64_t number = ++published_;
  for (const auto& [id, node] : nodes_) {
    if (!node->alive) continue;
    v1::JobDirective directive = job_;
    if (job_.state() == v1::EVALUATING) {
      const bool gone = nodes_.count(evaluator_) == 0 || !nodes_[evaluator_]->alive;
      if (gone) evaluator_ = id;
      directive.set_evaluate(evaluator_ == id);
    }
    At(2 * Delay(), [this, node = node, directive, number] {
      if (!node->alive || number < node->newest_directive) return;
      node->newest_directive = number;
      node->loop->OnDirective(now_, directive);
      Drain(node);
    });
  }
}

void FakeFleet::ChangeMode(const v1::ConsistencySpec& consistency) {
  pending_ = consistency;
  granted_limit_ = is_sync() ? job_.granted_rounds() : next_run_;
}

uint64_t FakeFleet::LargestClock() const {
  uint64_t largest = 0;
  for (const auto& partition : partitions_) {
    for (const auto& [id, next] : partition->next_clock) largest = std::max(largest, next);
  }
  return largest;
}

// After every new version.
void FakeFleet::GrantRounds() {
  const uint64_t reached = version() - job_.segment().first_version();
  const uint64_t grant = std::min<uint64_t>(granted_limit_, reached + 2);
  if (!is_sync() || grant <= job_.granted_rounds()) return;
  job_.set_granted_rounds(grant);
  Publish();
}

// Ends the training, or the segment, when all that was granted is applied everywhere.
void FakeFleet::EndOrCut() {
  const uint64_t reached = version() - job_.segment().first_version();
  for (const auto& partition : partitions_) {
    if (partition->version != version()) return;
  }
  if (job_.state() != v1::RUNNING) return;
  if (reached == plan_.size()) {
    job_.set_state(v1::EVALUATING);
    Publish();
  } else if (pending_.has_value() && reached == granted_limit_) {
    Cut();
  }
}

void FakeFleet::Cut() {
  v1::Segment* const segment = job_.mutable_segment();
  segment->set_first_shard(plan_.At(granted_limit_).first_ordinal);
  segment->set_first_version(version());
  segment->set_index(segment->index() + 1);
  *segment->mutable_consistency() = *pending_;
  pending_.reset();
  plan_ = PlanOf(options_, *segment);
  granted_limit_ = plan_.size();
  next_run_ = 0;
  held_.clear();
  orphans_.clear();
  job_.set_granted_rounds(0);
  for (v1::RosterMember& member : *job_.mutable_roster()->mutable_members()) {
    member.set_idle(false);
    member.set_start_clock(LargestClock());
  }
  job_.mutable_roster()->set_version(job_.roster().version() + 1);
  for (const auto& partition : partitions_) {
    for (const Waiting& waiting : partition->parked) {
      Answer(waiting, {absl::FailedPreconditionError("another segment"), {}, nullptr});
    }
    partition->parked.clear();
  }
  GrantRounds();
  Publish();
}

bool FakeFleet::Done(uint64_t run) const {
  for (uint32_t p = 0; p < kPartitions; ++p) {
    if (applied_[p][plan_.At(run).first_ordinal] == 0) return false;
  }
  return true;
}

v1::LeaseReply FakeFleet::Grant(const std::string& worker, uint32_t want) {
  v1::LeaseReply reply;
  const auto grant = [&](uint64_t run) {
    held_[run] = worker;
    reply.add_runs(run);
  };
  while (reply.runs_size() < static_cast<int>(want) && !orphans_.empty()) {
    const uint64_t run = *orphans_.begin();
    orphans_.erase(orphans_.begin());
    if (!Done(run)) grant(run);
  }
  while (reply.runs_size() < static_cast<int>(want) && next_run_ < granted_limit_) {
    grant(next_run_++);
  }
  bool holds = false;
  for (const auto& [run, holder] : held_) {
    if (holder != worker || Done(run)) continue;
    holds = true;
    if (reply.runs().empty()) reply.add_runs(run);
  }
  v1::RosterMember* const member = Member(worker.substr(0, worker.find('/')));
  if (member == nullptr) return reply;
  reply.set_runs_per_clock(options_.runs_per_clock);
  reply.set_none_left(!holds);
  if (member->idle() == !holds) return reply;
  member->set_idle(!holds);
  if (holds) {
    member->set_start_clock(LargestClock());
    reply.set_start_clock(member->start_clock());
  }
  job_.mutable_roster()->set_version(job_.roster().version() + 1);
  Publish();
  AnswerParked();
  return reply;
}

// ---- The partitions ----

void FakeFleet::Arrive(const NodeRef& node, const ParameterCall& call) {
  const Waiting waiting{node, call, false};
  const v1::PartitionKey& key = call.method == Method::kPull     ? call.pull.key()
                                : call.method == Method::kSettle ? call.settle.key()
                                                                 : call.push.key();
  PartitionState* const partition = partitions_[key.partition()].get();
  if (call.address != absl::StrCat("server-", key.partition(), ":1")) Violation("a wrong address");
  if (key.segment() != job_.segment().index()) {
    Answer(waiting, {absl::FailedPreconditionError("another segment"), {}, nullptr});
    return;
  }
  if (call.method == Method::kSettle) {
    // The norms of the two partitions are 1 and 2.
    if (call.settle.total_square_norm() != 3) Violation("a wrong total norm");
    if (partition->reduced && call.settle.clock() == partition->version) ApplyRound(partition);
  }
  if (call.method == Method::kPush || call.method == Method::kExchange) {
    OnPush(waiting);
  } else {
    partition->parked.push_back(waiting);
  }
  AnswerParked();
}

void FakeFleet::OnPush(const Waiting& waiting) {
  const v1::PushHeader& push = waiting.call.push;
  PartitionState* const partition = partitions_[push.key().partition()].get();
  CheckGradients(waiting);
  if (is_sync()) {
    TakeRound(waiting, partition);
  } else {
    TakeRun(waiting, partition);
  }
}

void FakeFleet::CheckGradients(const Waiting& waiting) {
  const v1::PushHeader& push = waiting.call.push;
  for (int i = 0; i < push.pieces_size(); ++i) {
    const absl::Span<const float> gradient =
        waiting.call.piece_gradients[i]->floats().subspan(waiting.call.offset, 2);
    if (gradient[0] != SumOfOrdinals(push.pieces(i))) Violation("a gradient of other data shards");
    if (gradient[1] != static_cast<float>(push.base_version())) {
      Violation(absl::StrCat("a gradient computed on version ", gradient[1], ", said to be on ",
                             push.base_version()));
    }
  }
  if (is_sync() && push.base_version() != push.clock()) Violation("a round on another version");
}

void FakeFleet::TakeRound(const Waiting& waiting, PartitionState* partition) {
  const v1::PushHeader& push = waiting.call.push;
  if (push.clock() > partition->version) {
    Answer(waiting, {absl::FailedPreconditionError("a later round"), {}, nullptr});
    return;
  }
  Waiting parked = waiting;
  parked.duplicate = push.clock() < partition->version || partition->reduced;
  if (!parked.duplicate) {
    const uint64_t round = push.clock() - job_.segment().first_version();
    if (round >= job_.granted_rounds()) Violation("a round that is not granted");
    const WorkPlan::Run run = plan_.At(round);
    partition->leaves.resize(run.count);
    for (const v1::Piece& piece : push.pieces()) {
      const TreeNode node{piece.first_shard() - run.first_ordinal, piece.shards()};
      if (piece.first_shard() < run.first_ordinal || !IsNode(run.count, node)) {
        Violation("a piece that is no node of the round");
        return;
      }
      for (uint64_t i = 0; i < node.count; ++i) partition->leaves[node.first + i] = true;
    }
    const bool complete = std::all_of(partition->leaves.begin(), partition->leaves.end(),
                                      [](bool leaf) { return leaf; });
    if (complete && options_.clip_global_norm) partition->reduced = true;
    if (complete && !options_.clip_global_norm) ApplyRound(partition);
  }
  partition->parked.push_back(std::move(parked));
}

void FakeFleet::ApplyRound(PartitionState* partition) {
  const WorkPlan::Run run = plan_.At(partition->version - job_.segment().first_version());
  for (uint64_t i = 0; i < run.count; ++i) ++applied_[partition->id][run.first_ordinal + i];
  partition->leaves.clear();
  partition->reduced = false;
  ++partition->version;
  GrantRounds();
}

void FakeFleet::TakeRun(const Waiting& waiting, PartitionState* partition) {
  const v1::PushHeader& push = waiting.call.push;
  std::vector<int>& applied = applied_[partition->id];
  if (push.pieces_size() != 1) return Violation("not exactly one piece");
  const v1::Piece& piece = push.pieces(0);
  if (options_.clip_global_norm && push.square_norm() != 2) Violation("no square norm");
  Waiting parked = waiting;
  parked.duplicate = applied[piece.first_shard()] > 0;
  uint64_t& next_clock = partition->next_clock[push.worker().id()];
  if (!parked.duplicate) {
    const v1::AsyncMode& async = job_.segment().consistency().async();
    if (async.has_max_staleness() &&
        partition->version - push.base_version() > async.max_staleness()) {
      ++refused_stale_;
      Answer(waiting, {absl::AbortedError("too stale"), {}, nullptr});
      return;
    }
    const v1::RosterMember* const member = Member(push.worker().id());
    const bool present =
        member != nullptr && member->worker().incarnation() == push.worker().incarnation();
    // A push that does not end its clock names the one before.
    const uint64_t ends = push.clock() + (options_.runs_per_clock > 1 ? 1 : 0);
    if (present && ends < std::max(next_clock, member->start_clock())) {
      Violation(absl::StrCat("clock ", push.clock(), " of ", push.worker().id(), " is below ",
                             std::max(next_clock, member->start_clock())));
    }
    for (uint64_t i = 0; i < piece.shards(); ++i) ++applied[piece.first_shard() + i];
    ++partition->version;
  }
  next_clock = std::max(next_clock, push.clock() + 1);
  partition->parked.push_back(std::move(parked));
}

void FakeFleet::AnswerParked() {
  for (const auto& partition : partitions_) {
    std::vector<Waiting> parked = std::move(partition->parked);
    partition->parked.clear();
    for (Waiting& waiting : parked) {
      if (!TryAnswer(waiting, *partition)) partition->parked.push_back(std::move(waiting));
    }
  }
}

bool FakeFleet::TryAnswer(const Waiting& waiting, const PartitionState& partition) {
  const ParameterCall& call = waiting.call;
  CallResult result;
  result.header.set_duplicate(waiting.duplicate);
  std::optional<uint64_t> exact;
  uint64_t clock = 0;
  if (call.method == Method::kPull) {
    if (call.pull.has_exact_version()) exact = call.pull.exact_version();
    clock = call.pull.clock();
  } else if (call.method == Method::kSettle || is_sync()) {
    exact = 1 + (call.method == Method::kSettle ? call.settle.clock() : call.push.clock());
  } else {
    clock = call.push.clock() + 1;
  }

  // An earlier version is kept beside the newest.
  const uint64_t version = exact.value_or(partition.version);
  const bool norms =
      options_.clip_global_norm && exact.has_value() &&
      (version == partition.version || (partition.reduced && version == partition.version + 1));
  if (norms) result.header.add_square_norms(partition.id + 1);
  if (version > partition.version) {
    if (!partition.reduced || version != partition.version + 1) return false;
    result.header.set_awaiting_norm(true);
    Answer(waiting, std::move(result));
    return true;
  }
  if (version + 1 < partition.version) {
    Answer(waiting, {absl::AbortedError("gone"), {}, nullptr});
    return true;
  }
  const v1::ConsistencySpec& mode = job_.segment().consistency();
  if (mode.has_ssp()) {
    for (const v1::RosterMember& member : job_.roster().members()) {
      const auto next = partition.next_clock.find(member.worker().id());
      const uint64_t committed =
          std::max(member.start_clock(), next == partition.next_clock.end() ? 0 : next->second);
      if (!member.idle() && committed + mode.ssp().staleness() < clock) return false;
    }
  }
  result.header.set_version(version);
  if (call.method != Method::kPush) {
    result.parameters = Filled(call.elements, static_cast<float>(version));
  }
  Answer(waiting, std::move(result));
  return true;
}

}  // namespace paceline
