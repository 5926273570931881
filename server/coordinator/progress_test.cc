#include "server/coordinator/progress.h"

#include <catch2/catch.hpp>

namespace paceline {
namespace {

const absl::Time kStart = absl::FromUnixSeconds(1000);

v1::PartitionReport Report(uint32_t partition, uint64_t version, uint64_t samples = 0,
                           double loss_sum = 0, uint64_t correct = 0) {
  v1::PartitionReport report;
  report.set_partition(partition);
  report.set_version(version);
  report.set_applied_below(version * 2);
  report.set_samples(samples);
  report.set_loss_sum(loss_sum);
  report.set_correct(correct);
  return report;
}

TEST_CASE("the job is as far as its last partition, and nowhere until all have reported") {
  Progress progress(2);
  progress.Report(kStart, Report(0, 7, 70));
  CHECK_FALSE(progress.Complete());
  CHECK(progress.Version() == 0);

  progress.Report(kStart, Report(1, 5, 50));

  CHECK(progress.Complete());
  CHECK(progress.Version() == 5);
  CHECK(progress.AppliedBelow() == 10);
  CHECK(progress.Samples() == 50);
  CHECK_FALSE(progress.VersionsEqual());
}

TEST_CASE("a report that was overtaken is ignored") {
  Progress progress(1);
  progress.Report(kStart, Report(0, 7));

  progress.Report(kStart, Report(0, 6));

  CHECK(progress.Version() == 7);
}

TEST_CASE("what a new primary has not committed yet stays counted, and what it waits for is told") {
  Progress progress(1);
  v1::PartitionReport old_primary = Report(0, 7, 70);
  old_primary.set_term(1);
  progress.Report(kStart, old_primary);
  v1::PartitionReport report = Report(0, 5, 50);
  report.set_term(2);
  report.set_config(4);
  report.add_waits()->set_what("round 6");
  report.add_backups()->set_replica(3);

  progress.Report(kStart, report);

  CHECK(progress.Version() == 7);
  CHECK(progress.Samples() == 70);
  CHECK(progress.AppliedBelow() == 14);
  CHECK(progress.marks()[0].below() == 14);
  CHECK(progress.reports()[0].term() == 2);
  CHECK(progress.reports()[0].config() == 4);
  CHECK(progress.reports()[0].waits(0).what() == "round 6");
  CHECK(progress.reports()[0].backups(0).replica() == 3);

  // Its next report, which is not yet as far either.
  report.set_version(6);
  report.clear_waits();
  progress.Report(kStart, report);
  CHECK(progress.reports()[0].waits().empty());
  // One that it sent before.
  report.set_version(5);
  report.set_config(3);
  progress.Report(kStart, report);
  CHECK(progress.reports()[0].config() == 4);

  report.set_version(8);
  report.set_samples(80);
  progress.Report(kStart, report);
  CHECK(progress.Version() == 8);
  CHECK(progress.Samples() == 80);
}

TEST_CASE("recent loss and speed are those of about the last second") {
  Progress progress(1);
  progress.Report(kStart, Report(0, 0));
  // 100 samples in each half second; losses 4, 3, 2, 1 a sample.
  const double losses[] = {400, 700, 900, 1000};
  for (int i = 0; i < 4; ++i) {
    progress.Report(kStart + absl::Milliseconds(500) * (i + 1),
                    Report(0, i + 1, 100 * (i + 1), losses[i]));
  }
  const absl::Time now = kStart + absl::Seconds(2);

  // The last second holds 200 samples with a loss of 300.
  CHECK(progress.RecentLoss() == Approx(1.5));
  CHECK(progress.SamplesPerSecond(now) == Approx(200));
  // Two seconds without news: 200 samples in 2 s.
  CHECK(progress.SamplesPerSecond(now + absl::Seconds(2)) == Approx(100));
}

TEST_CASE("an epoch's means are those of the newest epoch that has samples") {
  Progress progress(1);
  CHECK(progress.EpochLoss() == 0);
  v1::PartitionReport report = Report(0, 12, 120, 200, 80);
  v1::EpochTally* past = report.add_epochs();
  past->set_samples(100);
  past->set_loss_sum(180);
  v1::EpochTally* running = report.add_epochs();
  running->set_epoch(1);
  running->set_samples(20);
  running->set_loss_sum(20);
  running->set_correct(15);

  progress.Report(kStart, report);

  CHECK(progress.EpochLoss() == 1);
  CHECK(progress.EpochAccuracy() == 0.75);
}

TEST_CASE("a job that starts now counts from nothing; one taken over counts from the first report") {
  Progress started(1);
  started.Begin(kStart);
  Progress taken_over(1);
  for (Progress* progress : {&started, &taken_over}) {
    progress->Report(kStart + absl::Seconds(1), Report(0, 4, 40, 80));
  }
  CHECK(started.SamplesPerSecond(kStart + absl::Seconds(1)) == Approx(40));
  CHECK(taken_over.SamplesPerSecond(kStart + absl::Seconds(1)) == 0);

  taken_over.Report(kStart + absl::Seconds(2), Report(0, 5, 50, 90));
  CHECK(taken_over.SamplesPerSecond(kStart + absl::Seconds(2)) == Approx(10));
}

}  // namespace
}  // namespace paceline
