// Links that drop or delay packets, in both directions or one: no acknowledged push is lost, none
// counts twice, and no two primaries answer in one term.
#include <catch2/catch.hpp>
#include <cstdio>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/chaos/chaos.h"
#include "tests/chaos/links.h"
#include "tests/chaos/scene.h"
#include "tests/integration/replicated_job.h"
#include "tests/sim/random.h"

namespace paceline::chaos {
namespace {

// Longer than a lease and a promise.
constexpr absl::Duration kLong = absl::Seconds(4);

uint64_t TermOfFirst(Scene* scene) {
  return Number(scene->fleet().Status(scene->job())["placement"][0]["term"]);
}

TEST_CASE("a primary that is cut from the coordinator, but not from its clients, is replaced") {
  const auto scene = Scene::Make();
  if (scene == nullptr) return;
  const std::string primary = scene->Primary();
  const uint64_t term = TermOfFirst(scene.get());

  scene->links().Cut(primary, "coordinator");
  CHECK(Eventually([&] { return scene->Primary() != primary; }, absl::Seconds(10)));
  CHECK(scene->PushesGoOn());
  absl::SleepFor(kLong);
  CHECK(scene->PushesGoOn());
  scene->links().Heal();
  CHECK(AwaitInSync(scene->fleet(), scene->job(), 2));
  CHECK(scene->PushesGoOn());
  CHECK(TermOfFirst(scene.get()) > term);

  scene->CheckHistory();
}

TEST_CASE("a coordinator that is cut from everyone gives no new terms, and the job goes on") {
  const auto scene = Scene::Make();
  if (scene == nullptr) return;
  const uint64_t term = TermOfFirst(scene.get());
  scene->links().CutOff("coordinator");
  CHECK(scene->PushesGoOn());
  absl::SleepFor(kLong);
  CHECK(scene->PushesGoOn());
  scene->links().Heal();
  CHECK(AwaitInSync(scene->fleet(), scene->job(), 2));
  CHECK(scene->PushesGoOn());
  CHECK(scene->fleet().Status(scene->job())["state"] == "RUNNING");
  CHECK(TermOfFirst(scene.get()) == term);

  scene->CheckHistory();
}

TEST_CASE("links that are dead in one direction lose nothing") {
  const auto scene = Scene::Make();
  if (scene == nullptr) return;
  struct Direction {
    std::string from;
    std::string to;
  };
  for (int i = 0; i < 6; ++i) {
    const std::string primary = scene->Primary();
    const std::string backup = scene->Backup();
    const Direction directions[] = {{primary, "coordinator"}, {"coordinator", primary},
                                    {primary, backup},        {backup, primary},
                                    {"client-0", primary},    {primary, "client-0"}};
    const Direction& dead = directions[i];
    INFO("from " << dead.from << " to " << dead.to);
    scene->links().CutOneWay(dead.from, dead.to);
    absl::SleepFor(kLong);
    scene->links().Heal();
    CHECK(scene->PushesGoOn());
    CHECK(AwaitInSync(scene->fleet(), scene->job(), 2));
  }
  scene->CheckHistory();
}

TEST_CASE("slow links lose nothing") {
  const auto scene = Scene::Make();
  if (scene == nullptr) return;
  const std::string primary = scene->Primary();
  const std::string backup = scene->Backup();
  // What comes back is slower than what goes.
  scene->links().Delay(primary, backup, absl::Milliseconds(20));
  scene->links().Delay(backup, primary, absl::Milliseconds(200));
  scene->links().Delay("client-0", primary, absl::Milliseconds(100));
  scene->links().Delay("coordinator", primary, absl::Milliseconds(300));
  CHECK(scene->PushesGoOn());
  absl::SleepFor(kLong);
  // A primary behind a link that was slow is killed.
  scene->fleet().Kill(primary);
  CHECK(scene->PushesGoOn());
  scene->links().Heal();
  scene->fleet().StartServer(primary);
  CHECK(AwaitInSync(scene->fleet(), scene->job(), 2));
  CHECK(scene->PushesGoOn());

  scene->CheckHistory();
}

// Cuts and slows down links of servers and workers at random, one direction or both; the links of
// one at a time, until all copies are in sync again.
class LinkTrouble : public Trouble {
 public:
  LinkTrouble(Links* links, Fleet* fleet, std::string job, const RunOptions& options)
      : links_(links),
        fleet_(fleet),
        job_(std::move(job)),
        random_(options.seed, "links"),
        hosts_(ServersOf(options)) {
    const std::vector<std::string> workers = Workers();
    hosts_.insert(hosts_.end(), workers.begin(), workers.end());
  }

  void Step() override {
    if (absl::Now() < heal_at_) return;
    links_->Heal();
    if (InSync(fleet_->Status(job_)) < 2) return;
    const std::string& victim = hosts_[random_.Below(hosts_.size())];
    std::vector<std::string> others = {"coordinator"};
    if (random_.Chance(0.7)) others = {AnotherThan(victim)};
    if (random_.Chance(0.2)) others = hosts_;
    const absl::Duration delay =
        random_.Chance(0.25) ? random_.Ms(5, 200) : absl::InfiniteDuration();
    const bool is_sending = random_.Chance(0.67);
    const bool is_receiving = !is_sending || random_.Chance(0.5);
    for (const std::string& other : others) {
      if (is_sending) links_->Delay(victim, other, delay);
      if (is_receiving) links_->Delay(other, victim, delay);
    }
    heal_at_ = absl::Now() + random_.Ms(300, 4000);
    ++done_;
    std::printf("%s %s %s: %s for each packet\n", victim.c_str(),
                is_sending ? (is_receiving ? "to and from" : "to") : "from",
                others.size() == 1 ? others[0].c_str() : "everybody",
                absl::FormatDuration(delay).c_str());
  }
  void End() override { links_->Heal(); }
  bool HidesCoordinator() const override { return false; }
  std::string Done() const override { return absl::StrCat(done_, " links cut or slow"); }

 private:
  const std::string& AnotherThan(const std::string& host) {
    while (true) {
      const std::string& other = hosts_[random_.Below(hosts_.size())];
      if (other != host) return other;
    }
  }

  Links* const links_;
  Fleet* const fleet_;
  const std::string job_;
  sim::Random random_;
  std::vector<std::string> hosts_;
  absl::Time heal_at_;
  int done_ = 0;
};

TEST_CASE("training over links that are cut and slow at random comes to the same bits") {
  RunOptions options;
  options.epochs = 2;
  options.seed = 5;
  std::vector<std::string> hosts = {"people", "coordinator"};
  for (const auto& names : {ServersOf(options), Workers()}) {
    hosts.insert(hosts.end(), names.begin(), names.end());
  }
  const auto links = Links::Make(hosts);
  if (links == nullptr) return;
  options.host = [&links](const std::string& name) { return links->host(name); };
  options.trouble = [&](Fleet* fleet, const std::string& job) {
    return std::make_unique<LinkTrouble>(links.get(), fleet, job, options);
  };
  TrainInTrouble(options, UndisturbedBits(options.epochs));
}

}  // namespace
}  // namespace paceline::chaos
