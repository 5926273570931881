// The progress of a job on a terminal: one line that is rewritten, or plain lines where standard
// error is no terminal.
//
// Threads  One object, one thread.
#ifndef PACELINE_CLI_PROGRESS_H_
#define PACELINE_CLI_PROGRESS_H_

#include <cstdio>
#include <string>

#include "absl/time/time.h"
#include "proto/control.pb.h"

namespace paceline::cli {

// "[=====>    ]  48%  epoch 3/5  loss 0.3120  acc 88.90%  61200 samples/s  2.1 s left".
std::string ProgressLine(const v1::JobStatus& job, int bar_width);

class Progress {
 public:
  // `terminal`: rewrite the line; else a whole line every two seconds.
  Progress(std::FILE* out, bool terminal) : out_(out), terminal_(terminal) {}
  ~Progress() { Finish(); }

  void Show(const v1::JobStatus& job, absl::Time now);

  // A line of its own, above the progress line.
  void Say(const std::string& line);

  // Leaves the last progress line where it is and goes on below it.
  void Finish();

 private:
  std::FILE* const out_;
  const bool terminal_;
  std::string line_;
  absl::Time shown_ = absl::InfinitePast();
};

}  // namespace paceline::cli

#endif  // PACELINE_CLI_PROGRESS_H_
