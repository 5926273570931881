#include "server/service/replica_service.h"

#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include <cstdint>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/clock.h"
#include "common/base/status_macros.h"
#include "common/net/frame.h"
#include "common/net/grpc_status.h"
#include "proto/replica.grpc.pb.h"
#include "server/service/frame_floats.h"

namespace paceline {
namespace {

template <typename Base>
using RawAppend = v1::ReplicaService::WithRawCallbackMethod_Append<Base>;
template <typename Base>
using RawInstall = v1::ReplicaService::WithRawCallbackMethod_Install<Base>;

// Every request and reply is a grpc::ByteBuffer.
using RawService = RawAppend<RawInstall<v1::ReplicaService::Service>>;

std::string Name(const char* what, const v1::ReplicaKey& key) {
  return absl::StrCat(what, " to copy ", key.replica(), " of partition ", key.partition(), " of ",
                      key.job());
}

}  // namespace

class ReplicaService::Transport final : public RawService {
 public:
  Transport(PartitionHost* host, std::function<void()> on_news)
      : host_(host), on_news_(std::move(on_news)) {}

  grpc::ServerUnaryReactor* Append(grpc::CallbackServerContext* context,
                                   const grpc::ByteBuffer* request,
                                   grpc::ByteBuffer* response) override {
    return Finish(context, OnAppend(*request), response);
  }

  grpc::ServerUnaryReactor* Install(grpc::CallbackServerContext* context,
                                    const grpc::ByteBuffer* request,
                                    grpc::ByteBuffer* response) override {
    return Finish(context, OnInstall(*request), response);
  }

 private:
  grpc::ServerUnaryReactor* Finish(grpc::CallbackServerContext* context,
                                   const absl::StatusOr<v1::ReplicaReply>& reply,
                                   grpc::ByteBuffer* response) {
    if (reply.ok()) *response = EncodeMessage(*reply);
    grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
    reactor->Finish(ToGrpcStatus(reply.status()));
    if (host_->TakeNews()) on_news_();
    return reactor;
  }

  absl::StatusOr<v1::ReplicaReply> OnAppend(const grpc::ByteBuffer& request) {
    v1::AppendHeader header;
    ASSIGN_OR_RETURN(const DecodedFrame frame, DecodedFrame::Decode(request, &header));
    ASSIGN_OR_RETURN(const uint64_t elements, host_->ReplicaElements(header.key()));
    const uint64_t entries = static_cast<uint64_t>(header.entries_size());
    ASSIGN_OR_RETURN(auto gradients, TakeFloats(frame, entries, elements,
                                                [&] { return Name("entries", header.key()); }));
    return host_->OnAppend(SteadyNow(), header, std::move(gradients));
  }

  absl::StatusOr<v1::ReplicaReply> OnInstall(const grpc::ByteBuffer& request) {
    v1::InstallHeader header;
    ASSIGN_OR_RETURN(const DecodedFrame frame, DecodedFrame::Decode(request, &header));
    ASSIGN_OR_RETURN(const uint64_t elements, host_->ReplicaElements(header.key()));
    ASSIGN_OR_RETURN(auto floats,
                     TakeFloats(frame, 1, elements, [&] { return Name("array", header.key()); }));
    return host_->OnInstall(SteadyNow(), header, std::move(floats));
  }

  PartitionHost* const host_;  // Safe by itself.
  const std::function<void()> on_news_;
};

ReplicaService::ReplicaService(PartitionHost* host, std::function<void()> on_news)
    : transport_(std::make_unique<Transport>(host, std::move(on_news))) {}

ReplicaService::~ReplicaService() = default;

grpc::Service* ReplicaService::service() { return transport_.get(); }

}  // namespace paceline
