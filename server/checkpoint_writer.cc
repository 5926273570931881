#include "server/checkpoint_writer.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace paceline {
namespace {

// Until the other servers have heard that a checkpoint is whole, nothing can be removed.
constexpr absl::Duration kTidyRetry = absl::Milliseconds(200);

}  // namespace

CheckpointWriter::CheckpointWriter(Options options)
    : options_(std::move(options)),
      files_({options_.files, options_.now,
              [this](absl::Duration duration) { return Wait(duration); }, options_.complain}),
      thread_([this] { Run(); }) {}

CheckpointWriter::~CheckpointWriter() { Stop(); }

void CheckpointWriter::Write(CheckpointWork work) {
  v1::CheckpointReport refusal;
  {
    absl::MutexLock lock(&mutex_);
    if (queue_.size() < kQueueMax) {
      queue_.push_back(std::move(work));
      return;
    }
  }
  refusal.set_id(work.order.id());
  refusal.set_error(absl::StrCat(kQueueMax, " parts wait to be written at this server"));
  options_.done(work.job, work.partition, refusal);
}

void CheckpointWriter::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  if (thread_.joinable()) thread_.join();
}

bool CheckpointWriter::Wait(absl::Duration duration) {
  absl::MutexLock lock(&mutex_);
  return !mutex_.AwaitWithTimeout(absl::Condition(&stopping_), duration);
}

void CheckpointWriter::Run() {
  bool is_tidy = true;
  for (;;) {
    CheckpointWork work;
    {
      absl::MutexLock lock(&mutex_);
      mutex_.AwaitWithTimeout(absl::Condition(this, &CheckpointWriter::HasWork),
                              is_tidy ? absl::InfiniteDuration() : kTidyRetry);
      if (stopping_) return;
      if (!queue_.empty()) {
        work = std::move(queue_.front());
        queue_.pop_front();
      }
    }
    if (!work.job.empty()) options_.done(work.job, work.partition, files_.Do(work));
    is_tidy = files_.Tidy();
  }
}

}  // namespace paceline
