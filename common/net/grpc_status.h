// absl::Status to and from grpc::Status: the same codes and the same words.
//
// Threads  Pure functions.
#ifndef PACELINE_COMMON_NET_GRPC_STATUS_H_
#define PACELINE_COMMON_NET_GRPC_STATUS_H_

#include <grpcpp/support/status.h>

#include "absl/status/status.h"

namespace paceline {

grpc::Status ToGrpcStatus(const absl::Status& status);

// A code that gRPC does not name becomes Unknown.
absl::Status FromGrpcStatus(const grpc::Status& status);

}  // namespace paceline

#endif  // PACELINE_COMMON_NET_GRPC_STATUS_H_
