#include "server/election/election_core.h"

#include <catch2/catch.hpp>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "common/base/random.h"

namespace paceline {
namespace {

using Kind = ElectionCall::Kind;

// etcd's leases and the one key, in made-up time.
struct World {
  absl::Time now = absl::UnixEpoch();
  absl::Duration ttl = absl::Seconds(3);
  std::map<int64_t, absl::Time> leases;  // When each ends.
  absl::optional<ElectionHolder> key;
  int64_t last_lease = 0;
  uint64_t revision = 0;

  void Expire() {
    for (auto it = leases.begin(); it != leases.end();) {
      if (it->second > now) {
        ++it;
        continue;
      }
      End(it->first);
      it = leases.erase(it);
    }
  }
  void End(int64_t lease) {
    if (key.has_value() && key->lease == lease) key.reset();
  }
};

const absl::Status kSilence = absl::UnavailableError("no answer");

// One candidate, and how the network treats it.
class Candidate {
 public:
  Candidate(World* world, std::string address, bool is_candidate = true)
      : world_(world), address_(address), core_(Options(std::move(address), is_candidate)) {}

  bool reaches_etcd = true;
  bool hears_etcd = true;  // False: what it sends arrives, the answers do not.

  // Everything that is due now.
  void Run() {
    for (;;) {
      world_->Expire();
      const ElectionCall call = core_.Next(world_->now);
      if (call.kind == Kind::kNone) break;
      calls.push_back(call.kind);
      Do(call);
    }
    for (const ElectionNews& news : core_.TakeNews()) {
      if (news.kind == ElectionNews::Kind::kElected) {
        said += "elected ";
        fence = news.fence;
      }
      if (news.kind == ElectionNews::Kind::kLost) said += "lost(" + news.text + ") ";
      if (news.kind == ElectionNews::Kind::kMoved) said += "at(" + news.text + ") ";
    }
  }
  std::string Said() { return std::exchange(said, {}); }

  ElectionCore& core() { return core_; }
  bool holds_key() const { return world_->key.has_value() && world_->key->address == address_; }

  std::vector<Kind> calls;
  uint64_t fence = 0;

 private:
  static ElectionOptions Options(std::string address, bool is_candidate) {
    ElectionOptions options;
    options.address = std::move(address);
    options.is_candidate = is_candidate;
    return options;
  }

  absl::StatusOr<absl::optional<ElectionHolder>> Claim(int64_t lease) {
    if (world_->leases.count(lease) == 0) return absl::NotFoundError("lease not found");
    if (!world_->key.has_value()) world_->key = ElectionHolder{address_, lease, ++world_->revision};
    return world_->key;
  }
  absl::Status Renew(int64_t lease) {
    if (world_->leases.count(lease) == 0) return absl::NotFoundError("no lease");
    world_->leases[lease] = world_->now + world_->ttl;
    return absl::OkStatus();
  }
  int64_t Grant() {
    world_->leases[++world_->last_lease] = world_->now + world_->ttl;
    return world_->last_lease;
  }

  void Do(const ElectionCall& call) {
    const absl::Time now = world_->now;
    const bool told = reaches_etcd && hears_etcd;
    absl::StatusOr<int64_t> lease = kSilence;
    absl::Status renewed = kSilence;
    absl::StatusOr<absl::optional<ElectionHolder>> holder = kSilence;
    if (reaches_etcd) {
      if (call.kind == Kind::kGrant) lease = Grant();
      if (call.kind == Kind::kRenew) renewed = Renew(call.lease);
      if (call.kind == Kind::kClaim) holder = Claim(call.lease);
      if (call.kind == Kind::kRead) holder = world_->key;
      if (call.kind == Kind::kRevoke && world_->leases.erase(call.lease) > 0) {
        world_->End(call.lease);
      }
    }
    switch (call.kind) {
      case Kind::kGrant:
        return core_.OnGranted(now, told ? lease : kSilence);
      case Kind::kRenew:
        return core_.OnRenewed(now, told ? renewed : kSilence);
      case Kind::kClaim:
      case Kind::kRead:
        return core_.OnHolder(now, told ? holder : kSilence);
      case Kind::kRevoke:
        return core_.OnRevoked(now);
      case Kind::kNone:
        return;
    }
  }

  World* const world_;
  const std::string address_;
  ElectionCore core_;
  std::string said;
};

void Pass(World* world, absl::Duration time, std::initializer_list<Candidate*> candidates,
          const std::function<void()>& check = nullptr) {
  const absl::Time end = world->now + time;
  while (world->now < end) {
    world->now += absl::Milliseconds(10);
    for (Candidate* candidate : candidates) candidate->Run();
    if (check) check();
  }
}

TEST_CASE("the first candidate is elected with the revision of the key as its fence") {
  World world;
  world.revision = 41;
  Candidate a(&world, "a:1");

  a.Run();

  CHECK(a.Said() == "at(a:1) elected ");
  CHECK(a.fence == 42);
  CHECK(a.core().has_role());
  CHECK(a.calls == std::vector<Kind>{Kind::kRead, Kind::kGrant, Kind::kClaim});
}

TEST_CASE("the second follows the first and holds no lease") {
  World world;
  Candidate a(&world, "a:1");
  Candidate b(&world, "b:1");
  a.Run();
  b.Run();

  Pass(&world, absl::Seconds(60), {&a, &b});

  CHECK(a.Said() == "at(a:1) elected ");
  CHECK(b.Said() == "at(a:1) ");
  CHECK(world.leases.size() == 1);
}

TEST_CASE("a holder that vanishes is followed by another soon after its lease has ended") {
  World world;
  Candidate a(&world, "a:1");
  Candidate b(&world, "b:1");
  Pass(&world, absl::Seconds(5), {&a, &b});
  b.Said();

  Pass(&world, absl::Seconds(1.9), {&b});
  CHECK(b.Said().empty());
  // The lease was renewed at most 1 s before; 3 s after that it ends, and b looks every 0.25 s.
  Pass(&world, absl::Seconds(1.4), {&b});

  CHECK(b.Said() == "at(b:1) elected ");
  CHECK(b.fence > a.fence);
}

TEST_CASE("a holder that was stopped learns that another has the role and then follows it") {
  World world;
  Candidate a(&world, "a:1");
  Candidate b(&world, "b:1");
  Pass(&world, absl::Seconds(5), {&a, &b});
  Pass(&world, absl::Seconds(30), {&b});
  a.Said();

  Pass(&world, absl::Seconds(1), {&a, &b});

  CHECK(a.Said() == "lost(b:1 is the coordinator) at(b:1) ");
  CHECK_FALSE(a.core().has_role());
  CHECK(world.leases.size() == 1);
}

TEST_CASE("a holder that cannot reach etcd keeps the role, and keeps it if nobody took it") {
  World world;
  Candidate a(&world, "a:1");
  Pass(&world, absl::Seconds(5), {&a});
  a.Said();
  a.reaches_etcd = false;

  Pass(&world, absl::Seconds(30), {&a});
  CHECK(a.core().has_role());
  CHECK_FALSE(world.key.has_value());
  a.reaches_etcd = true;
  Pass(&world, absl::Seconds(2), {&a});

  CHECK(a.Said().empty());
  CHECK(a.core().has_role());
  CHECK(a.holds_key());
}

TEST_CASE("a holder that cannot reach etcd loses the role when it hears of its successor") {
  World world;
  Candidate a(&world, "a:1");
  Candidate b(&world, "b:1");
  Pass(&world, absl::Seconds(5), {&a, &b});
  a.Said();
  a.reaches_etcd = false;
  Pass(&world, absl::Seconds(30), {&a, &b});
  CHECK(a.core().has_role());  // It cannot know; its store and terms are fenced.
  CHECK(b.core().has_role());
  CHECK(b.holds_key());

  a.reaches_etcd = true;
  Pass(&world, absl::Seconds(1), {&a, &b});

  CHECK(a.Said() == "lost(b:1 is the coordinator) at(b:1) ");
}

TEST_CASE("a claim whose answer was lost is recognised as its own") {
  World world;
  Candidate a(&world, "a:1");
  // The read and the grant are answered, the claim is not.
  for (int i = 0; i < 2; ++i) {
    const ElectionCall call = a.core().Next(world.now);
    if (call.kind == Kind::kRead) a.core().OnHolder(world.now, absl::optional<ElectionHolder>());
    if (call.kind == Kind::kGrant) {
      world.leases[world.last_lease = 7] = world.now + world.ttl;
      a.core().OnGranted(world.now, 7);
    }
  }
  a.hears_etcd = false;
  a.Run();
  CHECK(a.holds_key());
  CHECK_FALSE(a.core().has_role());
  a.hears_etcd = true;

  Pass(&world, absl::Seconds(1), {&a});

  CHECK(a.Said() == "at(a:1) elected ");
}

TEST_CASE("who resigns leaves the role to others at once") {
  World world;
  Candidate a(&world, "a:1");
  Candidate b(&world, "b:1");
  Pass(&world, absl::Seconds(5), {&a, &b});
  a.Said();
  b.Said();

  a.core().Resign(world.now, "the store says Aborted");
  Pass(&world, absl::Seconds(0.5), {&a, &b});

  CHECK(a.Said() == "lost(the store says Aborted) at(b:1) ");
  CHECK(b.Said() == "at(b:1) elected ");
}

TEST_CASE("who resigns alone is elected again after a while") {
  World world;
  Candidate a(&world, "a:1");
  Pass(&world, absl::Seconds(5), {&a});
  const uint64_t first = a.fence;
  a.core().Resign(world.now, "why not");

  Pass(&world, absl::Seconds(3.9), {&a});
  CHECK_FALSE(a.core().has_role());
  CHECK_FALSE(world.key.has_value());
  Pass(&world, absl::Seconds(0.6), {&a});

  CHECK(a.core().has_role());
  CHECK(a.fence > first);
}

TEST_CASE("who begins anew alone is elected again at once, with another fence") {
  World world;
  Candidate a(&world, "a:1");
  Pass(&world, absl::Seconds(5), {&a});
  a.Said();
  const uint64_t first = a.fence;

  a.core().BeginAnew(world.now, "what was written is not known");
  Pass(&world, absl::Seconds(0.5), {&a});

  CHECK(a.Said() == "lost(what was written is not known) elected ");
  CHECK(a.fence > first);
}

TEST_CASE("resigning without the role is nothing") {
  World world;
  Candidate a(&world, "a:1");
  Candidate b(&world, "b:1");
  Pass(&world, absl::Seconds(5), {&a, &b});
  b.Said();

  b.core().Resign(world.now, "why not");
  Pass(&world, absl::Seconds(5), {&a, &b});

  CHECK(b.Said().empty());
  CHECK(a.core().has_role());
}

TEST_CASE("who is no candidate only follows") {
  World world;
  Candidate watcher(&world, "w:1", false);
  Candidate a(&world, "a:1");
  Pass(&world, absl::Seconds(5), {&watcher});
  CHECK(watcher.Said().empty());
  CHECK(world.leases.empty());

  Pass(&world, absl::Seconds(1), {&watcher, &a});

  CHECK(watcher.Said() == "at(a:1) ");
  CHECK(watcher.core().coordinator() == "a:1");
}

TEST_CASE("a candidate that starts while etcd is silent waits for it") {
  World world;
  Candidate a(&world, "a:1");
  a.reaches_etcd = false;
  Pass(&world, absl::Seconds(10), {&a});
  CHECK(a.Said().empty());
  CHECK(a.calls.size() <= 41);  // One each 0.25 s.
  a.reaches_etcd = true;

  Pass(&world, absl::Seconds(1), {&a});

  CHECK(a.core().has_role());
}

TEST_CASE("whatever the network does, each key has one holder and the last one is found") {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    const RandomStream random(seed, "election test");
    uint64_t counter = 0;
    World world;
    Candidate a(&world, "a:1");
    Candidate b(&world, "b:1");
    Candidate c(&world, "c:1");
    Candidate* all[] = {&a, &b, &c};
    for (int step = 0; step < 20; ++step) {
      for (Candidate* candidate : all) {
        candidate->reaches_etcd = random.Uniform(counter++) < 0.7f;
        candidate->hears_etcd = random.Uniform(counter++) < 0.7f;
        if (random.Uniform(counter++) < 0.1f) candidate->core().Resign(world.now, "test");
      }
      Pass(&world, absl::Milliseconds(1 + random.Bits(counter++) % 4000), {&a, &b, &c});
    }
    for (Candidate* candidate : all) candidate->reaches_etcd = candidate->hears_etcd = true;

    Pass(&world, absl::Seconds(10), {&a, &b, &c});

    INFO("seed " << seed);
    int holders = 0;
    for (Candidate* candidate : all) {
      holders += candidate->core().has_role();
      CHECK(candidate->core().has_role() == candidate->holds_key());
      REQUIRE(world.key.has_value());
      CHECK(candidate->core().coordinator() == world.key->address);
    }
    CHECK(holders == 1);
    CHECK(world.leases.size() == 1);
  }
}

}  // namespace
}  // namespace paceline
