#include "server/store/etcd/layout.h"

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/base/sha256.h"

namespace paceline::etcd {
namespace {

constexpr char kInline = 0;
constexpr char kReference = 1;

// A flat transaction's operations; beyond, a tree of transactions of kFanout each. etcd counts the
// longest list of each level on the way down: kComparesMax + 2 * kFanout <= 128.
constexpr size_t kFlat = 60;
constexpr size_t kFanout = 32;
constexpr size_t kOperationsMax = kFanout * kFanout * kFanout;

}  // namespace

std::string WriterKey(absl::string_view prefix) { return absl::StrCat(prefix, "writer"); }

std::string EntryKey(absl::string_view prefix, absl::string_view key) {
  return absl::StrCat(prefix, "entry/", key);
}

std::string PartsPrefix(absl::string_view prefix) { return absl::StrCat(prefix, "part/"); }

std::string PartsKey(absl::string_view prefix, absl::string_view hash, absl::string_view id) {
  return absl::StrCat(PartsPrefix(prefix), hash, "/", id, "/");
}

std::string PartKey(absl::string_view prefix, absl::string_view hash, absl::string_view id,
                    uint64_t number) {
  return absl::StrCat(PartsKey(prefix, hash, id), absl::StrFormat("%08d", number));
}

std::string HashOf(absl::string_view key) { return Sha256Hex(key).substr(0, 32); }

std::string EndOf(absl::string_view prefix) {
  std::string end(prefix);
  while (!end.empty() && static_cast<unsigned char>(end.back()) == 0xff) end.pop_back();
  if (end.empty()) return std::string(1, '\0');  // What etcd reads as no end.
  end.back() = static_cast<char>(static_cast<unsigned char>(end.back()) + 1);
  return end;
}

std::string EncodeInline(absl::string_view bytes) {
  return absl::StrCat(absl::string_view(&kInline, 1), bytes);
}

std::string EncodeReference(absl::string_view id, uint64_t parts) {
  return absl::StrCat(absl::string_view(&kReference, 1), parts, "/", id);
}

absl::StatusOr<Value> DecodeValue(absl::string_view stored) {
  Value value;
  if (!stored.empty() && stored[0] == kInline) {
    value.bytes = std::string(stored.substr(1));
    return value;
  }
  const size_t slash = stored.find('/');
  if (!stored.empty() && stored[0] == kReference && slash != absl::string_view::npos &&
      absl::SimpleAtoi(stored.substr(1, slash - 1), &value.parts) && value.parts > 0) {
    value.id = std::string(stored.substr(slash + 1));
    return value;
  }
  return absl::DataLossError(
      absl::StrCat("a value of ", stored.size(), " bytes that no store of this release wrote"));
}

etcdserverpb::Compare ModIs(const std::string& key, int64_t revision) {
  etcdserverpb::Compare compare;
  compare.set_target(etcdserverpb::Compare::MOD);
  compare.set_key(key);
  compare.set_mod_revision(revision);
  return compare;
}

etcdserverpb::Compare CreateIs(const std::string& key, int64_t revision) {
  etcdserverpb::Compare compare;
  compare.set_target(etcdserverpb::Compare::CREATE);
  compare.set_key(key);
  compare.set_create_revision(revision);
  return compare;
}

etcdserverpb::RequestOp PutOf(std::string key, std::string value) {
  etcdserverpb::RequestOp operation;
  operation.mutable_request_put()->set_key(std::move(key));
  operation.mutable_request_put()->set_value(std::move(value));
  return operation;
}

etcdserverpb::RequestOp DeleteOf(std::string key) {
  etcdserverpb::RequestOp operation;
  operation.mutable_request_delete_range()->set_key(std::move(key));
  return operation;
}

etcdserverpb::RequestOp DeletePrefix(absl::string_view prefix) {
  etcdserverpb::RequestOp operation = DeleteOf(std::string(prefix));
  operation.mutable_request_delete_range()->set_range_end(EndOf(prefix));
  return operation;
}

etcdserverpb::RequestOp GetOf(std::string key) {
  etcdserverpb::RequestOp operation;
  operation.mutable_request_range()->set_key(std::move(key));
  return operation;
}

absl::Status PackOperations(std::vector<etcdserverpb::RequestOp> operations,
                            etcdserverpb::TxnRequest* txn) {
  if (operations.size() > kOperationsMax) {
    return absl::ResourceExhaustedError(absl::StrCat("a transaction of ", operations.size(),
                                                     " operations; etcd takes at most ",
                                                     kOperationsMax));
  }
  const size_t top = operations.size() <= kFlat ? kFlat : kFanout;
  while (operations.size() > top) {
    std::vector<etcdserverpb::RequestOp> groups;
    for (size_t i = 0; i < operations.size(); i += kFanout) {
      etcdserverpb::RequestOp group;
      const size_t end = std::min(operations.size(), i + kFanout);
      for (size_t j = i; j < end; ++j) {
        *group.mutable_request_txn()->add_success() = std::move(operations[j]);
      }
      groups.push_back(std::move(group));
    }
    operations = std::move(groups);
  }
  for (etcdserverpb::RequestOp& operation : operations) *txn->add_success() = std::move(operation);
  return absl::OkStatus();
}

}  // namespace paceline::etcd
