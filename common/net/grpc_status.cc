#include "common/net/grpc_status.h"

#include <string>

namespace paceline {
namespace {

// A message travels in the trailers, which have a bound of their own (8 KiB by default); a longer
// one would turn the whole answer into RESOURCE_EXHAUSTED.
constexpr size_t kMessageBytesMax = 2048;

}  // namespace

// The numbers of both enumerations are those of google.rpc.Code.
static_assert(static_cast<int>(absl::StatusCode::kUnauthenticated) ==
                  static_cast<int>(grpc::StatusCode::UNAUTHENTICATED),
              "absl and gRPC number their codes alike");

grpc::Status ToGrpcStatus(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  const absl::string_view message = status.message().substr(0, kMessageBytesMax);
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()),
                      std::string(message.data(), message.size()));
}

absl::Status FromGrpcStatus(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  const int code = status.error_code();
  const bool known = code > 0 && code <= static_cast<int>(absl::StatusCode::kUnauthenticated);
  return absl::Status(known ? static_cast<absl::StatusCode>(code) : absl::StatusCode::kUnknown,
                      status.error_message());
}

}  // namespace paceline
