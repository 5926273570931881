#include "server/partition/partition_host.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <memory>
#include <thread>

#include "absl/strings/str_cat.h"
#include "server/partition/partition_testing.h"

namespace paceline {
namespace {

v1::ServerSyncReply ReplyOf(std::vector<v1::JobDirective> jobs) {
  v1::ServerSyncReply reply;
  reply.mutable_server()->set_id("s1");
  reply.mutable_server()->set_incarnation(1);
  reply.set_version(1);
  reply.set_changed(true);
  for (v1::JobDirective& job : jobs) *reply.add_jobs() = std::move(job);
  return reply;
}

PartitionHost::Options OptionsOf(std::function<void(absl::string_view)> complain) {
  PartitionHost::Options options;
  options.complain = std::move(complain);
  return options;
}

struct Rig {
  Rig()
      : host(OptionsOf([this](absl::string_view text) { complaints.push_back(std::string(text)); }),
             [this](Answer answer) {
               absl::MutexLock lock(&mutex);
               answers.push_back(std::move(answer));
             }) {}

  void Direct(std::vector<v1::JobDirective> jobs) { host.OnDirectives(now, ReplyOf(jobs)); }

  void Pull(uint64_t call, const v1::PartitionKey& key, uint64_t clock = 0) {
    v1::PullRequest request;
    *request.mutable_key() = key;
    request.set_clock(clock);
    host.OnPull(now, call, request);
  }

  void Push(uint64_t call, const v1::PartitionKey& key, const std::string& worker, uint64_t clock,
            float value) {
    const uint64_t elements = host.Elements(key).value_or(1);
    v1::PushHeader header;
    *header.mutable_key() = key;
    *header.mutable_worker() = WorkerOf(worker);
    header.set_clock(clock);
    header.set_dtype(v1::FLOAT32);
    header.add_pieces()->set_weight(1);
    auto gradients = std::make_shared<Block>(elements);
    std::fill(gradients->floats().begin(), gradients->floats().end(), value);
    host.OnPush(now, call, header, std::move(gradients), false);
  }

  // The answer to that call; UNKNOWN while there is none.
  absl::Status StatusOf(uint64_t call) {
    absl::MutexLock lock(&mutex);
    for (const Answer& answer : answers) {
      if (answer.call == call) return answer.status;
    }
    return absl::UnknownError("parked");
  }

  float FirstParameter(const v1::PartitionKey& key) {
    Pull(999999, key);
    absl::MutexLock lock(&mutex);
    const Answer answer = answers.back();
    answers.pop_back();
    return answer.parameters == nullptr ? -1e9f : answer.parameters->floats()[0];
  }

  const absl::Time now = absl::UnixEpoch();
  absl::Mutex mutex;
  std::vector<Answer> answers ABSL_GUARDED_BY(mutex);
  std::vector<std::string> complaints;
  PartitionHost host;
};

TEST_CASE("partitions come with the directives that place them here, and no others") {
  Rig rig;
  v1::JobDirective job = BareJob("job-1");
  job.mutable_placement(1)->set_server_incarnation(2);
  rig.Direct({job});

  CHECK(rig.host.Elements(KeyOf("job-1", 0)).value() > 0);
  CHECK(absl::IsFailedPrecondition(rig.host.Elements(KeyOf("job-1", 1)).status()));
  CHECK(absl::IsFailedPrecondition(rig.host.Elements(KeyOf("job-2", 0)).status()));
  rig.Pull(1, KeyOf("job-1", 0));
  rig.Pull(2, KeyOf("job-1", 1));
  rig.Pull(3, KeyOf("job-2", 0));
  CHECK(rig.StatusOf(1).ok());
  CHECK(absl::IsFailedPrecondition(rig.StatusOf(2)));
  CHECK(absl::IsFailedPrecondition(rig.StatusOf(3)));
  CHECK(rig.host.Report(rig.now).size() == 1);
  CHECK(rig.complaints.empty());
}

TEST_CASE("a reply without changes changes nothing") {
  Rig rig;
  rig.Direct({BareJob("job-1")});
  rig.host.OnDirectives(rig.now, v1::ServerSyncReply());
  CHECK(rig.host.Report(rig.now).size() == 2);
}

TEST_CASE("the same directive again keeps what was applied") {
  Rig rig;
  rig.Direct({BareJob("job-1")});
  rig.Push(1, KeyOf("job-1", 0), "w1", 0, 2);
  rig.Direct({BareJob("job-1")});
  CHECK(rig.FirstParameter(KeyOf("job-1", 0)) == -2);
  CHECK(rig.FirstParameter(KeyOf("job-1", 1)) == 0);
}

TEST_CASE("a job that is no longer named is dropped, and its parked calls are answered") {
  Rig rig;
  rig.Direct({BareJob("job-1"), BareJob("job-2")});
  rig.Pull(1, KeyOf("job-1", 0), 5);
  rig.Pull(2, KeyOf("job-2", 0), 5);

  rig.Direct({BareJob("job-2")});

  CHECK(absl::IsFailedPrecondition(rig.StatusOf(1)));
  CHECK(absl::IsUnknown(rig.StatusOf(2)));
  CHECK(rig.host.Report(rig.now).size() == 2);
  rig.Pull(3, KeyOf("job-1", 0));
  CHECK(absl::IsFailedPrecondition(rig.StatusOf(3)));
}

TEST_CASE("calls of a job that was cancelled or has failed end with that reason") {
  for (const v1::JobState state : {v1::CANCELLED, v1::FAILED}) {
    Rig rig;
    v1::JobDirective job = BareJob("job-1");
    rig.Direct({job});
    rig.Pull(1, KeyOf("job-1", 0), 5);
    job.set_state(state);

    rig.Direct({job});

    rig.Pull(2, KeyOf("job-1", 0));
    rig.Push(3, KeyOf("job-1", 1), "w1", 0, 1);
    for (const uint64_t call : {1, 2, 3}) {
      CHECK(absl::IsCancelled(rig.StatusOf(call)));
      CHECK_THAT(std::string(rig.StatusOf(call).message()), Catch::StartsWith("job-1 "));
    }
  }
}

TEST_CASE("a finished job stays readable") {
  Rig rig;
  v1::JobDirective job = BareJob("job-1");
  rig.Direct({job});
  rig.Push(1, KeyOf("job-1", 0), "w1", 0, 2);
  job.set_state(v1::FINISHED);
  rig.Direct({job});
  CHECK(rig.FirstParameter(KeyOf("job-1", 0)) == -2);
}

TEST_CASE("a cancelled call is never answered") {
  Rig rig;
  rig.Direct({BareJob("job-1")});
  rig.Pull(1, KeyOf("job-1", 1), 5);
  rig.host.OnCancel(1);
  rig.Direct({});
  CHECK(absl::IsUnknown(rig.StatusOf(1)));
}

TEST_CASE(
    "a directive that cannot be followed is complained of once, and the others are followed") {
  Rig rig;
  v1::JobDirective wrong = BareJob("job-1");
  wrong.mutable_segment()->set_first_version(7);
  v1::JobDirective sync = BareJob("job-2");
  *sync.mutable_segment()->mutable_consistency() = SyncSpec();
  v1::JobDirective short_one = BareJob("job-3");
  short_one.mutable_placement()->RemoveLast();
  v1::JobDirective late = BareJob("job-5");
  late.set_state(v1::EVALUATING);

  rig.Direct({wrong, sync, short_one, BareJob("job-4"), late});
  rig.Direct({wrong, sync, short_one, BareJob("job-4"), late});

  CHECK(rig.complaints.size() == 2 + 2 + 1 + 2);
  CHECK(rig.host.Report(rig.now).size() == 2);
}

TEST_CASE("the first invalid push of a partition is news") {
  Rig rig;
  rig.Direct({BareJob("job-1")});
  CHECK_FALSE(rig.host.TakeNews());
  v1::PushHeader header;
  *header.mutable_key() = KeyOf("job-1", 0);
  *header.mutable_worker() = WorkerOf("w1");
  rig.host.OnPush(rig.now, 1, header, nullptr, true);
  CHECK(absl::IsInvalidArgument(rig.StatusOf(1)));
  CHECK(rig.host.TakeNews());
  CHECK_FALSE(rig.host.TakeNews());
  CHECK(rig.host.Report(rig.now)[0].pushes_invalid() == 1);
}

TEST_CASE("threads that push to several partitions lose nothing and count nothing twice") {
  // Every push is sent twice; 4 threads x 25 clocks x {1/8} on each partition.
  constexpr int kThreads = 4;
  constexpr uint64_t kClocks = 25;
  Rig rig;
  v1::JobDirective job = BareJob("job-1");
  *job.mutable_roster() = RosterOf(kThreads);
  rig.Direct({job});
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&rig, t] {
      const std::string worker = absl::StrCat("w", t + 1);
      uint64_t call = 1000 * static_cast<uint64_t>(t + 1);
      for (uint64_t clock = 0; clock < kClocks; ++clock) {
        for (uint32_t repetition = 0; repetition < 2; ++repetition) {
          rig.Push(call++, KeyOf("job-1", 0), worker, clock, 0.125f);
          rig.Push(call++, KeyOf("job-1", 1), worker, clock, 0.125f);
        }
        rig.Pull(call++, KeyOf("job-1", clock % 2), clock);
      }
    });
  }
  threads.emplace_back([&rig, job]() mutable {
    for (uint64_t version = 2; version < 40; ++version) {
      job.mutable_roster()->set_version(version);
      rig.Direct({job});
      rig.host.Report(rig.now);
      rig.host.TakeNews();
      rig.host.OnCancel(5);
    }
  });
  for (std::thread& thread : threads) thread.join();

  CHECK(rig.FirstParameter(KeyOf("job-1", 0)) == -0.125f * kThreads * kClocks);
  CHECK(rig.FirstParameter(KeyOf("job-1", 1)) == -0.125f * kThreads * kClocks);
  absl::MutexLock lock(&rig.mutex);
  CHECK(rig.answers.size() == kThreads * kClocks * 5);
  for (const Answer& answer : rig.answers) CHECK(answer.status.ok());
}

}  // namespace
}  // namespace paceline
