// etcd's key-value calls, one attempt at a time: what EtcdStore decides over, and tests replace.
//
// Errors   InvalidArgument, OutOfRange, ResourceExhausted, DataLoss, PermissionDenied...:
//          etcd's own words; nothing was done. IsTransient ones: the attempt got no answer; it may
//          or may not have been carried out, or be carried out later.
// Threads  An implementation says.
// Source   etcd v3.4, api_reference_v3 (KV); etcd.proto.
#ifndef PACELINE_SERVER_STORE_ETCD_KV_H_
#define PACELINE_SERVER_STORE_ETCD_KV_H_

#include <cstddef>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/store/etcd/etcd.pb.h"

namespace paceline {

class EtcdKv {
 public:
  virtual ~EtcdKv() = default;

  // Each goes to one endpoint; after a transient error the next call goes to another.
  virtual absl::StatusOr<etcdserverpb::RangeResponse> Range(
      const etcdserverpb::RangeRequest& request, absl::Duration timeout) = 0;
  virtual absl::StatusOr<etcdserverpb::TxnResponse> Txn(const etcdserverpb::TxnRequest& request,
                                                        absl::Duration timeout) = 0;

  virtual size_t endpoint_count() const = 0;
};

// Whether another attempt, at another endpoint, may go better.
inline bool IsTransient(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kCancelled:
    case absl::StatusCode::kUnknown:
    case absl::StatusCode::kInternal:
      return true;
    default:
      return false;
  }
}

}  // namespace paceline

#endif  // PACELINE_SERVER_STORE_ETCD_KV_H_
