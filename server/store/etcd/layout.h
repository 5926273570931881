// How a store's entries lie in etcd's key space: pure functions between the two.
//
// Under the store's prefix there are
//   writer                      who may write: rewritten by every transaction (etcd_store.h)
//   entry/<key>                 an entry: a byte that says how, then its value or a reference
//   part/<hash>/<id>/<number>   a piece of a value too large for one request; `hash` is of the key
//
// Errors   DecodeValue: DataLoss: bytes that EncodeInline and EncodeReference do not write.
//          PackOperations: ResourceExhausted: more than etcd takes in one transaction.
// Threads  Pure functions.
// Source   etcd v3.4: a request is 1.5 MiB by default (--max-request-bytes); the longest of a
//          transaction's lists is 128 (--max-txn-ops), what it nests included.
#ifndef PACELINE_SERVER_STORE_ETCD_LAYOUT_H_
#define PACELINE_SERVER_STORE_ETCD_LAYOUT_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/store/etcd/etcd.pb.h"

namespace paceline::etcd {

// Compares of one transaction, the writer's included.
inline constexpr size_t kComparesMax = 60;

std::string WriterKey(absl::string_view prefix);
std::string EntryKey(absl::string_view prefix, absl::string_view key);
std::string PartsPrefix(absl::string_view prefix);
// All parts of the value `id` of the key with this hash.
std::string PartsKey(absl::string_view prefix, absl::string_view hash, absl::string_view id);
std::string PartKey(absl::string_view prefix, absl::string_view hash, absl::string_view id,
                    uint64_t number);

// 32 hex digits.
std::string HashOf(absl::string_view key);

// The first key after all that begin with `prefix`.
std::string EndOf(absl::string_view prefix);

struct Value {
  std::string bytes;   // Inline.
  std::string id;      // Else: of its parts,
  uint64_t parts = 0;  // 0: inline.
};

std::string EncodeInline(absl::string_view bytes);
std::string EncodeReference(absl::string_view id, uint64_t parts);
absl::StatusOr<Value> DecodeValue(absl::string_view stored);

etcdserverpb::Compare ModIs(const std::string& key, int64_t revision);
etcdserverpb::Compare CreateIs(const std::string& key, int64_t revision);
etcdserverpb::RequestOp PutOf(std::string key, std::string value);
etcdserverpb::RequestOp DeleteOf(std::string key);
etcdserverpb::RequestOp DeletePrefix(absl::string_view prefix);
etcdserverpb::RequestOp GetOf(std::string key);

// Makes `operations` what `txn` does when its compares hold; nested, where they are many.
absl::Status PackOperations(std::vector<etcdserverpb::RequestOp> operations,
                            etcdserverpb::TxnRequest* txn);

}  // namespace paceline::etcd

#endif  // PACELINE_SERVER_STORE_ETCD_LAYOUT_H_
