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
#include "common/net/frame_parser.h"
#include "common/net/grpc_status.h"
#include "proto/replica.grpc.pb.h"
#include "proto/stream.pb.h"
#include "server/service/frame_floats.h"
#include "server/service/streamed_call.h"

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

class ReplicaService::Transport final : public RawService, public StreamedMethods {
 public:
  Transport(PartitionHost* host, std::function<void()> on_news)
      : host_(host), on_news_(std::move(on_news)) {}

  grpc::ServerUnaryReactor* Append(grpc::CallbackServerContext* context,
                                   const grpc::ByteBuffer* request,
                                   grpc::ByteBuffer* response) override {
    return Finish(context, OnFrame<v1::AppendHeader>(*request), response);
  }

  grpc::ServerUnaryReactor* Install(grpc::CallbackServerContext* context,
                                    const grpc::ByteBuffer* request,
                                    grpc::ByteBuffer* response) override {
    return Finish(context, OnFrame<v1::InstallHeader>(*request), response);
  }

  absl::StatusOr<std::shared_ptr<StreamedRequest>> Admit(const v1::CallHeader& call) override {
    if (call.method() == "/paceline.v1.ReplicaService/Append") {
      return AdmitFrame<v1::AppendHeader>(call);
    }
    if (call.method() == "/paceline.v1.ReplicaService/Install") {
      return AdmitFrame<v1::InstallHeader>(call);
    }
    return nullptr;
  }

 private:
  grpc::ServerUnaryReactor* Finish(grpc::CallbackServerContext* context,
                                   const absl::StatusOr<v1::ReplicaReply>& reply,
                                   grpc::ByteBuffer* response) {
    if (reply.ok()) *response = EncodeMessage(*reply);
    grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
    reactor->Finish(ToGrpcStatus(reply.status()));
    TellNews();
    return reactor;
  }

  // A call out of a stream; answered before Start returns, so that there is nothing to cancel.
  template <typename Header>
  class StreamedCall final : public StreamedRequest {
   public:
    StreamedCall(Transport* transport, Header header, std::shared_ptr<Block> floats)
        : transport_(transport), header_(std::move(header)), floats_(std::move(floats)) {}

    absl::Span<char> room() override { return BytesOf(floats_.get()); }
    void Start(std::shared_ptr<StreamedReply> reply) override {
      const auto answer = transport_->Decide(header_, std::move(floats_));
      reply->Send(answer.status(), answer.ok() ? answer->SerializeAsString() : "", nullptr);
      transport_->TellNews();
    }
    void Cancel() override {}

   private:
    Transport* const transport_;
    const Header header_;
    std::shared_ptr<Block> floats_;
  };

  template <typename Header>
  absl::StatusOr<std::shared_ptr<StreamedRequest>> AdmitFrame(const v1::CallHeader& call) {
    Header header;
    RETURN_IF_ERROR(ParseFrame({call.message()}, &header).status());
    ASSIGN_OR_RETURN(auto floats, Room(header, call.payload_bytes()));
    return std::make_shared<StreamedCall<Header>>(this, std::move(header), std::move(floats));
  }

  void TellNews() {
    if (host_->TakeNews()) on_news_();
  }

  // A block for what must come with the header.
  absl::StatusOr<std::shared_ptr<Block>> Room(const v1::AppendHeader& header, uint64_t bytes) {
    ASSIGN_OR_RETURN(const uint64_t elements, host_->ReplicaElements(header.key()));
    const uint64_t entries = static_cast<uint64_t>(header.entries_size());
    return RoomForFloats(bytes, entries, elements, [&] { return Name("entries", header.key()); });
  }
  absl::StatusOr<std::shared_ptr<Block>> Room(const v1::InstallHeader& header, uint64_t bytes) {
    ASSIGN_OR_RETURN(const uint64_t elements, host_->ReplicaElements(header.key()));
    return RoomForFloats(bytes, 1, elements, [&] { return Name("array", header.key()); });
  }

  absl::StatusOr<v1::ReplicaReply> Decide(const v1::AppendHeader& header,
                                          std::shared_ptr<Block> floats) {
    return host_->OnAppend(SteadyNow(), header, std::move(floats));
  }
  absl::StatusOr<v1::ReplicaReply> Decide(const v1::InstallHeader& header,
                                          std::shared_ptr<Block> floats) {
    return host_->OnInstall(SteadyNow(), header, std::move(floats));
  }

  template <typename Header>
  absl::StatusOr<v1::ReplicaReply> OnFrame(const grpc::ByteBuffer& request) {
    Header header;
    ASSIGN_OR_RETURN(const DecodedFrame frame, DecodedFrame::Decode(request, &header));
    ASSIGN_OR_RETURN(auto floats, Room(header, frame.payload_bytes()));
    RETURN_IF_ERROR(frame.CopyPayload(floats->floats()));
    return Decide(header, std::move(floats));
  }

  PartitionHost* const host_;  // Safe by itself.
  const std::function<void()> on_news_;
};

ReplicaService::ReplicaService(PartitionHost* host, std::function<void()> on_news)
    : transport_(std::make_unique<Transport>(host, std::move(on_news))) {}

ReplicaService::~ReplicaService() = default;

grpc::Service* ReplicaService::service() { return transport_.get(); }

StreamedMethods* ReplicaService::streamed() { return transport_.get(); }

}  // namespace paceline
