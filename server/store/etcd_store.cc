#include "server/store/etcd_store.h"

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/types/optional.h"
#include "common/base/clock.h"
#include "common/base/status_macros.h"
#include "server/store/etcd/client.h"
#include "server/store/etcd/kv.h"
#include "server/store/etcd/layout.h"

namespace paceline {
namespace {

using etcdserverpb::KeyValue;
using etcdserverpb::RangeRequest;
using etcdserverpb::RangeResponse;
using etcdserverpb::RequestOp;
using etcdserverpb::TxnRequest;
using etcdserverpb::TxnResponse;

constexpr size_t kPartBytes = size_t{512} << 10;
// A reference is not much smaller.
constexpr size_t kPartedMin = 256;
// etcd forgets old revisions when it is told to; a read that is cut off by that begins anew.
constexpr int kRangeAttempts = 5;

std::string UniqueName() {
  std::random_device random;
  std::string name;
  for (int i = 0; i < 4; ++i) absl::StrAppend(&name, absl::StrFormat("%08x", random()));
  return name;
}

// In store.h's words.
absl::Status Refusal(const absl::Status& status) {
  const std::string text = absl::StrCat("store: ", status.message());
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:    // "request is too large", "too many operations".
    case absl::StatusCode::kResourceExhausted:  // "database space exceeded".
      return absl::ResourceExhaustedError(text);
    case absl::StatusCode::kDataLoss:
      return absl::DataLossError(text);
    default:
      return absl::UnavailableError(text);
  }
}

absl::Status Unavailable(const absl::Status& status, absl::string_view outcome) {
  return absl::UnavailableError(absl::StrCat("store: ", status.message(), "; ", outcome));
}

// The one key-value that the last operation of a transaction's failure branch has read.
const KeyValue* Found(const TxnResponse& reply) {
  if (reply.responses_size() == 0) return nullptr;
  const auto& range = reply.responses(reply.responses_size() - 1).response_range();
  return range.kvs_size() == 0 ? nullptr : &range.kvs(0);
}

}  // namespace

class EtcdStore::Writer {
 public:
  Writer(std::unique_ptr<EtcdKv> kv, EtcdStoreOptions options)
      : kv_(std::move(kv)), options_(std::move(options)), key_(etcd::WriterKey(options_.prefix)) {
    if (!options_.clock) options_.clock = SteadyNow;
  }

  absl::Status TakeOver();
  absl::StatusOr<CommitResult> Commit(const Transaction& transaction);
  absl::StatusOr<std::vector<Entry>> Range(absl::string_view prefix);

 private:
  // A transaction whose outcome is not known.
  struct Doubt {
    std::string name;    // What it writes into the writer's key,
    std::string voider;  // and what the one writes there that makes it void.
  };
  // How a doubt ended: the revision at which it was written, or nothing.
  using Ending = absl::optional<int64_t>;

  absl::Time Deadline() const { return options_.clock() + options_.call_timeout; }
  absl::Duration Patience(absl::Time deadline) const;

  // Sends until there is an answer. `doubt` becomes true when an attempt had none. Any error that
  // is not transient is etcd's answer.
  absl::StatusOr<TxnResponse> Send(const TxnRequest& request, bool* doubt);
  absl::StatusOr<RangeResponse> Send(const RangeRequest& request);

  // Whether calls are possible: not deposed, not resting, and nothing in doubt.
  absl::Status Prepare();
  absl::StatusOr<Ending> Settle();
  absl::Status Depose(absl::string_view why);
  void Rest();
  absl::Status Probe();

  absl::StatusOr<std::vector<RequestOp>> Encode(const Transaction& transaction);
  absl::StatusOr<std::string> WriteParts(const std::string& key, const std::string& value);
  void DeleteOldParts(const std::string& key, std::vector<RequestOp>* operations) const;
  void ForgetOldParts(const Transaction& transaction);
  absl::StatusOr<CommitResult> Judge(const TxnResponse& reply, const std::string& name, bool doubt,
                                     const Transaction& transaction);
  CommitResult Committed(int64_t revision, const Transaction& transaction);

  // One attempt to read everything as of one revision; OutOfRange: etcd has forgotten it.
  absl::StatusOr<std::vector<Entry>> ReadAll(absl::string_view prefix);
  absl::StatusOr<std::string> ReadValue(const std::string& key, const std::string& stored,
                                        int64_t revision);
  absl::Status ReadPartNames();

  const std::unique_ptr<EtcdKv> kv_;
  EtcdStoreOptions options_;
  const std::string key_;
  const std::string name_ = UniqueName();

  uint64_t transactions_ = 0;
  int64_t known_ = 0;  // The writer's key's revision at this object's last write.
  absl::optional<Doubt> doubt_;
  absl::Status deposed_;
  absl::Time rests_until_ = absl::InfinitePast();
  bool is_silent_ = false;  // etcd: it has not answered since the last rest began.
  // By hash of key, the values that have parts in etcd: at most one is referred to. `fresh_`: the
  // ones that the transaction at hand refers to.
  std::map<std::string, std::set<std::string>> parts_;
  std::map<std::string, std::string> fresh_;
};

absl::Duration EtcdStore::Writer::Patience(absl::Time deadline) const {
  return std::min(options_.attempt_timeout, deadline - options_.clock());
}

absl::StatusOr<TxnResponse> EtcdStore::Writer::Send(const TxnRequest& request, bool* doubt) {
  const absl::Time deadline = Deadline();
  absl::Status last = absl::UnavailableError("no time for an attempt");
  // Every endpoint, and the first once more: by then it may have connected.
  for (size_t i = 0; i <= kv_->endpoint_count() && Patience(deadline) > absl::ZeroDuration(); ++i) {
    absl::StatusOr<TxnResponse> reply = kv_->Txn(request, Patience(deadline));
    if (reply.ok() || !IsTransient(reply.status())) return reply;
    last = reply.status();
    *doubt = true;
  }
  Rest();
  return last;
}

absl::StatusOr<RangeResponse> EtcdStore::Writer::Send(const RangeRequest& request) {
  const absl::Time deadline = Deadline();
  absl::Status last = absl::UnavailableError("no time for an attempt");
  for (size_t i = 0; i <= kv_->endpoint_count() && Patience(deadline) > absl::ZeroDuration(); ++i) {
    absl::StatusOr<RangeResponse> reply = kv_->Range(request, Patience(deadline));
    if (reply.ok() || !IsTransient(reply.status())) return reply;
    last = reply.status();
  }
  Rest();
  return last;
}

void EtcdStore::Writer::Rest() {
  is_silent_ = true;
  rests_until_ = options_.clock() + options_.rest;
}

absl::Status EtcdStore::Writer::Probe() {
  RangeRequest read;  // Linearizable: a majority has to answer.
  read.set_key(key_);
  const absl::Status status = kv_->Range(read, options_.probe_timeout).status();
  is_silent_ = !status.ok() && IsTransient(status);
  if (!is_silent_) return absl::OkStatus();
  Rest();
  return Unavailable(status, "nothing was sent");
}

absl::Status EtcdStore::Writer::Depose(absl::string_view why) {
  deposed_ = absl::AbortedError(absl::StrCat("store: ", why, "; open it again and read it anew"));
  if (options_.on_deposed) options_.on_deposed(deposed_.message());
  return deposed_;
}

absl::Status EtcdStore::Writer::TakeOver() {
  RangeRequest read;
  read.set_key(key_);
  const absl::StatusOr<RangeResponse> before = Send(read);
  if (!before.ok()) return Refusal(before.status());
  const int64_t revision = before->kvs_size() == 0 ? 0 : before->kvs(0).mod_revision();

  TxnRequest request;
  *request.add_compare() = etcd::ModIs(key_, revision);
  if (!options_.guard_key.empty()) {
    *request.add_compare() =
        etcd::CreateIs(options_.guard_key, static_cast<int64_t>(options_.guard_revision));
  }
  const std::string name = absl::StrCat(name_, "/0");
  *request.add_success() = etcd::PutOf(key_, name);
  *request.add_failure() = etcd::GetOf(key_);
  bool doubt = false;
  const absl::StatusOr<TxnResponse> reply = Send(request, &doubt);
  if (!reply.ok()) return Refusal(reply.status());
  if (reply->succeeded()) {
    known_ = reply->header().revision();
    return ReadPartNames();
  }
  const KeyValue* found = Found(*reply);
  if (found == nullptr || found->value() != name) {
    return absl::AbortedError("store: another holds the coordinator's role or is taking it");
  }
  known_ = found->mod_revision();
  return ReadPartNames();
}

absl::Status EtcdStore::Writer::ReadPartNames() {
  const std::string prefix = etcd::PartsPrefix(options_.prefix);
  RangeRequest read;
  read.set_key(prefix);
  read.set_range_end(etcd::EndOf(prefix));
  read.set_keys_only(true);
  const absl::StatusOr<RangeResponse> reply = Send(read);
  if (!reply.ok()) return Refusal(reply.status());
  for (const KeyValue& kv : reply->kvs()) {
    const absl::string_view rest = absl::string_view(kv.key()).substr(prefix.size());
    const size_t first = rest.find('/');
    const size_t last = rest.rfind('/');
    if (first == absl::string_view::npos || first == last) continue;
    parts_[std::string(rest.substr(0, first))].insert(
        std::string(rest.substr(first + 1, last - first - 1)));
  }
  return absl::OkStatus();
}

absl::Status EtcdStore::Writer::Prepare() {
  RETURN_IF_ERROR(deposed_);
  if (options_.clock() < rests_until_) {
    return absl::UnavailableError("store: etcd did not answer a moment ago; nothing was sent");
  }
  if (is_silent_) RETURN_IF_ERROR(Probe());
  if (!doubt_.has_value()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const Ending ending, Settle());
  if (!ending.has_value()) return absl::OkStatus();
  // Its sender was told that it failed.
  return Depose("a transaction that etcd had not answered was written");
}

absl::StatusOr<EtcdStore::Writer::Ending> EtcdStore::Writer::Settle() {
  TxnRequest request;
  *request.add_compare() = etcd::ModIs(key_, known_);
  *request.add_success() = etcd::PutOf(key_, doubt_->voider);
  *request.add_failure() = etcd::GetOf(key_);
  bool ignored = false;  // Sending it again settles that too.
  const absl::StatusOr<TxnResponse> reply = Send(request, &ignored);
  if (!reply.ok()) {
    return Unavailable(reply.status(),
                       "whether an earlier transaction was written is not known yet");
  }
  const KeyValue* found = Found(*reply);
  if (reply->succeeded()) {
    known_ = reply->header().revision();
  } else if (found != nullptr && found->value() == doubt_->voider) {
    known_ = found->mod_revision();
  } else if (found != nullptr && found->value() == doubt_->name) {
    known_ = found->mod_revision();
    doubt_.reset();
    return Ending(known_);
  } else {
    return Depose("another has taken it over");
  }
  doubt_.reset();
  return Ending();
}

absl::StatusOr<std::string> EtcdStore::Writer::WriteParts(const std::string& key,
                                                          const std::string& value) {
  const std::string hash = etcd::HashOf(key);
  const std::string id = absl::StrCat(name_, "-", ++transactions_);
  parts_[hash].insert(id);
  uint64_t count = 0;
  for (size_t at = 0; at < value.size(); at += kPartBytes) {
    TxnRequest request;
    *request.add_success() = etcd::PutOf(etcd::PartKey(options_.prefix, hash, id, count++),
                                         value.substr(at, kPartBytes));
    bool harmless = false;  // Nothing refers to it yet.
    const absl::StatusOr<TxnResponse> reply = Send(request, &harmless);
    if (!reply.ok()) return Refusal(reply.status());
  }
  fresh_[hash] = id;
  return etcd::EncodeReference(id, count);
}

void EtcdStore::Writer::DeleteOldParts(const std::string& key,
                                       std::vector<RequestOp>* operations) const {
  if (parts_.empty()) return;
  const std::string hash = etcd::HashOf(key);
  const auto parts = parts_.find(hash);
  if (parts == parts_.end()) return;
  const auto fresh = fresh_.find(hash);
  for (const std::string& id : parts->second) {
    if (fresh != fresh_.end() && fresh->second == id) continue;
    operations->push_back(etcd::DeletePrefix(etcd::PartsKey(options_.prefix, hash, id)));
  }
}

void EtcdStore::Writer::ForgetOldParts(const Transaction& transaction) {
  if (parts_.empty()) return;
  const auto forget = [this](const std::string& key) { parts_.erase(etcd::HashOf(key)); };
  for (const Put& put : transaction.puts) forget(put.key);
  for (const Delete& erase : transaction.deletes) forget(erase.key);
  for (const auto& [hash, id] : fresh_) parts_[hash] = {id};
}

absl::StatusOr<std::vector<RequestOp>> EtcdStore::Writer::Encode(const Transaction& transaction) {
  fresh_.clear();
  std::vector<const Put*> by_size;
  size_t total = 0;
  for (const Put& put : transaction.puts) {
    by_size.push_back(&put);
    total += put.value.size();
  }
  std::stable_sort(by_size.begin(), by_size.end(),
                   [](const Put* a, const Put* b) { return a->value.size() > b->value.size(); });
  std::vector<RequestOp> operations;
  for (const Put* put : by_size) {
    std::string stored;
    if (total > options_.request_bytes && put->value.size() >= kPartedMin) {
      ASSIGN_OR_RETURN(stored, WriteParts(put->key, put->value));
      total -= put->value.size();
    } else {
      stored = etcd::EncodeInline(put->value);
    }
    operations.push_back(etcd::PutOf(etcd::EntryKey(options_.prefix, put->key), std::move(stored)));
    DeleteOldParts(put->key, &operations);
  }
  for (const Delete& erase : transaction.deletes) {
    operations.push_back(etcd::DeleteOf(etcd::EntryKey(options_.prefix, erase.key)));
    DeleteOldParts(erase.key, &operations);
  }
  return operations;
}

CommitResult EtcdStore::Writer::Committed(int64_t revision, const Transaction& transaction) {
  known_ = revision;
  ForgetOldParts(transaction);
  return CommitResult{true, static_cast<uint64_t>(revision)};
}

absl::StatusOr<CommitResult> EtcdStore::Writer::Judge(const TxnResponse& reply,
                                                      const std::string& name, bool doubt,
                                                      const Transaction& transaction) {
  const int64_t revision = reply.header().revision();
  if (reply.succeeded()) return Committed(revision, transaction);
  const KeyValue* found = Found(reply);
  if (found == nullptr) return Depose("its writer's key is gone");
  if (found->value() == name) return Committed(found->mod_revision(), transaction);
  if (found->mod_revision() != known_) return Depose("another has taken it over");
  // A compare did not hold. An attempt that is still on its way might yet find that it does.
  if (doubt) {
    doubt_ = Doubt{name, absl::StrCat(name, "/void")};
    ASSIGN_OR_RETURN(const Ending ending, Settle());
    if (ending.has_value()) return Committed(*ending, transaction);
  }
  return CommitResult{false, static_cast<uint64_t>(revision)};
}

absl::StatusOr<CommitResult> EtcdStore::Writer::Commit(const Transaction& transaction) {
  RETURN_IF_ERROR(CheckTransaction(transaction));
  RETURN_IF_ERROR(Prepare());
  if (transaction.compares.size() >= etcd::kComparesMax) {
    return absl::ResourceExhaustedError(absl::StrCat("store: ", transaction.compares.size(),
                                                     " compares in one transaction; etcd takes ",
                                                     etcd::kComparesMax - 1));
  }
  ASSIGN_OR_RETURN(std::vector<RequestOp> operations, Encode(transaction));
  const std::string name = absl::StrCat(name_, "/", ++transactions_);
  TxnRequest request;
  *request.add_compare() = etcd::ModIs(key_, known_);
  for (const Compare& compare : transaction.compares) {
    *request.add_compare() = etcd::ModIs(etcd::EntryKey(options_.prefix, compare.key),
                                         static_cast<int64_t>(compare.revision));
  }
  const bool writes = !operations.empty();
  if (writes) operations.push_back(etcd::PutOf(key_, name));
  const absl::Status packed = etcd::PackOperations(std::move(operations), &request);
  if (!packed.ok()) return Refusal(packed);
  *request.add_failure() = etcd::GetOf(key_);

  bool doubt = false;
  const absl::StatusOr<TxnResponse> reply = Send(request, &doubt);
  if (!writes && (!reply.ok() || reply->succeeded())) {
    if (!reply.ok()) return Refusal(reply.status());
    return CommitResult{true, static_cast<uint64_t>(reply->header().revision())};
  }
  if (reply.ok()) return Judge(*reply, name, doubt && writes, transaction);
  if (!doubt) return Refusal(reply.status());
  doubt_ = Doubt{name, absl::StrCat(name, "/void")};
  return Unavailable(reply.status(), "whether the transaction was written is not known yet");
}

absl::StatusOr<std::string> EtcdStore::Writer::ReadValue(const std::string& key,
                                                         const std::string& stored,
                                                         int64_t revision) {
  absl::StatusOr<etcd::Value> value = etcd::DecodeValue(stored);
  if (!value.ok()) {
    return absl::DataLossError(
        absl::StrCat("store: entry '", key, "' is damaged: ", value.status().message()));
  }
  const std::string hash = value->parts == 0 ? "" : etcd::HashOf(key);
  for (uint64_t i = 0; i < value->parts; ++i) {
    RangeRequest read;
    read.set_key(etcd::PartKey(options_.prefix, hash, value->id, i));
    read.set_revision(revision);
    ASSIGN_OR_RETURN(RangeResponse reply, Send(read));
    if (reply.kvs_size() == 0) {
      return absl::DataLossError(absl::StrCat("store: entry '", key, "' is damaged: part ", i,
                                              " of ", value->parts, " is missing"));
    }
    value->bytes += reply.kvs(0).value();
  }
  return std::move(value->bytes);
}

absl::StatusOr<std::vector<Entry>> EtcdStore::Writer::ReadAll(absl::string_view prefix) {
  const size_t own = etcd::EntryKey(options_.prefix, "").size();
  RangeRequest read;
  read.set_key(etcd::EntryKey(options_.prefix, prefix));
  read.set_range_end(etcd::EndOf(read.key()));
  read.set_limit(static_cast<int64_t>(options_.page_entries));
  std::vector<Entry> entries;
  for (;;) {
    ASSIGN_OR_RETURN(const RangeResponse page, Send(read));
    // The pages after the first show the same moment.
    if (read.revision() == 0) read.set_revision(page.header().revision());
    for (const KeyValue& kv : page.kvs()) {
      std::string key = kv.key().substr(own);
      ASSIGN_OR_RETURN(std::string value, ReadValue(key, kv.value(), read.revision()));
      entries.push_back(
          {std::move(key), std::move(value), static_cast<uint64_t>(kv.mod_revision())});
    }
    if (!page.more() || page.kvs_size() == 0) return entries;
    read.set_key(page.kvs(page.kvs_size() - 1).key() + '\0');
  }
}

absl::StatusOr<std::vector<Entry>> EtcdStore::Writer::Range(absl::string_view prefix) {
  RETURN_IF_ERROR(Prepare());
  for (int i = 1;; ++i) {
    absl::StatusOr<std::vector<Entry>> entries = ReadAll(prefix);
    if (entries.ok()) return entries;
    if (entries.status().code() == absl::StatusCode::kDataLoss) return entries;
    if (entries.status().code() != absl::StatusCode::kOutOfRange || i == kRangeAttempts) {
      return Refusal(entries.status());
    }
  }
}

EtcdStore::EtcdStore(std::unique_ptr<Writer> writer) : writer_(std::move(writer)) {}

EtcdStore::~EtcdStore() = default;

absl::StatusOr<std::unique_ptr<EtcdStore>> EtcdStore::Open(std::unique_ptr<EtcdKv> kv,
                                                           EtcdStoreOptions options) {
  auto writer = std::make_unique<Writer>(std::move(kv), std::move(options));
  RETURN_IF_ERROR(writer->TakeOver());
  return std::unique_ptr<EtcdStore>(new EtcdStore(std::move(writer)));
}

absl::StatusOr<std::unique_ptr<EtcdStore>> EtcdStore::Open(
    const EtcdAddress& address, uint64_t fence, std::function<void(absl::string_view)> on_deposed) {
  EtcdStoreOptions options;
  options.on_deposed = std::move(on_deposed);
  options.prefix = address.prefix;
  options.guard_key = address.LeaderKey();
  options.guard_revision = fence;
  return Open(std::make_unique<EtcdClient>(address.endpoints), std::move(options));
}

absl::StatusOr<CommitResult> EtcdStore::Commit(const Transaction& transaction) {
  return writer_->Commit(transaction);
}

absl::StatusOr<std::vector<Entry>> EtcdStore::Range(absl::string_view prefix) {
  return writer_->Range(prefix);
}

}  // namespace paceline
