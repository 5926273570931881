#include "server/service/parameter_service.h"

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
#include "proto/parameter.grpc.pb.h"
#include "server/service/frame_floats.h"
#include "server/service/pending_calls.h"

namespace paceline {
namespace {

template <typename Base>
using RawPush = v1::ParameterService::WithRawCallbackMethod_Push<Base>;
template <typename Base>
using RawPull = v1::ParameterService::WithRawCallbackMethod_Pull<Base>;
template <typename Base>
using RawExchange = v1::ParameterService::WithRawCallbackMethod_Exchange<Base>;
template <typename Base>
using RawSettle = v1::ParameterService::WithRawCallbackMethod_Settle<Base>;

// Every request and reply is a grpc::ByteBuffer.
using RawService = RawPush<RawPull<RawExchange<RawSettle<v1::ParameterService::Service>>>>;

grpc::ByteBuffer Encode(const Answer& answer) {
  if (answer.parameters == nullptr) return EncodeFrame(answer.header, {}, nullptr);
  const absl::Span<const float> floats = answer.parameters->floats();
  return EncodeFrame(answer.header, {&floats, 1}, answer.parameters);
}

std::string Name(const v1::PushHeader& push) {
  return absl::StrCat("push of ", push.worker().id(), " to partition ", push.key().partition(),
                      " of ", push.key().job());
}

}  // namespace

class ParameterService::Transport final : public RawService {
 public:
  Transport(PartitionHost::Options options, std::function<void()> on_news,
            PartitionHost::ReplicaSink replica_sink)
      : on_news_(std::move(on_news)),
        host_(
            std::move(options), [this](Answer answer) { Deliver(std::move(answer)); },
            std::move(replica_sink)) {}

  PartitionHost* host() { return &host_; }

  void Stop() {
    for (uint64_t number : calls_.Stop()) {
      host_.OnCancel(number);
      Deliver({number, Stopping(), {}, nullptr});
    }
  }

  grpc::ServerUnaryReactor* Push(grpc::CallbackServerContext* context,
                                 const grpc::ByteBuffer* request,
                                 grpc::ByteBuffer* response) override {
    return Begin(response, [&](uint64_t call) {
      return OnPush(context, *request, call, /*want_parameters=*/false);
    });
  }

  grpc::ServerUnaryReactor* Exchange(grpc::CallbackServerContext* context,
                                     const grpc::ByteBuffer* request,
                                     grpc::ByteBuffer* response) override {
    return Begin(response, [&](uint64_t call) {
      return OnPush(context, *request, call, /*want_parameters=*/true);
    });
  }

  grpc::ServerUnaryReactor* Pull(grpc::CallbackServerContext* /*context*/,
                                 const grpc::ByteBuffer* request,
                                 grpc::ByteBuffer* response) override {
    return Begin(response, [&](uint64_t call) {
      v1::PullRequest message;
      RETURN_IF_ERROR(ParseMessage(*request, &message));
      host_.OnPull(SteadyNow(), call, message);
      return absl::OkStatus();
    });
  }

  grpc::ServerUnaryReactor* Settle(grpc::CallbackServerContext* /*context*/,
                                   const grpc::ByteBuffer* request,
                                   grpc::ByteBuffer* response) override {
    return Begin(response, [&](uint64_t call) {
      v1::SettleRequest message;
      RETURN_IF_ERROR(ParseMessage(*request, &message));
      host_.OnSettle(SteadyNow(), call, message);
      return absl::OkStatus();
    });
  }

 private:
  // One call, from its request to its answer. gRPC runs OnCancel and OnDone only after the method
  // that returned the reactor is over.
  class Call final : public grpc::ServerUnaryReactor {
   public:
    Call(Transport* transport, grpc::ByteBuffer* response)
        : transport_(transport), response_(response) {}

    // From here on another thread may answer it. 0: too late, it is not registered.
    uint64_t Register() { return number_ = transport_->calls_.Add(this); }

    void Answered(const Answer& answer) {
      if (answer.status.ok()) *response_ = Encode(answer);
      Finish(ToGrpcStatus(answer.status));
    }

    void OnCancel() override { transport_->Cancel(number_); }
    void OnDone() override { delete this; }

   private:
    Transport* const transport_;
    grpc::ByteBuffer* const response_;
    uint64_t number_ = 0;
  };

  static absl::Status Stopping() {
    return absl::UnavailableError("this server is shutting down; retry, it is safe");
  }

  // Runs `decide`, which hands the call to the host or says why it cannot.
  template <typename Decide>
  grpc::ServerUnaryReactor* Begin(grpc::ByteBuffer* response, Decide decide) {
    Call* const call = new Call(this, response);  // OnDone deletes it.
    const uint64_t number = call->Register();
    if (number == 0) {
      call->Answered({0, Stopping(), {}, nullptr});
      return call;
    }
    const absl::Status status = decide(number);
    if (!status.ok()) Deliver({number, status, {}, nullptr});
    if (host_.TakeNews()) on_news_();
    return call;
  }

  absl::Status OnPush(grpc::CallbackServerContext* context, const grpc::ByteBuffer& request,
                      uint64_t call, bool want_parameters) {
    v1::PushHeader header;
    std::shared_ptr<Block> gradients;
    {
      ASSIGN_OR_RETURN(const DecodedFrame frame, DecodedFrame::Decode(request, &header));
      ASSIGN_OR_RETURN(const uint64_t elements, host_.Elements(header.key()));
      const uint64_t pieces = static_cast<uint64_t>(header.pieces_size());
      ASSIGN_OR_RETURN(gradients,
                       TakeFloats(frame, pieces, elements, [&] { return Name(header); }));
    }
    // So that a push that waits is held in memory once.
    context->GetRpcAllocatorState()->FreeRequest();
    host_.OnPush(SteadyNow(), call, header, std::move(gradients), want_parameters);
    return absl::OkStatus();
  }

  void Deliver(Answer answer) {
    if (Call* const call = calls_.Take(answer.call)) call->Answered(answer);
  }

  void Cancel(uint64_t number) {
    host_.OnCancel(number);
    Deliver({number, absl::CancelledError("the caller went away"), {}, nullptr});
  }

  const std::function<void()> on_news_;
  PendingCalls<Call> calls_;
  PartitionHost host_;  // Safe by itself. Its sink uses what is above.
};

ParameterService::ParameterService(PartitionHost::Options options, std::function<void()> on_news,
                                   PartitionHost::ReplicaSink replica_sink)
    : transport_(std::make_unique<Transport>(std::move(options), std::move(on_news),
                                             std::move(replica_sink))) {}

ParameterService::~ParameterService() = default;

grpc::Service* ParameterService::service() { return transport_.get(); }

PartitionHost* ParameterService::host() { return transport_->host(); }

void ParameterService::Stop() { transport_->Stop(); }

}  // namespace paceline
