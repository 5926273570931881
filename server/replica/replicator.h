// The primary's side of replication: the log, and what each backup has of it.
//
// Units    Indices and terms as in log.h. Times are the caller's.
// Threads  One thread at a time.
// Source   docs/protocol.md, "Replication".
//
// Each backup has at most one call in flight. After any event, TakeCalls() holds what is to be sent
// and committed() may have grown; wants_image() asks for a picture of the partition as it is now.
#ifndef PACELINE_SERVER_REPLICA_REPLICATOR_H_
#define PACELINE_SERVER_REPLICA_REPLICATOR_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "proto/control.pb.h"
#include "proto/replica.pb.h"
#include "server/replica/install_image.h"
#include "server/replica/log.h"
#include "server/replica/replica_call.h"

namespace paceline {

class Replicator final : public ReplicaLog {
 public:
  struct Options {
    std::string job;
    uint32_t partition = 0;
    size_t elements = 0;
    ReplicationOptions replication;
    // acks: leader, within what `replication` allows.
    bool acknowledges_alone = false;
    // Gradients in one call, at least one entry's; and its entries.
    size_t call_bytes_max = size_t{32} << 20;
    int call_entries_max = 256;
    // Numbers for calls, never the same twice.
    std::function<uint64_t()> next_call;
  };

  // Where the log stands: all up to (index, term) is committed, `uncommitted` follows.
  struct Start {
    uint64_t index = 0;
    uint64_t term = 0;
    std::deque<LogEntry> uncommitted;
  };

  Replicator(Options options, Start start);

  // The newest placement; an older config is ignored, a newer one keeps what is known of the
  // backups that it still names. `self` is the primary's own replica id.
  void Follow(absl::Time now, const v1::PartitionPlacement& placement, uint64_t self,
              uint32_t min_in_sync);

  // The outcome of a call. Returns the digest that came with it, and whose it is.
  struct BackupDigest {
    uint64_t replica = 0;
    v1::StateDigest digest;
  };
  absl::optional<BackupDigest> OnDone(absl::Time now, uint64_t call, const absl::Status& status,
                                      const v1::ReplicaReply& reply);
  // That backup's state is not the primary's.
  void Diverged(uint64_t replica);

  // A backup needs a whole partition: give the newest there is, its index being last_index().
  bool wants_image() const;
  void OnImage(absl::Time now, InstallImage image);

  void OnTick(absl::Time now);
  absl::Time NextTick() const;

  std::vector<ReplicaCall> TakeCalls();
  // Whether a backup's state has changed since the last call.
  bool TakeNews();

  // Config, indices and backups.
  void FillIn(v1::PartitionReport* report) const;

  uint64_t term() const { return term_; }
  uint64_t config() const { return config_; }
  uint64_t last_index() const { return last_index_; }
  uint64_t committed() const { return committed_; }
  // Entries kept, ascending.
  const std::deque<LogEntry>& entries() const { return entries_; }
  // Gives the entries after committed() away; the log is of no use afterwards.
  std::deque<LogEntry> TakeUncommitted();

  // ReplicaLog.
  uint64_t Append(absl::Time now, LogEntry entry) override;
  uint32_t copies_in_sync() const override;
  uint32_t min_in_sync() const override { return min_in_sync_; }
  uint64_t acknowledgeable() const override;
  bool may_answer(absl::Time now) const override;
  std::vector<std::string> Awaited(uint64_t index) const override;
  std::vector<std::string> Unpromised(absl::Time now) const override;

 private:
  struct Backup {
    v1::PartitionReplica replica;
    // Under this config: it held all but the newest, so nothing is committed without it any more;
    // then it held all that was committed before, and was reported CAUGHT_UP.
    bool near = false;
    bool caught_up = false;
    bool lagging = false;
    bool diverged = false;

    uint64_t acknowledged = 0;  // It holds all up to here.
    uint64_t next = 1;          // The next entry to send.
    absl::Time heard;           // When it answered last, or was first known.
    absl::Time promised = absl::InfinitePast();

    uint64_t call = 0;  // In flight; 0: none.
    bool is_install = false;
    absl::Time sent;
    uint64_t sent_last = 0;  // The last entry in it, or the one before its first.
    uint64_t sent_tip = 0;   // The log's last entry then.
    absl::Duration allowance;
    absl::Time due;  // The next heartbeat, or after a failure the next try of anything.
    uint32_t failures = 0;

    bool wants_image = false;
    std::shared_ptr<const InstallImage> image;
    uint32_t array = 0;  // The next to send.

    // Nothing is committed without it; and the coordinator may know that it may rely on it.
    bool counts() const { return replica.in_sync() || near; }
    bool is_relied_on() const { return replica.in_sync() || caught_up; }
  };

  void Advance();
  void Truncate();
  // The term of an entry that is kept, or is the one before those.
  uint64_t TermAt(uint64_t index) const;
  absl::Time LaggingAt(const Backup& backup) const;
  absl::Time PromisedUntil(const Backup& backup) const;
  absl::Time Due(const Backup& backup) const;
  v1::BackupReport::State StateOf(const Backup& backup) const;

  void PumpAll(absl::Time now);
  void Pump(absl::Time now, Backup* backup);
  void SendEntries(absl::Time now, Backup* backup);
  void SendArray(absl::Time now, Backup* backup);
  v1::ReplicaKey KeyOf(const Backup& backup) const;
  void Send(absl::Time now, size_t bytes, ReplicaCall call, Backup* backup);

  void TakeAppendReply(const v1::ReplicaReply& reply, Backup* backup);
  void TakeInstallReply(const v1::ReplicaReply& reply, Backup* backup);
  void WantImage(Backup* backup);
  // It is not to be waited for: at once if the coordinator does not rely on it, else once it says
  // so.
  void StopWaitingFor(Backup* backup);

  const Options options_;
  const uint64_t ahead_max_;  // Entries that may be acknowledged beyond committed_.

  uint64_t term_ = 0;
  uint64_t config_ = 0;
  uint32_t min_in_sync_ = 1;
  std::map<uint64_t, Backup> backups_;  // By replica id.

  // The entries kept follow (base_index_, base_term_).
  std::deque<LogEntry> entries_;
  size_t bytes_ = 0;
  uint64_t base_index_ = 0;
  uint64_t base_term_ = 0;
  uint64_t last_index_ = 0;
  uint64_t committed_ = 0;
  // What was here at the start: some of it was acknowledged under an earlier term, nobody knows how
  // much, so nothing is answered before all of it is committed. 0 where what is acknowledged may
  // be lost.
  uint64_t inherited_ = 0;
  const uint64_t first_index_;  // The newest entry at the start.

  std::vector<ReplicaCall> calls_;
  bool news_ = false;
};

}  // namespace paceline

#endif  // PACELINE_SERVER_REPLICA_REPLICATOR_H_
