#include "cli/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cli/render.h"
#include "common/job/job_state.h"

namespace paceline::cli {
namespace {

constexpr absl::Duration kPlainInterval = absl::Seconds(2);
constexpr int kBarWidth = 24;
constexpr int kUsualColumns = 80;

std::string Bar(double share, int width) {
  const int filled = static_cast<int>(share * width);
  std::string bar(filled, '=');
  if (filled < width) bar += '>';
  bar.resize(width, ' ');
  return bar;
}

}  // namespace

std::string ProgressLine(const v1::JobStatus& job, int bar_width) {
  if (job.state() == v1::WAITING) {
    if (job.reason().empty()) return "waiting for workers";
    const bool says_so = absl::StartsWith(job.reason(), "waiting");
    return absl::StrCat(says_so ? "" : "waiting: ", Printable(job.reason()));
  }
  // Bare parameters: the programs that push know how much there is to do.
  if (job.samples_total() == 0) {
    return absl::StrFormat("%s  version %d  %s", StateName(job.state()), job.version(),
                           Counted(job.roster().members_size(), "worker"));
  }
  const double total = static_cast<double>(job.samples_total());
  const double done = std::min(1.0, static_cast<double>(job.samples()) / total);
  const uint32_t epochs = job.spec().train().epochs();
  std::string line =
      absl::StrFormat("[%s] %3d%%  epoch %d/%d", Bar(done, bar_width), static_cast<int>(done * 100),
                      std::min(job.epoch() + 1, epochs), epochs);
  if (HasTrained(job)) {
    absl::StrAppendFormat(&line, "  loss %.4f", job.recent_loss());
    if (Classifies(job.spec())) {
      absl::StrAppendFormat(&line, "  acc %.2f%%", 100 * job.epoch_accuracy());
    }
  }
  absl::StrAppendFormat(&line, "  %.0f samples/s", job.samples_per_s());
  if (job.samples_per_s() > 0 && job.samples() < job.samples_total()) {
    const double left = static_cast<double>(job.samples_total() - job.samples());
    absl::StrAppend(&line, "  ", Duration(left / job.samples_per_s()), " left");
  }
  return line;
}

std::string CutToColumns(const std::string& line, int columns) {
  int taken = 0;
  for (size_t i = 0; i < line.size(); ++i) {
    const bool begins_character = (line[i] & 0xc0) != 0x80;
    if (begins_character && ++taken > columns) return line.substr(0, i);
  }
  return line;
}

int TerminalColumns(std::FILE* out) {
  const int file = ::fileno(out);
  if (::isatty(file) != 1) return 0;
  winsize size = {};
  if (::ioctl(file, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return kUsualColumns;
  return size.ws_col;
}

Progress::Progress(std::FILE* out, std::function<int()> columns)
    : out_(out), columns_(std::move(columns)) {}

void Progress::Show(const v1::JobStatus& job, absl::Time now) {
  const int columns = columns_();
  if (columns == 0) {
    if (now < shown_ + kPlainInterval) return;
    std::fprintf(out_, "%s\n", ProgressLine(job, kBarWidth).c_str());
  } else {
    // A line that fills the last column would wrap on some terminals.
    line_ = CutToColumns(ProgressLine(job, kBarWidth), columns - 1);
    std::fprintf(out_, "\r\x1b[K%s", line_.c_str());
  }
  std::fflush(out_);
  shown_ = now;
}

void Progress::Say(const std::string& line) {
  if (line_.empty()) {
    std::fprintf(out_, "%s\n", line.c_str());
  } else {
    std::fprintf(out_, "\r\x1b[K%s\n%s", line.c_str(), line_.c_str());
  }
  std::fflush(out_);
}

void Progress::Finish() {
  if (line_.empty()) return;
  std::fprintf(out_, "\n");
  std::fflush(out_);
  line_.clear();
}

}  // namespace paceline::cli
