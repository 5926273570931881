#include "server/partition/backup.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/base/status_macros.h"
#include "server/replica/entry_codec.h"
#include "server/replica/install_image.h"

namespace paceline {

PartitionBackup::PartitionBackup(std::shared_ptr<const StateShape> shape, uint64_t term,
                                 Standing standing)
    : shape_(std::move(shape)),
      term_(term),
      state_(std::move(standing.state)),
      entries_(std::move(standing.uncommitted)) {
  if (state_ != nullptr) committed_ = matched_ = state_->committed_index();
  PACELINE_CHECK(state_ == nullptr || state_->last_index() <= last_index());
}

void PartitionBackup::OnTerm(uint64_t term) {
  if (term <= term_) return;
  term_ = term;
  matched_ = committed_;
  assembly_ = nullptr;
}

absl::Status PartitionBackup::CheckTerm(const v1::ReplicaKey& key) const {
  if (key.term() >= term_) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("partition ", key.partition(), " of ", key.job(), " is at term ", term_,
                   "; the sender's term ", key.term(), " is over"));
}

absl::StatusOr<v1::ReplicaReply> PartitionBackup::OnAppend(const v1::AppendHeader& header,
                                                           const BlockRef& gradients) {
  RETURN_IF_ERROR(CheckTerm(header.key()));
  ASSIGN_OR_RETURN(std::deque<LogEntry> entries, Decode(header, gradients));
  OnTerm(header.key().term());
  if (state_ == nullptr) {
    v1::ReplicaReply reply;
    reply.set_wants_install(true);
    return reply;
  }
  // Nothing is dropped: what is beyond may be committed, and this copy may not know it yet.
  if (!Has(header.previous_index(), header.previous_term())) return Reply(committed_);
  const uint64_t last = header.previous_index() + entries.size();
  if (!Take(std::move(entries))) {
    v1::ReplicaReply reply = Reply(committed_);
    reply.set_wants_install(true);
    return reply;
  }
  matched_ = std::max(matched_, last);
  ApplyCommitted(std::min(header.committed(), matched_));
  return Reply(matched_);
}

absl::StatusOr<std::deque<LogEntry>> PartitionBackup::Decode(const v1::AppendHeader& header,
                                                             const BlockRef& gradients) const {
  const uint64_t elements = shape_->spec.elements;
  const uint64_t wanted = static_cast<uint64_t>(header.entries_size()) * elements;
  const uint64_t seen = gradients == nullptr ? 0 : gradients->elements();
  if (seen != wanted || (wanted > 0 && header.dtype() != v1::FLOAT32)) {
    return absl::InvalidArgumentError(absl::StrCat(
        header.entries_size(), " entries with ", seen, " elements of ",
        v1::DType_Name(header.dtype()), "; wanted ", wanted, " of FLOAT32, ", elements, " each"));
  }
  std::deque<LogEntry> entries;
  uint64_t begin = 0;
  for (const v1::EntryHeader& one : header.entries()) {
    ASSIGN_OR_RETURN(LogEntry entry, DecodeEntry(one));
    const uint64_t index = header.previous_index() + entries.size() + 1;
    const bool follows = entries.empty() || entry.step == entries.back().step + 1;
    if (entry.index != index || entry.term > header.key().term() || !follows) {
      return absl::InvalidArgumentError(
          absl::StrCat("entry ", entry.index, " of term ", entry.term, " with step ", entry.step,
                       "; wanted entry ", index, " of at most term ", header.key().term(),
                       ", its step one more than the one before it"));
    }
    entry.gradient = gradients;
    entry.gradient_begin = begin;
    begin += elements;
    entries.push_back(std::move(entry));
  }
  if (state_ == nullptr || entries.empty()) return entries;
  // One entry makes one version, so an entry's step follows from its index.
  const LogEntry& first = entries.front();
  if (first.step - first.index == state_->version() - state_->committed_index()) return entries;
  return absl::InvalidArgumentError(absl::StrCat("entry ", first.index, " has step ", first.step,
                                                 "; here entry ", state_->committed_index(),
                                                 " made version ", state_->version()));
}

bool PartitionBackup::Has(uint64_t index, uint64_t term) const {
  if (index <= committed_) return true;
  return index <= last_index() && entries_[index - committed_ - 1].term == term;
}

bool PartitionBackup::Take(std::deque<LogEntry> entries) {
  for (LogEntry& entry : entries) {
    if (Has(entry.index, entry.term)) continue;
    if (entry.index <= state_->last_index()) return false;
    while (last_index() >= entry.index) entries_.pop_back();
    entries_.push_back(std::move(entry));
  }
  return true;
}

void PartitionBackup::ApplyCommitted(uint64_t committed) {
  while (committed_ < committed) {
    const LogEntry& entry = entries_.front();
    if (entry.index > state_->last_index()) state_->Append(entry);
    state_->Publish(entry.index);
    entries_.pop_front();
    ++committed_;
  }
}

v1::ReplicaReply PartitionBackup::Reply(uint64_t last_index) const {
  v1::ReplicaReply reply;
  reply.set_last_index(last_index);
  if (state_ == nullptr) return reply;
  const auto digest = state_->newest_digest();
  // What a deposed primary applied beyond what is committed is not the sender's business.
  if (digest.has_value() && digest->index() <= committed_) *reply.mutable_digest() = *digest;
  return reply;
}

absl::Status PartitionBackup::CheckArray(const v1::InstallHeader& header,
                                         const Block* floats) const {
  const uint64_t elements = shape_->spec.elements;
  const uint64_t seen = floats == nullptr ? 0 : floats->elements();
  if (seen != elements || header.dtype() != v1::FLOAT32) {
    return absl::InvalidArgumentError(absl::StrCat("array of ", seen, " elements of ",
                                                   v1::DType_Name(header.dtype()), "; wanted ",
                                                   elements, " of FLOAT32"));
  }
  if (header.array() >= header.arrays()) {
    return absl::InvalidArgumentError(
        absl::StrCat("array ", header.array(), " of ", header.arrays()));
  }
  if (header.array() > 0) return absl::OkStatus();
  return ReplicatedState::CheckImage(*shape_, header);
}

absl::StatusOr<v1::ReplicaReply> PartitionBackup::OnInstall(const v1::InstallHeader& header,
                                                            std::shared_ptr<Block> floats) {
  RETURN_IF_ERROR(CheckTerm(header.key()));
  RETURN_IF_ERROR(CheckArray(header, floats.get()));
  OnTerm(header.key().term());
  // Late or repeated: it is here, or more is.
  if (state_ != nullptr && header.index() <= matched_) return Reply(matched_);
  const bool continues = assembly_ != nullptr && assembly_->first.index() == header.index() &&
                         assembly_->first.index_term() == header.index_term() &&
                         assembly_->first.arrays() == header.arrays();
  if (!continues && header.array() == 0) {
    assembly_ = std::make_unique<Assembly>();
    assembly_->first = header;
    assembly_->arrays.resize(header.arrays());
  } else if (!continues || header.array() > assembly_->next) {
    v1::ReplicaReply reply = Reply(matched_);
    reply.set_wants_install(true);
    return reply;
  }
  if (header.array() == assembly_->next) {
    assembly_->arrays[header.array()] = std::move(floats);
    assembly_->next = NextInstallArray(header.array(), assembly_->first.state().version());
    if (assembly_->next >= header.arrays()) Finish();
  }
  return Reply(matched_);
}

void PartitionBackup::Finish() {
  const std::unique_ptr<Assembly> assembly = std::move(assembly_);
  const uint64_t index = assembly->first.index();
  auto state = ReplicatedState::FromImage(shape_, assembly->first, std::move(assembly->arrays));
  PACELINE_CHECK(state.ok());  // CheckArray has seen the first frame.
  // What follows the image stays if it is of the same log.
  const bool goes_on = state_ != nullptr && Has(index, assembly->first.index_term());
  if (goes_on) {
    while (!entries_.empty() && entries_.front().index <= index) entries_.pop_front();
  } else {
    entries_.clear();
  }
  state_ = *std::move(state);
  committed_ = matched_ = index;
}

PartitionBackup::Standing PartitionBackup::Promote() {
  PACELINE_CHECK(state_ != nullptr);
  for (const LogEntry& entry : entries_) {
    if (entry.index > state_->last_index()) state_->Append(entry);
  }
  return {std::move(state_), std::move(entries_)};
}

v1::PartitionReport PartitionBackup::Report() const {
  v1::PartitionReport report;
  report.set_job(shape_->spec.job);
  report.set_partition(shape_->spec.partition);
  if (state_ != nullptr) state_->FillIn(&report);
  report.set_term(term_);
  report.set_is_backup(true);
  report.set_last_index(last_index());
  report.set_committed_index(committed_);
  return report;
}

}  // namespace paceline
