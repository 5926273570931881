// A small, ordered, durable map of keys to bytes with atomic compare-and-swap transactions.
//
// Shapes   A key is 1..kMaxKeyBytes bytes, a value up to kMaxValueBytes, both any bytes; keys order
//          bytewise. A transaction names each key at most once among its puts and deletes.
// Units    The store's revision is larger after each transaction that was committed and wrote
//          something. An entry's revision is the store's at its last write (etcd's mod_revision),
//          at least 1, so it never repeats, not even when a key is deleted and put again.
// Errors   InvalidArgument: a key or value out of those bounds, a key named twice.
//          ResourceExhausted: the disk is full, or a transaction larger than the implementation
//          takes. DataLoss: the stored bytes are damaged. Unavailable: any other failure of the
//          disk or the network.
//          After any of these nothing was written. Across a network that may not be known when the
//          call returns; then the store finds out before it does anything else, and if it was
//          written after all, every later call fails with Aborted.
//          Aborted: that, or another has taken the store over. What the caller knows of the store's
//          entries may be out of date: it opens the store again and reads them anew.
// Threads  One thread at a time, unless an implementation says more.
// Source   etcd v3's KV API (Txn, Range) with the parts that a coordinator needs.
#ifndef PACELINE_SERVER_STORE_STORE_H_
#define PACELINE_SERVER_STORE_STORE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace paceline {

inline constexpr size_t kMaxKeyBytes = 1024;
inline constexpr size_t kMaxValueBytes = size_t{16} << 20;

// One condition of a transaction.
struct Compare {
  std::string key;
  uint64_t revision = 0;  // The entry's revision; 0: there is no such entry.
};

struct Put {
  std::string key;
  std::string value;
};

struct Delete {
  std::string key;  // Need not exist.
};

// Applied as a whole if every compare holds, else not at all.
struct Transaction {
  std::vector<Compare> compares;
  std::vector<Put> puts;
  std::vector<Delete> deletes;
};

struct CommitResult {
  bool committed = false;  // False: a compare did not hold.
  uint64_t revision = 0;   // The store's after the call; if it wrote, that of what it wrote.
};

struct Entry {
  std::string key;
  std::string value;
  uint64_t revision = 0;
};

class Store {
 public:
  virtual ~Store() = default;

  // Durable when it returns `committed`.
  virtual absl::StatusOr<CommitResult> Commit(const Transaction& transaction) = 0;

  // The entries whose keys start with `prefix`, in key order; all entries for "".
  virtual absl::StatusOr<std::vector<Entry>> Range(absl::string_view prefix) = 0;

  // Why a Commit would fail, as far as is known without asking; OK: nothing is known against it.
  // At any time, from any thread, at once.
  virtual absl::Status health() const { return absl::OkStatus(); }
};

// InvalidArgument unless `transaction` is within the bounds above. For implementations.
absl::Status CheckTransaction(const Transaction& transaction);

}  // namespace paceline

#endif  // PACELINE_SERVER_STORE_STORE_H_
