#include "server/replica/replicator.h"

#include <algorithm>
#include <utility>

#include "common/base/check.h"
#include "server/replica/entry_codec.h"

namespace paceline {
namespace {

constexpr absl::Duration kRetryMin = absl::Milliseconds(50);
constexpr uint32_t kDoublingsMax = 3;
// What a slow network brings; only used to be patient with large calls.
constexpr double kSlowBytesPerSecond = 64e6;

size_t BytesOf(const LogEntry& entry) {
  return entry.gradient == nullptr ? 0 : entry.gradient->elements() * sizeof(float);
}

uint64_t AheadMax(const Replicator::Options& options) {
  if (!options.acknowledges_alone) return 0;
  const ReplicationOptions& limits = options.replication;
  const size_t entry_bytes = std::max<size_t>(options.elements, 1) * sizeof(float);
  return std::max<uint64_t>(
      1, std::min<uint64_t>(limits.ahead_entries_max, limits.ahead_bytes_max / entry_bytes));
}

}  // namespace

Replicator::Replicator(Options options, Start start)
    : options_(std::move(options)),
      ahead_max_(AheadMax(options_)),
      entries_(std::move(start.uncommitted)),
      base_index_(start.index),
      base_term_(start.term),
      last_index_(start.index + entries_.size()),
      committed_(start.index),
      inherited_(options_.acknowledges_alone ? 0 : last_index_),
      first_index_(last_index_) {
  for (const LogEntry& entry : entries_) bytes_ += BytesOf(entry);
  PACELINE_CHECK(entries_.empty() || entries_.front().index == base_index_ + 1);
}

void Replicator::Follow(absl::Time now, const v1::PartitionPlacement& placement, uint64_t self,
                        uint32_t min_in_sync) {
  min_in_sync_ = std::max<uint32_t>(min_in_sync, 1);
  if (placement.term() < term_) return;
  const bool is_new = placement.term() > term_ || placement.config() > config_;
  if (!is_new) return PumpAll(now);
  term_ = placement.term();
  config_ = placement.config();
  std::map<uint64_t, Backup> backups;
  for (const v1::PartitionReplica& replica : placement.replicas()) {
    if (replica.id() == self) continue;
    const auto known = backups_.find(replica.id());
    Backup& backup = backups[replica.id()];
    if (known != backups_.end()) {
      backup = std::move(known->second);
    } else {
      // Every copy in sync has what is committed. One that has less says so.
      backup.next = committed_ + 1;
      backup.heard = now;
      backup.due = now;
    }
    backup.replica = replica;
    backup.near = backup.caught_up = false;
  }
  backups_ = std::move(backups);
  Advance();
  PumpAll(now);
}

uint64_t Replicator::Append(absl::Time now, LogEntry entry) {
  PACELINE_CHECK(entry.index == last_index_ + 1);
  last_index_ = entry.index;
  bytes_ += BytesOf(entry);
  entries_.push_back(std::move(entry));
  Advance();
  PumpAll(now);
  return committed_;
}

void Replicator::Advance() {
  uint64_t held = last_index_;
  for (const auto& [id, backup] : backups_) {
    if (backup.counts()) held = std::min(held, backup.acknowledged);
  }
  committed_ = std::max(committed_, held);
  Truncate();
}

void Replicator::Truncate() {
  uint64_t needed_after = committed_;
  for (const auto& [id, backup] : backups_) {
    if (backup.diverged || backup.wants_image) continue;
    const uint64_t has = backup.image == nullptr ? backup.acknowledged : backup.image->index;
    needed_after = std::min(needed_after, has);
  }
  while (!entries_.empty() && entries_.front().index <= committed_ &&
         (entries_.front().index <= needed_after ||
          entries_.size() > options_.replication.log.entries_max ||
          bytes_ > options_.replication.log.bytes_max)) {
    base_index_ = entries_.front().index;
    base_term_ = entries_.front().term;
    bytes_ -= BytesOf(entries_.front());
    entries_.pop_front();
  }
}

uint64_t Replicator::TermAt(uint64_t index) const {
  return index == base_index_ ? base_term_ : entries_[index - base_index_ - 1].term;
}

absl::optional<Replicator::BackupDigest> Replicator::OnDone(absl::Time now, uint64_t call,
                                                            const absl::Status& status,
                                                            const v1::ReplicaReply& reply) {
  const auto it = std::find_if(backups_.begin(), backups_.end(),
                               [call](const auto& one) { return one.second.call == call; });
  if (it == backups_.end() || call == 0) return absl::nullopt;
  Backup& backup = it->second;
  backup.call = 0;
  if (!status.ok()) {
    const uint32_t doublings = std::min(backup.failures++, kDoublingsMax);
    backup.due = now + kRetryMin * (1 << doublings);
    return absl::nullopt;
  }
  backup.failures = 0;
  backup.heard = now;
  backup.due = backup.sent + options_.replication.heartbeat;
  backup.promised = std::max(backup.promised, backup.sent);
  backup.is_install ? TakeInstallReply(reply, &backup) : TakeAppendReply(reply, &backup);
  const bool is_fed = !backup.wants_image && backup.image == nullptr;
  if (is_fed && std::exchange(backup.lagging, false)) news_ = true;
  if (is_fed && !backup.diverged && backup.acknowledged >= backup.sent_tip) backup.near = true;
  if (backup.near && backup.acknowledged >= committed_ && !std::exchange(backup.caught_up, true)) {
    if (!backup.replica.in_sync()) news_ = true;
  }
  Advance();
  PumpAll(now);
  if (!reply.has_digest()) return absl::nullopt;
  return BackupDigest{it->first, reply.digest()};
}

void Replicator::TakeAppendReply(const v1::ReplicaReply& reply, Backup* backup) {
  backup->acknowledged = std::max(backup->acknowledged, std::min(reply.last_index(), last_index_));
  if (reply.wants_install()) return WantImage(backup);
  if (reply.last_index() >= backup->sent_last) {
    backup->next = std::max(backup->next, backup->acknowledged + 1);
  } else {
    backup->next = reply.last_index() + 1;
  }
}

void Replicator::TakeInstallReply(const v1::ReplicaReply& reply, Backup* backup) {
  if (backup->image == nullptr) return;
  const InstallImage& image = *backup->image;
  if (reply.wants_install()) {
    backup->image = nullptr;
    return WantImage(backup);
  }
  backup->array = NextInstallArray(backup->array, image.state.version());
  if (backup->array < image.arrays.size()) return;
  const uint64_t index = image.index;
  backup->image = nullptr;
  if (reply.last_index() < index) return WantImage(backup);
  backup->acknowledged = std::max(backup->acknowledged, index);
  backup->next = backup->acknowledged + 1;
}

void Replicator::WantImage(Backup* backup) {
  if (backup->image == nullptr) backup->wants_image = true;
  // While it counts nothing can be committed, so nothing can be sent.
  StopWaitingFor(backup);
}

void Replicator::StopWaitingFor(Backup* backup) {
  if (backup->is_relied_on()) {
    if (!std::exchange(backup->lagging, true)) news_ = true;
  } else {
    backup->near = false;
  }
}

void Replicator::Diverged(uint64_t replica) {
  const auto it = backups_.find(replica);
  if (it == backups_.end() || it->second.diverged) return;
  it->second.diverged = true;
  news_ = true;
}

bool Replicator::wants_image() const {
  return std::any_of(backups_.begin(), backups_.end(),
                     [](const auto& one) { return one.second.wants_image; });
}

void Replicator::OnImage(absl::Time now, InstallImage image) {
  PACELINE_CHECK(image.index == last_index_);
  const auto shared = std::make_shared<const InstallImage>(std::move(image));
  for (auto& [id, backup] : backups_) {
    if (!std::exchange(backup.wants_image, false)) continue;
    backup.image = shared;
    backup.array = 0;
    Pump(now, &backup);
  }
}

void Replicator::OnTick(absl::Time now) {
  for (auto& [id, backup] : backups_) {
    if (backup.counts() && now >= LaggingAt(backup)) StopWaitingFor(&backup);
  }
  Advance();
  PumpAll(now);
}

absl::Time Replicator::LaggingAt(const Backup& backup) const {
  const absl::Duration allowance = backup.call == 0 ? absl::ZeroDuration() : backup.allowance;
  return backup.heard + options_.replication.lagging_after + allowance;
}

absl::Time Replicator::NextTick() const {
  absl::Time next = absl::InfiniteFuture();
  for (const auto& [id, backup] : backups_) {
    if (backup.call == 0) next = std::min(next, backup.due);
    if (backup.counts() && !backup.lagging) next = std::min(next, LaggingAt(backup));
  }
  return next;
}

void Replicator::PumpAll(absl::Time now) {
  for (auto& [id, backup] : backups_) Pump(now, &backup);
}

void Replicator::Pump(absl::Time now, Backup* backup) {
  if (backup->call != 0) return;
  const bool is_due = now >= backup->due;
  if (backup->failures > 0 && !is_due) return;
  if (backup->image == nullptr && !backup->wants_image && backup->next <= base_index_) {
    WantImage(backup);
  }
  if (backup->image != nullptr && backup->image->index <= committed_) {
    SendArray(now, backup);
  } else if (is_due ||
             (backup->image == nullptr && !backup->wants_image && backup->next <= last_index_)) {
    SendEntries(now, backup);
  }
}

// Without an image all from `next` on that fit; else a heartbeat.
void Replicator::SendEntries(absl::Time now, Backup* backup) {
  const bool is_heartbeat = backup->image != nullptr || backup->wants_image;
  const uint64_t previous = is_heartbeat
                                ? std::max(base_index_, std::min(backup->acknowledged, last_index_))
                                : backup->next - 1;
  ReplicaCall call;
  v1::AppendHeader header;
  *header.mutable_key() = KeyOf(*backup);
  header.set_previous_index(previous);
  header.set_previous_term(TermAt(previous));
  header.set_committed(committed_);
  header.set_dtype(v1::FLOAT32);
  const size_t entry_bytes = options_.elements * sizeof(float);
  size_t bytes = 0;
  for (size_t i = previous - base_index_; !is_heartbeat && i < entries_.size(); ++i) {
    const bool is_full = bytes + entry_bytes > options_.call_bytes_max ||
                         header.entries_size() >= options_.call_entries_max;
    if (is_full && bytes > 0) break;
    const LogEntry& entry = entries_[i];
    *header.add_entries() = EncodeEntry(entry);
    call.payload.push_back({entry.gradient, entry.gradient_begin, options_.elements});
    bytes += entry_bytes;
  }
  backup->is_install = false;
  backup->sent_last = previous + static_cast<uint64_t>(header.entries_size());
  call.header = std::move(header);
  Send(now, bytes, std::move(call), backup);
}

void Replicator::SendArray(absl::Time now, Backup* backup) {
  const InstallImage& image = *backup->image;
  ReplicaCall call;
  v1::InstallHeader header;
  *header.mutable_key() = KeyOf(*backup);
  header.set_index(image.index);
  header.set_index_term(image.index_term);
  header.set_array(backup->array);
  header.set_arrays(static_cast<uint32_t>(image.arrays.size()));
  if (backup->array == 0) *header.mutable_state() = image.state;
  header.set_dtype(v1::FLOAT32);
  call.header = std::move(header);
  call.payload.push_back({image.arrays[backup->array], 0, options_.elements});
  backup->is_install = true;
  Send(now, options_.elements * sizeof(float), std::move(call), backup);
}

void Replicator::Send(absl::Time now, size_t bytes, ReplicaCall call, Backup* backup) {
  backup->call = options_.next_call();
  backup->sent = now;
  backup->sent_tip = last_index_;
  backup->due = now + options_.replication.heartbeat;
  backup->allowance = absl::Seconds(static_cast<double>(bytes) / kSlowBytesPerSecond);
  call.id = backup->call;
  call.address = backup->replica.address();
  call.timeout = options_.replication.lagging_after / 4 + backup->allowance;
  calls_.push_back(std::move(call));
}

v1::ReplicaKey Replicator::KeyOf(const Backup& backup) const {
  v1::ReplicaKey key;
  key.set_job(options_.job);
  key.set_partition(options_.partition);
  key.set_replica(backup.replica.id());
  key.set_term(term_);
  return key;
}

std::vector<ReplicaCall> Replicator::TakeCalls() { return std::exchange(calls_, {}); }

bool Replicator::TakeNews() { return std::exchange(news_, false); }

std::deque<LogEntry> Replicator::TakeUncommitted() {
  while (!entries_.empty() && entries_.front().index <= committed_) entries_.pop_front();
  return std::exchange(entries_, {});
}

uint32_t Replicator::copies_in_sync() const {
  return 1 +
         static_cast<uint32_t>(std::count_if(backups_.begin(), backups_.end(), [](const auto& one) {
           return one.second.replica.in_sync();
         }));
}

absl::Time Replicator::PromisedUntil(const Backup& backup) const {
  return backup.promised + options_.replication.promise * 0.9;
}

uint64_t Replicator::acknowledgeable() const {
  return std::min(last_index_, committed_ + ahead_max_);
}

bool Replicator::may_answer(absl::Time now) const {
  if (committed_ < inherited_) return false;
  return std::all_of(backups_.begin(), backups_.end(), [&](const auto& one) {
    return !one.second.counts() || now < PromisedUntil(one.second);
  });
}

std::vector<std::string> Replicator::Awaited(uint64_t index) const {
  std::vector<std::string> servers;
  for (const auto& [id, backup] : backups_) {
    if (backup.counts() && backup.acknowledged < index) servers.push_back(backup.replica.server());
  }
  return servers;
}

std::vector<std::string> Replicator::Unpromised(absl::Time now) const {
  std::vector<std::string> servers;
  for (const auto& [id, backup] : backups_) {
    const bool is_behind = backup.acknowledged < inherited_;
    if (backup.counts() && (is_behind || now >= PromisedUntil(backup))) {
      servers.push_back(backup.replica.server());
    }
  }
  return servers;
}

v1::BackupReport::State Replicator::StateOf(const Backup& backup) const {
  if (backup.diverged) return v1::BackupReport::DIVERGED;
  if (!backup.is_relied_on()) return v1::BackupReport::BEHIND;
  return backup.lagging ? v1::BackupReport::LAGGING : v1::BackupReport::CAUGHT_UP;
}

void Replicator::FillIn(v1::PartitionReport* report) const {
  report->set_config(config_);
  report->set_last_index(last_index_);
  report->set_committed_index(committed_);
  if (options_.acknowledges_alone) report->set_first_index(first_index_);
  for (const auto& [id, backup] : backups_) {
    v1::BackupReport* const added = report->add_backups();
    added->set_replica(id);
    added->set_state(StateOf(backup));
    added->set_last_index(backup.acknowledged);
  }
}

}  // namespace paceline
