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

void Node::Start() {
  up_ = true;
  ++life_;
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

const LinkFaults& Network::FaultsOf(const Node* a, const Node* b) const {
  return is_spine_.count(a) > 0 && is_spine_.count(b) > 0 ? spine_ : faults_;
}

void Network::Cut(const Node* a, const Node* b, absl::Time until) {
  const auto ends = std::minmax(a->name(), b->name());
  absl::Time& end = cuts_[{ends.first, ends.second}];
  end = std::max(end, until);
  queue_->Trace("link ", ends.first, "-", ends.second, " is cut for ",
                absl::FormatDuration(until - queue_->now()));
}

bool Network::IsCut(const Node* a, const Node* b) const {
  const auto ends = std::minmax(a->name(), b->name());
  const auto cut = cuts_.find({ends.first, ends.second});
  return cut != cuts_.end() && queue_->now() < cut->second;
}

Network::Fate Network::DrawFate(const Node* a, const Node* b) {
  if (IsCut(a, b)) return Fate::kLost;
  const LinkFaults& faults = FaultsOf(a, b);
  const double draw = random_.Fraction();
  if (draw < faults.lose) return Fate::kLost;
  if (draw < faults.lose + faults.reset) return Fate::kReset;
  return Fate::kArrives;
}

absl::Duration Network::DrawDelay(const Node* a, const Node* b) {
  const LinkFaults& faults = FaultsOf(a, b);
  if (random_.Chance(faults.straggle)) {
    return random_.Between(faults.delay_max, faults.delay_max + faults.straggle_max);
  }
  return random_.Between(faults.delay_min, faults.delay_max);
}

// ---- Calls ----

uint64_t Network::Call(Node* from, Node* to, absl::Duration timeout, Serve serve, Done done,
                       bool once) {
  const uint64_t id = next_id_++;
  open_[id] = {from, to, std::move(done), {}};
  from->After(timeout, [this, id] {
    if (open_.count(id) == 0) return;
    TellServer(open_.at(id));
    Finish(id, absl::DeadlineExceededError("the call's deadline is over"), nullptr);
  });
  SendRequest(id, from->life(), from, to, serve);
  if (random_.Chance(FaultsOf(from, to).duplicate) && !once) {
    queue_->Trace("call ", id, " is sent twice");
    SendRequest(id, from->life(), from, to, serve);
  }
  return id;
}

void Network::SendRequest(uint64_t id, uint64_t caller_life, Node* from, Node* to,
                          const Serve& serve) {
  const absl::Time arrival = queue_->now() + DrawDelay(from, to);
  const Fate fate = DrawFate(from, to);
  if (fate == Fate::kLost) {
    queue_->Trace("request of call ", id, " ", from->name(), ">", to->name(), " is lost");
    return;
  }
  if (fate == Fate::kReset || !to->up()) {
    from->At(arrival, [this, id] { Break(id); });
    return;
  }
  // A process that is restarted meanwhile has never heard of this connection.
  queue_->At(arrival, [this, id, caller_life, from, to, serve, life = to->life()] {
    if (to->up() && to->life() == life) {
      to->At(queue_->now(), [this, id, from, to, serve] { Arrive(id, from, to, serve); });
    } else if (from->up() && from->life() == caller_life) {
      from->At(queue_->now(), [this, id] { Break(id); });
    }
  });
}

void Network::Arrive(uint64_t id, Node* from, Node* to, const Serve& serve) {
  auto incoming = std::make_shared<Incoming>();
  incoming->number = next_number_++;
  incoming->answer = [this, id, from, to](absl::Status status, std::shared_ptr<const void> answer) {
    SendAnswer(id, from, to, std::move(status), std::move(answer));
  };
  const auto open = open_.find(id);
  if (open != open_.end()) open->second.arrived[incoming->number] = incoming;
  serve(std::move(incoming));
}

void Network::SendAnswer(uint64_t id, Node* from, Node* to, absl::Status status,
                         std::shared_ptr<const void> answer) {
  if (open_.count(id) == 0) return;
  const absl::Time arrival = queue_->now() + DrawDelay(to, from);
  switch (DrawFate(to, from)) {
    case Fate::kLost:
      queue_->Trace("answer to call ", id, " ", to->name(), ">", from->name(), " is lost");
      return;
    case Fate::kReset:
      from->At(arrival, [this, id] { Break(id); });
      return;
    case Fate::kArrives:
      from->At(arrival, [this, id, status = std::move(status), answer = std::move(answer)] {
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
  if (!open.to->up() || IsCut(open.from, open.to)) return;
  const absl::Duration delay = DrawDelay(open.from, open.to);
  for (const auto& [number, arrived] : open.arrived) {
    open.to->After(delay, [arrived = arrived] {
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
    if (open.to == node) {
      open.from->After(DrawDelay(open.to, open.from), [this, id = id] { Break(id); });
    }
    if (open.from == node) gone.push_back(id);
  }
  for (const uint64_t id : gone) Cancel(id);
}

}  // namespace paceline::sim
