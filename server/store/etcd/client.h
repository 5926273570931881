// A client of an etcd cluster: each call goes to one endpoint, and on to the next when one fails.
//
// Errors   As kv.h. RenewLease and RevokeLease: NotFound: there is no such lease.
// Threads  Safe. Calls block, up to their timeout.
// Source   etcd.proto.
#ifndef PACELINE_SERVER_STORE_ETCD_CLIENT_H_
#define PACELINE_SERVER_STORE_ETCD_CLIENT_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/store/etcd/kv.h"

namespace paceline {

class EtcdClient : public EtcdKv {
 public:
  // At least one endpoint, each host:port. Nothing is connected before the first call.
  explicit EtcdClient(const std::vector<std::string>& endpoints);
  ~EtcdClient() override;

  absl::StatusOr<etcdserverpb::RangeResponse> Range(const etcdserverpb::RangeRequest& request,
                                                    absl::Duration timeout) override;
  absl::StatusOr<etcdserverpb::TxnResponse> Txn(const etcdserverpb::TxnRequest& request,
                                                absl::Duration timeout) override;
  size_t endpoint_count() const override;

  // A lease of at least `ttl`, which is rounded up to seconds; its number.
  absl::StatusOr<int64_t> GrantLease(absl::Duration ttl, absl::Duration timeout);
  // Begins the lease's time to live anew.
  absl::Status RenewLease(int64_t lease, absl::Duration timeout);
  // Ends the lease; the keys attached to it are deleted.
  absl::Status RevokeLease(int64_t lease, absl::Duration timeout);

  // Ends the calls in flight, with Cancelled. Later ones are not affected.
  void CancelCalls();

 private:
  class Impl;

  const std::unique_ptr<Impl> impl_;
};

}  // namespace paceline

#endif  // PACELINE_SERVER_STORE_ETCD_CLIENT_H_
