// A Store in an etcd cluster: any server of a fleet can be its coordinator.
//
// Each transaction is one etcd transaction, so it is durable on a majority when it returns. One
// object writes at a time: Open takes the store over, by writing a name of its own into the key
// "writer" that every transaction compares and rewrites. So whatever an earlier object had sent and
// the network still holds can no longer be written once Open has returned: what is read after is
// final. The same key tells how a transaction ended whose answer was lost: an attempt may be sent
// again (two cannot both be written), and rewriting the key makes one that is still on its way
// void.
//
// A value that does not fit into a request is written beforehand in parts, and the transaction
// writes a reference to them; parts nobody refers to go with the next write of their key.
//
// etcd keeps every revision until it is told otherwise: run it with --auto-compaction-retention=5m
// or the like, else its space quota ends the writing some day.
//
// Shapes   A transaction has up to 59 compares and about 16,000 writes, whose keys make up to 1 MB.
// Units    A store's revision is etcd's, which others may raise too.
// Errors   As store.h. ResourceExhausted: also a transaction beyond these bounds, or etcd's quota.
//          Open: Aborted: the guard does not hold, or another took the store over meanwhile;
//          Unavailable: no endpoint answers.
// Threads  One thread at a time; Watch is another's. A Commit blocks for up to `commit_timeout`
//          without an answer, and etcd's silence blocks one only: from then on, or from when a Watch
//          has found it silent, calls fail at once, until a Watch finds that it answers.
// Source   etcd v3.4, "KV API guarantees"; etcd/layout.h.
#ifndef PACELINE_SERVER_STORE_ETCD_STORE_H_
#define PACELINE_SERVER_STORE_ETCD_STORE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "server/store/etcd/address.h"
#include "server/store/store.h"

namespace paceline {

class EtcdKv;

struct EtcdStoreOptions {
  std::string prefix = "paceline/";
  // Open takes over only while this key has this creation revision: who holds the coordinator's
  // role (server/election). An empty key: whoever opens, has it.
  std::string guard_key;
  uint64_t guard_revision = 0;

  // Of Open and Range, and of each attempt they make. The first begins anew with each answer.
  absl::Duration call_timeout = absl::Seconds(2);
  absl::Duration attempt_timeout = absl::Seconds(1);
  // The same of Commit, whose caller has other things to do, and of Watch.
  absl::Duration commit_timeout = absl::Milliseconds(700);
  absl::Duration commit_attempt_timeout = absl::Milliseconds(300);
  size_t request_bytes = size_t{1} << 20;  // Aimed at; larger values go in parts.
  size_t page_entries = 64;                // Read at a time.
  std::function<absl::Time()> clock;       // Empty: SteadyNow.
  // Called once, when it becomes known that from now on calls return Aborted; must not call the
  // store. `by_another`: another has the store. Else a transaction was written that its sender was
  // told had failed: whoever opens the store again may be the same.
  std::function<void(absl::string_view why, bool by_another)> on_deposed;
};

class EtcdStore : public Store {
 public:
  static absl::StatusOr<std::unique_ptr<EtcdStore>> Open(std::unique_ptr<EtcdKv> kv,
                                                         EtcdStoreOptions options);
  // Over gRPC; `fence` is what Election gave its holder. A thread of its own watches.
  static absl::StatusOr<std::unique_ptr<EtcdStore>> Open(
      const EtcdAddress& address, uint64_t fence,
      std::function<void(absl::string_view why, bool by_another)> on_deposed);

  ~EtcdStore() override;
  EtcdStore(const EtcdStore&) = delete;
  EtcdStore& operator=(const EtcdStore&) = delete;

  absl::StatusOr<CommitResult> Commit(const Transaction& transaction) override;
  absl::StatusOr<std::vector<Entry>> Range(absl::string_view prefix) override;
  absl::Status health() const override;

  // One look at etcd, which takes up to `commit_timeout`: whether it answers, and who has the store.
  // After silence it also finds out how a transaction in doubt ended.
  void Watch();

 private:
  class Writer;

  explicit EtcdStore(std::unique_ptr<Writer> writer);
  void KeepWatching() ABSL_LOCKS_EXCLUDED(mutex_);

  const std::unique_ptr<Writer> writer_;

  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread watcher_;  // If it is open over gRPC.
};

}  // namespace paceline

#endif  // PACELINE_SERVER_STORE_ETCD_STORE_H_
