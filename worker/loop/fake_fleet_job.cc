// The job's side of the fake fleet: its coordinator and its partitions.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/tensor/block.h"
#include "worker/loop/fake_fleet.h"

namespace paceline {
namespace {

BlockRef Filled(uint64_t elements, float value) {
  auto block = std::make_shared<Block>(elements);
  std::fill(block->floats().begin(), block->floats().end(), value);
  return block;
}

}  // namespace

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
  granted_limit_ = has_rounds() ? job_.granted_rounds() : next_run_;
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
  if (!has_rounds() || grant <= job_.granted_rounds()) return;
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
  for (uint32_t p = 0; p < partitions_.size(); ++p) {
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
  if (has_rounds()) {
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
  if (has_rounds() && push.base_version() != push.clock()) Violation("a round on another version");
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
    const auto there =
        static_cast<uint64_t>(std::count(partition->leaves.begin(), partition->leaves.end(), true));
    const bool complete = is_quorum() ? 2 * there >= run.count : there == run.count;
    if (partition->late == absl::InfiniteFuture()) {
      partition->late = now_ + absl::Milliseconds(30);
      At(absl::Milliseconds(30), [this] { AnswerParked(); });
    }
    if (complete && options_.clip_global_norm) partition->reduced = true;
    if (complete && !options_.clip_global_norm) ApplyRound(partition);
  }
  partition->parked.push_back(std::move(parked));
}

void FakeFleet::ApplyRound(PartitionState* partition) {
  const WorkPlan::Run run = plan_.At(partition->version - job_.segment().first_version());
  for (uint64_t i = 0; i < run.count; ++i) ++applied_[partition->id][run.first_ordinal + i];
  partition->leaves.clear();
  partition->late = absl::InfiniteFuture();
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
  } else if (call.method == Method::kSettle || has_rounds()) {
    exact = 1 + (call.method == Method::kSettle ? call.settle.clock() : call.push.clock());
    if (is_quorum() && *exact < partition.version) exact.reset();
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
    if (version != partition.version + 1) return false;
    if (!partition.reduced) return AskForHelp(waiting, partition);
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

// Of a round that is 30 ms old.
bool FakeFleet::AskForHelp(const Waiting& waiting, const PartitionState& partition) {
  if (!waiting.call.pull.offers_help() && !waiting.call.push.offers_help()) return false;
  if (now_ < partition.late) return false;
  const WorkPlan::Run run = plan_.At(partition.version - job_.segment().first_version());
  CallResult result;
  for (uint64_t i = 0; i < run.count; ++i) {
    if (!partition.leaves[i]) result.header.add_missing(run.first_ordinal + i);
  }
  ++calls_for_help_;
  Answer(waiting, std::move(result));
  return true;
}

}  // namespace paceline
