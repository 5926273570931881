// etcd's key-value calls over a map in memory, with a network that loses what it is told to lose.
//
// Threads  One thread at a time.
#ifndef PACELINE_SERVER_STORE_ETCD_FAKE_ETCD_H_
#define PACELINE_SERVER_STORE_ETCD_FAKE_ETCD_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/store/etcd/kv.h"

namespace paceline {

class FakeEtcd {
 public:
  enum class Fault {
    kNone,
    kLoseRequest,  // It is never carried out.
    kLoseReply,    // It is carried out, and its sender is not told.
    kDelay,        // Its sender is not told; it is carried out by the next Deliver.
  };

  // What befalls the next calls, one each; then none.
  std::deque<Fault> faults;
  // Every call fails with this.
  absl::Status outage;
  // Called before each call.
  std::function<void()> on_call;

  size_t calls = 0;

  // Carries out the requests that were delayed.
  void Deliver();

  // As etcd would, but for keys_only and the limits on sizes.
  etcdserverpb::RangeResponse Range(const etcdserverpb::RangeRequest& request) const;
  etcdserverpb::TxnResponse Txn(const etcdserverpb::TxnRequest& request);

  // A client of `etcd`, which outlives it.
  static std::unique_ptr<EtcdKv> Client(FakeEtcd* etcd);

  const std::map<std::string, etcdserverpb::KeyValue>& keys() const { return keys_; }

 private:
  class Connection;

  Fault Next();
  bool Holds(const etcdserverpb::Compare& compare) const;
  // What `operation` does as part of `revision`; true if it wrote.
  bool Do(const etcdserverpb::RequestOp& operation, int64_t revision,
          etcdserverpb::ResponseOp* reply);
  bool DoTxn(const etcdserverpb::TxnRequest& request, int64_t revision,
             etcdserverpb::TxnResponse* reply);

  std::map<std::string, etcdserverpb::KeyValue> keys_;
  int64_t revision_ = 1;
  std::vector<etcdserverpb::TxnRequest> delayed_;
};

}  // namespace paceline

#endif  // PACELINE_SERVER_STORE_ETCD_FAKE_ETCD_H_
