#include "cli/follow.h"

#include <catch2/catch.hpp>
#include <deque>
#include <vector>

namespace paceline::cli {
namespace {

v1::JobStatus Job(v1::JobState state) {
  v1::JobStatus job;
  job.set_job("j-1");
  job.set_state(state);
  return job;
}

v1::Event Happened(uint64_t sequence, double unix_s) {
  v1::Event event;
  event.set_sequence(sequence);
  event.set_unix_s(unix_s);
  return event;
}

// A coordinator that gives the answers of `script`, one a call, and the last of them for ever; its
// time passes only in sleep.
struct FakeFleet {
  std::deque<absl::StatusOr<v1::JobStatus>> script;
  std::vector<v1::Event> events;
  // Before the nth describe, the coordinator's events are replaced by `events_after_restart`.
  int restart_at = -1;
  std::vector<v1::Event> events_after_restart;
  absl::Time now = absl::UnixEpoch();
  int describes = 0;

  FollowCalls Calls() {
    FollowCalls calls;
    calls.describe = [this](const v1::DescribeJobRequest& request) {
      CHECK(request.job() == "j-1");
      if (++describes == restart_at) events = events_after_restart;
      auto answer = script.front();
      if (script.size() > 1) script.pop_front();
      return answer;
    };
    calls.list_events = [this](const v1::ListEventsRequest& request) {
      v1::ListEventsReply reply;
      for (const v1::Event& event : events) {
        // Two a reply, as a coordinator limits them, too.
        if (event.sequence() > request.after() && reply.events_size() < 2) {
          *reply.add_events() = event;
        }
      }
      return absl::StatusOr<v1::ListEventsReply>(reply);
    };
    calls.now = [this] { return now; };
    calls.sleep = [this](absl::Duration duration) { now += duration; };
    return calls;
  }
};

TEST_CASE("a job is followed until it has ended, and each answer is passed on") {
  FakeFleet fleet;
  fleet.script = {Job(v1::WAITING), Job(v1::RUNNING), Job(v1::FINISHED)};
  std::vector<v1::JobState> seen;
  FollowOptions options;
  options.on_status = [&](const v1::JobStatus& job) { seen.push_back(job.state()); };

  const auto job = FollowJob(fleet.Calls(), "j-1", options);

  REQUIRE(job.ok());
  CHECK(job->state() == v1::FINISHED);
  CHECK(seen == std::vector<v1::JobState>{v1::WAITING, v1::RUNNING, v1::FINISHED});
  CHECK(fleet.now == absl::UnixEpoch() + 2 * options.interval);
}

TEST_CASE("each event is passed on once, also those that one reply cannot hold") {
  FakeFleet fleet;
  fleet.script = {Job(v1::RUNNING), Job(v1::FINISHED)};
  for (uint64_t sequence = 1; sequence <= 5; ++sequence) {
    fleet.events.push_back(Happened(sequence, 100.0 + sequence));
  }
  std::vector<uint64_t> seen;
  FollowOptions options;
  options.on_event = [&](const v1::Event& event) { seen.push_back(event.sequence()); };

  REQUIRE(FollowJob(fleet.Calls(), "j-1", options).ok());

  CHECK(seen == std::vector<uint64_t>{1, 2, 3, 4, 5});
}

TEST_CASE("a coordinator that restarts is waited for, and only its new events are passed on") {
  FakeFleet fleet;
  const auto down = absl::UnavailableError("connection refused");
  fleet.script = {Job(v1::RUNNING), down, Job(v1::FINISHED)};
  fleet.events = {Happened(1, 101), Happened(2, 102), Happened(3, 103)};
  fleet.restart_at = 3;
  // It counts from 1 again, and remembers the newest old event.
  fleet.events_after_restart = {Happened(1, 103), Happened(2, 120)};
  std::vector<double> seen;
  FollowOptions options;
  options.on_event = [&](const v1::Event& event) { seen.push_back(event.unix_s()); };

  REQUIRE(FollowJob(fleet.Calls(), "j-1", options).ok());

  CHECK(seen == std::vector<double>{101, 102, 103, 120});
}

TEST_CASE("a coordinator that stays silent is given up after the patience, not before") {
  FakeFleet fleet;
  fleet.script = {Job(v1::RUNNING), absl::DeadlineExceededError("no answer in 10 s")};
  FollowOptions options;
  options.interval = absl::Seconds(1);

  const auto job = FollowJob(fleet.Calls(), "j-1", options);

  CHECK(absl::IsUnavailable(job.status()));
  CHECK(job.status().message() == "no answer in 10 s");
  CHECK(fleet.now == absl::UnixEpoch() + options.patience);
}

TEST_CASE("an unknown job is an error at once") {
  FakeFleet fleet;
  fleet.script = {absl::NotFoundError("no job j-1")};

  const auto job = FollowJob(fleet.Calls(), "j-1", {});

  CHECK(absl::IsNotFound(job.status()));
  CHECK(fleet.now == absl::UnixEpoch());
}

TEST_CASE("at the deadline the watch ends, to the moment") {
  FakeFleet fleet;
  fleet.script = {Job(v1::RUNNING)};
  FollowOptions options;
  options.interval = absl::Seconds(2);
  options.deadline = absl::UnixEpoch() + absl::Seconds(3);

  const auto job = FollowJob(fleet.Calls(), "j-1", options);

  CHECK(absl::IsDeadlineExceeded(job.status()));
  CHECK(job.status().message() == "job j-1 has not ended");
  CHECK(fleet.now == options.deadline);
}

TEST_CASE("at the deadline it is told if the coordinator was silent") {
  FakeFleet fleet;
  fleet.script = {absl::UnavailableError("connection refused")};
  FollowOptions options;
  options.deadline = absl::UnixEpoch() + absl::Seconds(3);

  const auto job = FollowJob(fleet.Calls(), "j-1", options);

  CHECK(absl::IsDeadlineExceeded(job.status()));
  CHECK(job.status().message() == "job j-1 has not ended, as far as is known: connection refused");
}

TEST_CASE("the watch ends with what the caller's check says") {
  FakeFleet fleet;
  fleet.script = {Job(v1::RUNNING)};
  FollowOptions options;
  options.check = [&] {
    return fleet.describes < 2 ? absl::OkStatus() : absl::CancelledError("interrupted");
  };

  const auto job = FollowJob(fleet.Calls(), "j-1", options);

  CHECK(absl::IsCancelled(job.status()));
  CHECK(fleet.describes == 2);
}

v1::JobStatus WithCheckpoint(uint64_t id, v1::CheckpointStatus::State state) {
  v1::JobStatus job = Job(v1::RUNNING);
  job.add_checkpoints()->set_id(id);
  job.mutable_checkpoints(0)->set_state(state);
  return job;
}

TEST_CASE("a checkpoint is followed until it is whole or has failed") {
  for (const auto state : {v1::CheckpointStatus::WHOLE, v1::CheckpointStatus::FAILED}) {
    FakeFleet fleet;
    fleet.script = {Job(v1::RUNNING), WithCheckpoint(6, v1::CheckpointStatus::WHOLE),
                    absl::UnavailableError("restarting"),
                    WithCheckpoint(7, v1::CheckpointStatus::WRITING), WithCheckpoint(7, state)};

    const auto checkpoint = FollowCheckpoint(fleet.Calls(), "j-1", 7, {});

    REQUIRE(checkpoint.ok());
    CHECK(checkpoint->id() == 7);
    CHECK(checkpoint->state() == state);
    CHECK(fleet.describes == 5);
  }
}

TEST_CASE("a checkpoint that is ordered anew under a later number is followed there") {
  FakeFleet fleet;
  fleet.script = {WithCheckpoint(7, v1::CheckpointStatus::WRITING),
                  WithCheckpoint(8, v1::CheckpointStatus::WRITING),
                  WithCheckpoint(8, v1::CheckpointStatus::WHOLE)};

  const auto checkpoint = FollowCheckpoint(fleet.Calls(), "j-1", 7, {});

  REQUIRE(checkpoint.ok());
  CHECK(checkpoint->id() == 8);
  CHECK(checkpoint->state() == v1::CheckpointStatus::WHOLE);
}

TEST_CASE("a checkpoint that will not be written is an error") {
  FakeFleet ended;
  ended.script = {WithCheckpoint(7, v1::CheckpointStatus::WRITING), Job(v1::CANCELLED)};
  const absl::Status status = FollowCheckpoint(ended.Calls(), "j-1", 7, {}).status();
  CHECK(absl::IsFailedPrecondition(status));
  CHECK(status.message() == "j-1 is cancelled; checkpoint 7 was not written before");
}

TEST_CASE("a checkpoint that is whole when its job ends is told") {
  FakeFleet fleet;
  v1::JobStatus job = WithCheckpoint(7, v1::CheckpointStatus::WHOLE);
  job.set_state(v1::FINISHED);
  fleet.script = {job};

  CHECK(FollowCheckpoint(fleet.Calls(), "j-1", 7, {}).ok());
}

}  // namespace
}  // namespace paceline::cli
