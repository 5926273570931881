#include "tests/sim/network.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"

namespace paceline::sim {

// ---- Nodes ----

void Node::At(absl::Time when, std::function<void()> work) {
  queue_->At(when, [this, life = life_, work = std::move(work)] {
    if (!up_ || life_ != life) return;
    if (queue_->now() < paused_until_ || !backlog_.empty()) {
      backlog_.push_back(work);
    } else {
      work();
    }
  });
}

void Node::AtClock(absl::Time shown, std::function<void()> work) {
  if (shown == absl::InfiniteFuture()) return;
  // A little late rather than early, as timers are.
  const absl::Duration left = (shown - clock()) / rate_ + absl::Nanoseconds(1);
  At(queue_->now() + std::max(left, absl::ZeroDuration()), std::move(work));
}

void Node::Start() {
  up_ = true;
  ++life_;
  const ClockSkew& skew = queue_->skew();
  Random random(queue_->seed(), absl::StrCat("clock/", name_, "/", life_));
  offset_ = random.Between(absl::ZeroDuration(), skew.offset_max);
  rate_ = 1 + skew.rate_max * (2 * random.Fraction() - 1);
  paused_until_ = absl::InfinitePast();
  queue_->Trace(name_, " starts");
}

void Node::Kill() {
  up_ = false;
  ++life_;
  backlog_.clear();
  queue_->Trace(name_, " dies");
}

void Node::Pause(absl::Time until) {
  if (!up_) return;
  paused_until_ = std::max(paused_until_, until);
  queue_->Trace(name_, " pauses for ", absl::FormatDuration(until - queue_->now()));
  queue_->At(until, [this, life = life_] {
    if (up_ && life_ == life && queue_->now() >= paused_until_) Resume();
  });
}

void Node::Resume() {
  queue_->Trace(name_, " resumes with ", backlog_.size(), " events late");
  const uint64_t life = life_;
  while (!backlog_.empty() && life_ == life) {
    const std::function<void()> work = std::move(backlog_.front());
    backlog_.pop_front();
    work();
  }
}

// ---- Links ----

Network::Role Network::RoleOf(const Node* node) const {
  const auto known = roles_.find(node);
  return known == roles_.end() ? Role::kEdge : known->second;
}

const LinkFaults& Network::FaultsOf(const Way& way) const {
  static const LinkFaults& none = *new LinkFaults;
  if (way.from == way.to) return none;
  const Role one = RoleOf(way.from);
  const Role two = RoleOf(way.to);
  if (one == Role::kEdge || two == Role::kEdge) return faults_.edge;
  const bool is_peers = one == Role::kServer && two == Role::kServer && !way.is_control;
  return is_peers ? faults_.peers : faults_.spine;
}

void Network::Cut(const Node* from, const Node* to, absl::Time until) {
  absl::Time& end = ailments_[{from, to}].cut_until;
  end = std::max(end, until);
  queue_->Trace("link ", from->name(), ">", to->name(), " is cut for ",
                absl::FormatDuration(until - queue_->now()));
}

void Network::Slow(const Node* from, const Node* to, absl::Duration extra, absl::Time until) {
  Ailment& ailment = ailments_[{from, to}];
  ailment.extra = extra;
  ailment.slow_until = until;
  queue_->Trace("link ", from->name(), ">", to->name(), " takes ", absl::FormatDuration(extra),
                " longer for ", absl::FormatDuration(until - queue_->now()));
}

bool Network::IsCut(const Node* from, const Node* to) const {
  const auto ailment = ailments_.find({from, to});
  return ailment != ailments_.end() && queue_->now() < ailment->second.cut_until;
}

Network::Fate Network::DrawFate(const Way& way) {
  if (IsCut(way.from, way.to)) return Fate::kLost;
  const LinkFaults& faults = FaultsOf(way);
  const double draw = random_.Fraction();
  if (draw < faults.lose) return Fate::kLost;
  if (draw < faults.lose + faults.reset) return Fate::kReset;
  return Fate::kArrives;
}

absl::Duration Network::DrawDelay(const Way& way) {
  const LinkFaults& faults = FaultsOf(way);
  const auto ailment = ailments_.find({way.from, way.to});
  absl::Duration extra;
  if (ailment != ailments_.end() && queue_->now() < ailment->second.slow_until) {
    extra = ailment->second.extra;
  }
  if (random_.Chance(faults.straggle)) {
    return extra + random_.Between(faults.delay_max, faults.delay_max + faults.straggle_max);
  }
  return extra + random_.Between(faults.delay_min, faults.delay_max);
}

// ---- Calls ----

uint64_t Network::Call(Node* from, Node* to, absl::Duration timeout, Serve serve, Done done,
                       Kind kind) {
  const uint64_t id = next_id_++;
  const Way way{from, to, kind.is_control};
  open_[id] = {way, std::move(done), {}};
  from->After(timeout, [this, id] {
    if (open_.count(id) == 0) return;
    TellServer(open_.at(id));
    Finish(id, absl::DeadlineExceededError("the call's deadline is over"), nullptr);
  });
  SendRequest(id, from->life(), way, serve);
  if (random_.Chance(FaultsOf(way).duplicate) && !kind.once) {
    queue_->Trace("call ", id, " is sent twice");
    SendRequest(id, from->life(), way, serve);
  }
  return id;
}

void Network::SendRequest(uint64_t id, uint64_t caller_life, const Way& way, const Serve& serve) {
  const absl::Time arrival = queue_->now() + DrawDelay(way);
  const Fate fate = DrawFate(way);
  Node* const from = way.from;
  Node* const to = way.to;
  if (fate == Fate::kLost) {
    queue_->Trace("request of call ", id, " ", from->name(), ">", to->name(), " is lost");
    return;
  }
  if (fate == Fate::kReset || !to->up()) {
    from->At(arrival, [this, id] { Break(id); });
    return;
  }
  // A process that is restarted meanwhile has never heard of this connection.
  queue_->At(arrival, [this, id, caller_life, way, serve, life = to->life()] {
    if (way.to->up() && way.to->life() == life) {
      way.to->At(queue_->now(), [this, id, way, serve] { Arrive(id, way, serve); });
    } else if (way.from->up() && way.from->life() == caller_life) {
      way.from->At(queue_->now(), [this, id] { Break(id); });
    }
  });
}

void Network::Arrive(uint64_t id, const Way& way, const Serve& serve) {
  auto incoming = std::make_shared<Incoming>();
  incoming->number = next_number_++;
  incoming->answer = [this, id, way](absl::Status status, std::shared_ptr<const void> answer) {
    SendAnswer(id, way.Back(), std::move(status), std::move(answer));
  };
  const auto open = open_.find(id);
  if (open != open_.end()) open->second.arrived[incoming->number] = incoming;
  serve(std::move(incoming));
}

void Network::SendAnswer(uint64_t id, const Way& way, absl::Status status,
                         std::shared_ptr<const void> answer) {
  if (open_.count(id) == 0) return;
  const absl::Time arrival = queue_->now() + DrawDelay(way);
  switch (DrawFate(way)) {
    case Fate::kLost:
      queue_->Trace("answer to call ", id, " ", way.from->name(), ">", way.to->name(), " is lost");
      return;
    case Fate::kReset:
      way.to->At(arrival, [this, id] { Break(id); });
      return;
    case Fate::kArrives:
      way.to->At(arrival, [this, id, status = std::move(status), answer = std::move(answer)] {
        Finish(id, status, answer.get());
      });
  }
}

void Network::Finish(uint64_t id, const absl::Status& status, const void* answer) {
  const auto open = open_.find(id);
  if (open == open_.end()) return;
  const Done done = std::move(open->second.done);
  open_.erase(open);
  done(status, answer);
}

void Network::Break(uint64_t id) {
  const auto open = open_.find(id);
  if (open == open_.end()) return;
  TellServer(open->second);
  Finish(id, absl::UnavailableError("the connection broke"), nullptr);
}

void Network::TellServer(const Open& open) {
  if (!open.way.to->up() || IsCut(open.way.from, open.way.to)) return;
  const absl::Duration delay = DrawDelay(open.way);
  for (const auto& [number, arrived] : open.arrived) {
    open.way.to->After(delay, [arrived = arrived] {
      const std::shared_ptr<Incoming> incoming = arrived.lock();
      if (incoming != nullptr && incoming->on_cancel) incoming->on_cancel();
    });
  }
}

void Network::Cancel(uint64_t id) {
  const auto open = open_.find(id);
  if (open == open_.end()) return;
  TellServer(open->second);
  open_.erase(open);
}

void Network::OnKilled(const Node* node) {
  std::vector<uint64_t> gone;
  for (const auto& [id, open] : open_) {
    const Way& way = open.way;
    if (way.to == node && !IsCut(way.to, way.from)) {
      way.from->After(DrawDelay(way.Back()), [this, id = id] { Break(id); });
    }
    if (way.from == node) gone.push_back(id);
  }
  for (const uint64_t id : gone) Cancel(id);
}

}  // namespace paceline::sim
