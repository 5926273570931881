#include "server/coordinator/straggler.h"

#include <catch2/catch.hpp>
#include <limits>

namespace paceline {
namespace {

constexpr absl::Time kStart = absl::UnixEpoch();

v1::WorkerIdentity Identity(const std::string& id, uint64_t incarnation = 1) {
  v1::WorkerIdentity worker;
  worker.set_id(id);
  worker.set_incarnation(incarnation);
  return worker;
}

v1::WorkerJobReport Work(uint64_t samples, double compute_s, double transfer_s = 0,
                         double wait_s = 0) {
  v1::WorkerJobReport report;
  report.set_samples(samples);
  report.set_compute_s(compute_s);
  report.set_transfer_s(transfer_s);
  report.set_wait_s(wait_s);
  return report;
}

TEST_CASE("the slowest worker is named with its times for a thousand samples") {
  StragglerWatch watch;
  watch.Report(kStart, Identity("w0"), Work(1000, 1, 0.25));
  watch.Report(kStart, Identity("w1"), Work(1000, 1, 0.25));
  watch.Report(kStart, Identity("w2"), Work(500, 2, 0.5, 0.125));

  const auto straggler = watch.Find();

  // (2 + 0.5) s for 500 samples against 1.25 s for 1000: four times as long.
  REQUIRE(straggler.has_value());
  CHECK(straggler->worker().id() == "w2");
  CHECK(straggler->times_median() == Approx(4));
  CHECK(straggler->compute_s() == Approx(4));
  CHECK(straggler->transfer_s() == Approx(1));
  CHECK(straggler->wait_s() == Approx(0.25));
  CHECK(straggler->limit() == "compute");
}

TEST_CASE("a worker behind a slow link is limited by transfer") {
  StragglerWatch watch;
  watch.Report(kStart, Identity("w0"), Work(1000, 1, 0.1));
  watch.Report(kStart, Identity("w1"), Work(1000, 1.1, 2));

  REQUIRE(watch.Find().has_value());
  CHECK(watch.Find()->limit() == "transfer");
}

TEST_CASE("nobody stands out among workers that are about as fast, nor alone") {
  StragglerWatch watch;
  watch.Report(kStart, Identity("w0"), Work(1000, 1.4));
  CHECK_FALSE(watch.Find().has_value());

  watch.Report(kStart, Identity("w1"), Work(1000, 1));
  CHECK_FALSE(watch.Find().has_value());
}

TEST_CASE("only the last ten seconds count") {
  StragglerWatch watch;
  for (int second = 0; second <= 40; ++second) {
    // w1 was four times slower, and is as fast as w0 after 20 s.
    const uint64_t slow = second <= 20 ? 250 * second : 5000 + 1000 * (second - 20);
    watch.Report(kStart + absl::Seconds(second), Identity("w0"), Work(1000 * second, second));
    watch.Report(kStart + absl::Seconds(second), Identity("w1"), Work(slow, second));
    if (second == 20) {
      REQUIRE(watch.Find().has_value());
      CHECK(watch.Find()->times_median() == Approx(4));
    }
  }
  CHECK_FALSE(watch.Find().has_value());
}

TEST_CASE("a worker that has finished nothing for ten seconds is judged by all it has done") {
  StragglerWatch watch;
  for (int second = 1; second <= 30; ++second) {
    watch.Report(kStart + absl::Seconds(second), Identity("w0"), Work(1000 * second, second));
    watch.Report(kStart + absl::Seconds(second), Identity("w1"), Work(1000, second));
  }

  REQUIRE(watch.Find().has_value());
  CHECK(watch.Find()->times_median() == Approx(30));
}

TEST_CASE("a worker that has hardly worked, that has gone, or makes no sense counts for nothing") {
  StragglerWatch watch;
  watch.Report(kStart, Identity("w0"), Work(1000, 1));
  watch.Report(kStart, Identity("fresh"), Work(1, 0.1));
  watch.Report(kStart, Identity("idle"), Work(0, 9));
  watch.Report(kStart, Identity("odd"), Work(1, std::numeric_limits<double>::quiet_NaN()));
  CHECK_FALSE(watch.Find().has_value());

  watch.Report(kStart, Identity("gone"), Work(100, 1));
  REQUIRE(watch.Find().has_value());
  watch.Forget("gone");
  CHECK_FALSE(watch.Find().has_value());
}

TEST_CASE("another process under the same id starts anew") {
  StragglerWatch watch;
  watch.Report(kStart, Identity("w0"), Work(4000, 4));
  watch.Report(kStart, Identity("w1"), Work(1000, 4));
  watch.Report(kStart + absl::Seconds(1), Identity("w1", 2), Work(1000, 1));

  CHECK_FALSE(watch.Find().has_value());
}

}  // namespace
}  // namespace paceline
