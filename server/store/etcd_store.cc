#include "server/store/etcd_store.h"

#include <algorithm>
#include <functional>
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

constexpr absl::Duration kWatchInterval = absl::Milliseconds(250);

constexpr char kTakenOver[] = "another has taken it over";
constexpr char kIsAsked[] = "store: etcd is just being asked how an earlier transaction ended";

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

  absl::Status Open() ABSL_LOCKS_EXCLUDED(mutex_);
  absl::StatusOr<CommitResult> Commit(const Transaction& transaction) ABSL_LOCKS_EXCLUDED(mutex_);
  absl::StatusOr<std::vector<Entry>> Range(absl::string_view prefix) ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status health() const ABSL_LOCKS_EXCLUDED(health_mutex_);
  void Watch() ABSL_LOCKS_EXCLUDED(mutex_, health_mutex_);

 private:
  // A transaction whose outcome is not known.
  struct Doubt {
    std::string name;    // What it writes into the writer's key,
    std::string voider;  // and what the one writes there that makes it void.
  };
  // How a doubt ended: the revision at which it was written, or nothing.
  using Ending = absl::optional<int64_t>;

  // How long a call waits for an answer.
  struct Patience {
    absl::Duration call;
    absl::Duration attempt;
  };
  Patience Long() const { return {options_.call_timeout, options_.attempt_timeout}; }
  Patience Short() const { return {options_.commit_timeout, options_.commit_attempt_timeout}; }

  // Sends until there is an answer. `doubt` becomes true when an attempt had none. Any error that
  // is not transient is etcd's answer.
  absl::StatusOr<TxnResponse> Send(const TxnRequest& request, Patience patience, bool* doubt);
  absl::StatusOr<RangeResponse> Send(const RangeRequest& request, Patience patience);
  // `attempt` at every endpoint, and at the first once more: by then it may have connected.
  template <typename Response>
  absl::StatusOr<Response> Attempt(
      Patience patience, const std::function<absl::StatusOr<Response>(absl::Duration)>& attempt);

  void FallSilent(const absl::Status& status) ABSL_LOCKS_EXCLUDED(health_mutex_);
  absl::Status Depose(absl::string_view why, bool by_another) ABSL_LOCKS_EXCLUDED(health_mutex_);

  absl::Status TakeOver() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status ReadPartNames() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  absl::StatusOr<CommitResult> CommitLocked(const Transaction& transaction)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status EndDoubt() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<Ending> Settle() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<std::vector<RequestOp>> Encode(const Transaction& transaction)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<std::string> WriteParts(const std::string& key, const std::string& value)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void DeleteOldParts(const std::string& key, std::vector<RequestOp>* operations) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ForgetOldParts(const Transaction& transaction) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<CommitResult> Judge(const TxnResponse& reply, const std::string& name, bool doubt,
                                     const Transaction& transaction)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  CommitResult Committed(int64_t revision, const Transaction& transaction)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  absl::StatusOr<std::vector<Entry>> RangeLocked(absl::string_view prefix)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // One attempt to read everything as of one revision; OutOfRange: etcd has forgotten it.
  absl::StatusOr<std::vector<Entry>> ReadAll(absl::string_view prefix);
  absl::StatusOr<std::string> ReadValue(const std::string& key, const std::string& stored,
                                        int64_t revision);

  const std::unique_ptr<EtcdKv> kv_;
  EtcdStoreOptions options_;
  const std::string key_;
  const std::string name_ = UniqueName();

  absl::Mutex mutex_;  // Held while etcd is asked: by a call, or by a Watch after silence.
  uint64_t transactions_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t known_ ABSL_GUARDED_BY(mutex_) = 0;  // The writer's key's revision at the last write.
  absl::optional<Doubt> doubt_ ABSL_GUARDED_BY(mutex_);  // Only while etcd is silent.
  // By hash of key, the values that have parts in etcd: at most one is referred to. `fresh_`: the
  // ones that the transaction at hand refers to.
  std::map<std::string, std::set<std::string>> parts_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::string> fresh_ ABSL_GUARDED_BY(mutex_);

  mutable absl::Mutex health_mutex_ ABSL_ACQUIRED_AFTER(mutex_);
  absl::Status silence_ ABSL_GUARDED_BY(health_mutex_);  // Of etcd: how the last attempt ended.
  absl::Status deposed_ ABSL_GUARDED_BY(health_mutex_);
};

template <typename Response>
absl::StatusOr<Response> EtcdStore::Writer::Attempt(
    Patience patience, const std::function<absl::StatusOr<Response>(absl::Duration)>& attempt) {
  const absl::Time deadline = options_.clock() + patience.call;
  absl::Status last = absl::UnavailableError("no time for an attempt");
  for (size_t i = 0; i <= kv_->endpoint_count(); ++i) {
    const absl::Duration left = deadline - options_.clock();
    if (left <= absl::ZeroDuration()) break;
    absl::StatusOr<Response> reply = attempt(std::min(patience.attempt, left));
    if (reply.ok() || !IsTransient(reply.status())) return reply;
    last = reply.status();
  }
  FallSilent(last);
  return last;
}

absl::StatusOr<TxnResponse> EtcdStore::Writer::Send(const TxnRequest& request, Patience patience,
                                                    bool* doubt) {
  return Attempt<TxnResponse>(patience, [&](absl::Duration timeout) {
    absl::StatusOr<TxnResponse> reply = kv_->Txn(request, timeout);
    *doubt |= !reply.ok() && IsTransient(reply.status());
    return reply;
  });
}

absl::StatusOr<RangeResponse> EtcdStore::Writer::Send(const RangeRequest& request,
                                                      Patience patience) {
  return Attempt<RangeResponse>(
      patience, [&](absl::Duration timeout) { return kv_->Range(request, timeout); });
}

absl::Status EtcdStore::Writer::health() const {
  absl::MutexLock lock(&health_mutex_);
  return deposed_.ok() ? silence_ : deposed_;
}

void EtcdStore::Writer::FallSilent(const absl::Status& status) {
  absl::MutexLock lock(&health_mutex_);
  silence_ = Unavailable(status, "until it answers again nothing is sent");
}

absl::Status EtcdStore::Writer::Depose(absl::string_view why, bool by_another) {
  const absl::Status deposed =
      absl::AbortedError(absl::StrCat("store: ", why, "; open it again and read it anew"));
  {
    absl::MutexLock lock(&health_mutex_);
    if (!deposed_.ok()) return deposed_;
    deposed_ = deposed;
  }
  if (options_.on_deposed) options_.on_deposed(deposed.message(), by_another);
  return deposed;
}

void EtcdStore::Writer::Watch() {
  const absl::Status before = health();
  if (absl::IsAborted(before)) return;
  RangeRequest read;  // Linearizable: a majority has to answer.
  read.set_key(key_);
  const absl::StatusOr<RangeResponse> reply = Send(read, Short());
  if (!reply.ok()) return FallSilent(reply.status());
  const std::string mine = absl::StrCat(name_, "/");
  if (reply->kvs_size() == 0 || !absl::StartsWith(reply->kvs(0).value(), mine)) {
    Depose(kTakenOver, true).IgnoreError();
    return;
  }
  if (before.ok()) return;
  absl::MutexLock lock(&mutex_);
  if (!EndDoubt().ok()) return;
  absl::MutexLock health(&health_mutex_);
  silence_ = absl::OkStatus();
}

absl::Status EtcdStore::Writer::Open() {
  absl::MutexLock lock(&mutex_);
  return TakeOver();
}

absl::Status EtcdStore::Writer::TakeOver() {
  RangeRequest read;
  read.set_key(key_);
  const absl::StatusOr<RangeResponse> before = Send(read, Long());
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
  const absl::StatusOr<TxnResponse> reply = Send(request, Long(), &doubt);
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
  const absl::StatusOr<RangeResponse> reply = Send(read, Long());
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

absl::Status EtcdStore::Writer::EndDoubt() {
  if (!doubt_.has_value()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const Ending ending, Settle());
  if (!ending.has_value()) return absl::OkStatus();
  // Its sender was told that it failed.
  return Depose("a transaction that etcd had not answered was written", false);
}

absl::StatusOr<EtcdStore::Writer::Ending> EtcdStore::Writer::Settle() {
  TxnRequest request;
  *request.add_compare() = etcd::ModIs(key_, known_);
  *request.add_success() = etcd::PutOf(key_, doubt_->voider);
  *request.add_failure() = etcd::GetOf(key_);
  bool ignored = false;  // Sending it again settles that too.
  const absl::StatusOr<TxnResponse> reply = Send(request, Short(), &ignored);
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
    return Depose(kTakenOver, true);
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
    const absl::StatusOr<TxnResponse> reply = Send(request, Short(), &harmless);
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
  for (const Put& put : transaction.puts) parts_.erase(etcd::HashOf(put.key));
  for (const Delete& erase : transaction.deletes) parts_.erase(etcd::HashOf(erase.key));
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
  if (found == nullptr) return Depose("its writer's key is gone", true);
  if (found->value() == name) return Committed(found->mod_revision(), transaction);
  if (found->mod_revision() != known_) return Depose(kTakenOver, true);
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
  RETURN_IF_ERROR(health());
  if (!mutex_.TryLock()) return absl::UnavailableError(kIsAsked);
  absl::StatusOr<CommitResult> result = CommitLocked(transaction);
  mutex_.Unlock();
  return result;
}

absl::StatusOr<CommitResult> EtcdStore::Writer::CommitLocked(const Transaction& transaction) {
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
  const absl::StatusOr<TxnResponse> reply = Send(request, Short(), &doubt);
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
    ASSIGN_OR_RETURN(RangeResponse reply, Send(read, Long()));
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
    ASSIGN_OR_RETURN(const RangeResponse page, Send(read, Long()));
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
  RETURN_IF_ERROR(health());
  if (!mutex_.TryLock()) return absl::UnavailableError(kIsAsked);
  absl::StatusOr<std::vector<Entry>> entries = RangeLocked(prefix);
  mutex_.Unlock();
  return entries;
}

absl::StatusOr<std::vector<Entry>> EtcdStore::Writer::RangeLocked(absl::string_view prefix) {
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

EtcdStore::~EtcdStore() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  if (watcher_.joinable()) watcher_.join();
}

absl::StatusOr<std::unique_ptr<EtcdStore>> EtcdStore::Open(std::unique_ptr<EtcdKv> kv,
                                                           EtcdStoreOptions options) {
  auto writer = std::make_unique<Writer>(std::move(kv), std::move(options));
  RETURN_IF_ERROR(writer->Open());
  return std::unique_ptr<EtcdStore>(new EtcdStore(std::move(writer)));
}

absl::StatusOr<std::unique_ptr<EtcdStore>> EtcdStore::Open(
    const EtcdAddress& address, uint64_t fence,
    std::function<void(absl::string_view, bool)> on_deposed) {
  EtcdStoreOptions options;
  options.on_deposed = std::move(on_deposed);
  options.prefix = address.prefix;
  options.guard_key = address.LeaderKey();
  options.guard_revision = fence;
  ASSIGN_OR_RETURN(
      std::unique_ptr<EtcdStore> store,
      Open(std::make_unique<EtcdClient>(address.endpoints), std::move(options)));
  store->watcher_ = std::thread([watched = store.get()] { watched->KeepWatching(); });
  return store;
}

void EtcdStore::KeepWatching() {
  for (;;) {
    {
      absl::MutexLock lock(&mutex_);
      if (mutex_.AwaitWithTimeout(absl::Condition(&stopping_), kWatchInterval)) return;
    }
    Watch();
  }
}

absl::StatusOr<CommitResult> EtcdStore::Commit(const Transaction& transaction) {
  return writer_->Commit(transaction);
}

absl::StatusOr<std::vector<Entry>> EtcdStore::Range(absl::string_view prefix) {
  return writer_->Range(prefix);
}

absl::Status EtcdStore::health() const { return writer_->health(); }

void EtcdStore::Watch() { writer_->Watch(); }

}  // namespace paceline
