#include "cli/progress.h"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <limits>

namespace paceline::cli {
namespace {

// Half of the third of five epochs.
v1::JobStatus Running() {
  v1::JobStatus job;
  job.set_state(v1::RUNNING);
  job.mutable_spec()->mutable_train()->set_epochs(5);
  job.set_epoch(2);
  job.set_samples(500);
  job.set_samples_total(1000);
  job.set_recent_loss(0.312);
  job.set_epoch_accuracy(0.889);
  job.set_samples_per_s(100);
  return job;
}

// A file in memory that tells what was written.
class Output {
 public:
  Output() : file_(::open_memstream(&text_, &bytes_)) {}
  ~Output() {
    std::fclose(file_);
    std::free(text_);
  }
  std::FILE* file() { return file_; }
  std::string text() {
    std::fflush(file_);
    return std::string(text_, bytes_);
  }

 private:
  char* text_ = nullptr;
  size_t bytes_ = 0;
  std::FILE* file_;
};

absl::Time At(double s) { return absl::UnixEpoch() + absl::Seconds(s); }

TEST_CASE("the progress line says how far, how good, how fast and how long still") {
  CHECK(ProgressLine(Running(), 10) ==
        "[=====>    ]  50%  epoch 3/5  loss 0.3120  acc 88.90%  100 samples/s  5.0 s left");
}

TEST_CASE("the progress line of a regression has no accuracy") {
  v1::JobStatus job = Running();
  job.mutable_spec()->mutable_model()->set_loss(v1::ModelSpec::MSE);

  CHECK(ProgressLine(job, 10) ==
        "[=====>    ]  50%  epoch 3/5  loss 0.3120  100 samples/s  5.0 s left");
}

TEST_CASE("before the first sample there is no loss and no accuracy to tell") {
  v1::JobStatus job = Running();
  job.set_epoch(0);
  job.set_samples(0);
  job.set_samples_per_s(0);

  CHECK(ProgressLine(job, 4) == "[>   ]   0%  epoch 1/5  0 samples/s");
}

TEST_CASE("at the end the bar is full, the epoch is the last and nothing is left") {
  v1::JobStatus job = Running();
  job.set_state(v1::EVALUATING);
  job.set_epoch(5);
  job.set_samples(1000);

  CHECK(ProgressLine(job, 10) ==
        "[==========] 100%  epoch 5/5  loss 0.3120  acc 88.90%  100 samples/s");
}

TEST_CASE("a loss that is not a number is shown as it is, and a speed of none predicts nothing") {
  v1::JobStatus job = Running();
  job.set_recent_loss(std::numeric_limits<double>::quiet_NaN());
  job.set_samples_per_s(0);

  CHECK(ProgressLine(job, 4) == "[==> ]  50%  epoch 3/5  loss nan  acc 88.90%  0 samples/s");
}

TEST_CASE("a job that waits says for what, on one line") {
  v1::JobStatus job;
  job.set_state(v1::WAITING);
  CHECK(ProgressLine(job, 10) == "waiting for workers");

  job.set_reason("no\nserver");
  CHECK(ProgressLine(job, 10) == "waiting: no?server");

  job.set_reason("waiting for a worker");
  CHECK(ProgressLine(job, 10) == "waiting for a worker");
}

TEST_CASE("a job of bare parameters has no end to measure by") {
  v1::JobStatus job;
  job.set_state(v1::RUNNING);
  job.set_version(12);
  job.mutable_roster()->add_members();
  job.mutable_roster()->add_members();

  CHECK(ProgressLine(job, 10) == "running  version 12  2 workers");
}

TEST_CASE("a line is cut to its columns, never inside a character") {
  CHECK(CutToColumns("epoch", 5) == "epoch");
  CHECK(CutToColumns("epoch", 3) == "epo");
  CHECK(CutToColumns("epoch", 0).empty());
  CHECK(CutToColumns("a\u00e9\u00e8z", 2) == "a\u00e9");
  CHECK(CutToColumns("a\u00e9\u00e8z", 4) == "a\u00e9\u00e8z");
}

TEST_CASE("a file is no terminal") {
  std::FILE* file = std::tmpfile();
  REQUIRE(file != nullptr);
  CHECK(TerminalColumns(file) == 0);
  std::fclose(file);
}

TEST_CASE("off a terminal a whole line is written every two seconds, without escapes") {
  Output out;
  Progress progress(out.file(), [] { return 0; });
  const std::string line = ProgressLine(Running(), 24) + "\n";

  progress.Show(Running(), At(10));
  progress.Show(Running(), At(11.9));
  CHECK(out.text() == line);

  progress.Say("worker-1 ended");
  progress.Show(Running(), At(12));
  progress.Finish();
  CHECK(out.text() == line + "worker-1 ended\n" + line);
}

TEST_CASE("on a terminal one line is rewritten, and left behind at the end") {
  Output out;
  Progress progress(out.file(), [] { return 200; });
  const std::string line = ProgressLine(Running(), 24);

  progress.Show(Running(), At(10));
  progress.Show(Running(), At(10.2));
  progress.Finish();
  progress.Finish();

  CHECK(out.text() == "\r\x1b[K" + line + "\r\x1b[K" + line + "\n");
}

TEST_CASE("what is said appears above the progress line") {
  Output out;
  Progress progress(out.file(), [] { return 200; });
  const std::string line = ProgressLine(Running(), 24);

  progress.Say("fleet: 1 servers");
  progress.Show(Running(), At(10));
  progress.Say("worker-1 ended");

  CHECK(out.text() == "fleet: 1 servers\n\r\x1b[K" + line + "\r\x1b[Kworker-1 ended\n" + line);
}

TEST_CASE("a line stays inside a narrow terminal, also after it was made narrower") {
  Output out;
  int columns = 11;
  Progress progress(out.file(), [&] { return columns; });

  progress.Show(Running(), At(10));
  columns = 5;
  progress.Show(Running(), At(11));

  CHECK(out.text() == "\r\x1b[K[=========\r\x1b[K[===");
}

TEST_CASE("a progress that goes ends its line") {
  Output out;
  {
    Progress(out.file(), [] { return 5; }).Show(Running(), At(10));
  }

  CHECK(out.text() == "\r\x1b[K[===\n");
}

}  // namespace
}  // namespace paceline::cli
