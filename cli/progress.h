// The progress of a job on a terminal: one line that is rewritten, or plain lines where standard
// error is no terminal.
//
// Threads  One object, one thread.
#ifndef PACELINE_CLI_PROGRESS_H_
#define PACELINE_CLI_PROGRESS_H_

#include <cstdio>
#include <functional>
#include <string>

#include "absl/time/time.h"
#include "proto/control.pb.h"

namespace paceline::cli {

// "[=====>    ]  48%  epoch 3/5  loss 0.3120  acc 88.90%  61200 samples/s  2.1 s left".
std::string ProgressLine(const v1::JobStatus& job, int bar_width);

// The longest beginning of `line` that takes at most `columns`, without half a UTF-8 character.
std::string CutToColumns(const std::string& line, int columns);

// The width of the terminal that `out` is; 0 if it is none.
int TerminalColumns(std::FILE* out);

class Progress {
 public:
  // `columns` is asked before each line, as a terminal may be resized: rewrite one line of at most
  // that width; 0: no terminal, so a whole line every two seconds.
  Progress(std::FILE* out, std::function<int()> columns);
  ~Progress() { Finish(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void Show(const v1::JobStatus& job, absl::Time now);

  // A line of its own, above the progress line.
  void Say(const std::string& line);

  // Leaves the last progress line where it is and goes on below it.
  void Finish();

 private:
  std::FILE* const out_;
  const std::function<int()> columns_;
  std::string line_;  // On the terminal now, without its end of line.
  absl::Time shown_ = absl::InfinitePast();
};

}  // namespace paceline::cli

#endif  // PACELINE_CLI_PROGRESS_H_
