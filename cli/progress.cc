#include "cli/progress.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cli/render.h"

namespace paceline::cli {
namespace {

constexpr absl::Duration kPlainInterval = absl::Seconds(2);
constexpr int kBarWidth = 24;

}  // namespace

std::string ProgressLine(const v1::JobStatus& job, int bar_width) {
  if (job.state() == v1::WAITING) {
    return absl::StrCat("waiting: ", job.reason().empty() ? "for workers" : job.reason());
  }
  const double total = static_cast<double>(std::max<uint64_t>(1, job.samples_total()));
  const double done = std::min(1.0, static_cast<double>(job.samples()) / total);
  const int filled = static_cast<int>(done * bar_width);
  std::string bar(filled, '=');
  if (filled < bar_width) bar += '>';
  bar.resize(bar_width, ' ');
  std::string line = absl::StrFormat(
      "[%s] %3d%%  epoch %d/%d  loss %.4f", bar, static_cast<int>(done * 100),
      std::min(job.epoch() + 1, job.spec().train().epochs()), job.spec().train().epochs(),
      job.recent_loss());
  const bool classifies = job.spec().model().loss() != v1::ModelSpec::MSE;
  if (classifies) absl::StrAppendFormat(&line, "  acc %.2f%%", 100 * job.epoch_accuracy());
  absl::StrAppendFormat(&line, "  %.0f samples/s", job.samples_per_s());
  if (job.samples_per_s() > 0 && job.samples() < job.samples_total()) {
    const double left = static_cast<double>(job.samples_total() - job.samples());
    absl::StrAppend(&line, "  ", Duration(left / job.samples_per_s()), " left");
  }
  return line;
}

void Progress::Show(const v1::JobStatus& job, absl::Time now) {
  if (!terminal_) {
    if (now < shown_ + kPlainInterval) return;
    std::fprintf(out_, "%s\n", ProgressLine(job, kBarWidth).c_str());
  } else {
    line_ = ProgressLine(job, kBarWidth);
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
