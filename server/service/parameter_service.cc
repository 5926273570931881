#include "server/service/parameter_service.h"

#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "common/base/clock.h"
#include "common/base/status_macros.h"
#include "common/net/frame.h"
#include "common/net/frame_parser.h"
#include "common/net/grpc_status.h"
#include "common/net/transport.h"
#include "proto/parameter.grpc.pb.h"
#include "proto/stream.pb.h"
#include "server/service/frame_floats.h"
#include "server/service/pending_calls.h"
#include "server/service/streamed_call.h"

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

absl::Status RequireNothing(absl::string_view what, uint64_t bytes) {
  if (bytes == 0) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("call: ", what, " of ", bytes, " bytes; wanted none"));
}

// What one message holds beside parameters, at most.
constexpr uint64_t kHeadBytesMax = 1 << 20;
constexpr uint64_t kUnaryBytesMax = kMessageBytesMax - kHeadBytesMax;

std::string Name(const v1::PushHeader& push) {
  return absl::StrCat("push of ", push.worker().id(), " to partition ", push.key().partition(),
                      " of ", push.key().job());
}

}  // namespace

class ParameterService::Transport final : public RawService, public StreamedMethods {
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

  absl::StatusOr<std::shared_ptr<StreamedRequest>> Admit(const v1::CallHeader& call) override {
    absl::string_view method = call.method();
    if (!absl::ConsumePrefix(&method, "/paceline.v1.ParameterService/")) return nullptr;
    if (method == "Push") return AdmitPush(call, /*want_parameters=*/false);
    if (method == "Exchange") return AdmitPush(call, /*want_parameters=*/true);
    if (method == "Pull") {
      return AdmitMessage<v1::PullRequest>(call,
                                           [this](uint64_t number, const v1::PullRequest& message) {
                                             host_.OnPull(SteadyNow(), number, message);
                                           });
    }
    if (method == "Settle") {
      return AdmitMessage<v1::SettleRequest>(
          call, [this](uint64_t number, const v1::SettleRequest& message) {
            host_.OnSettle(SteadyNow(), number, message);
          });
    }
    return nullptr;
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
      RETURN_IF_ERROR(CheckAnswer(message.key()));
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
      RETURN_IF_ERROR(CheckAnswer(message.key()));
      host_.OnSettle(SteadyNow(), call, message);
      return absl::OkStatus();
    });
  }

 private:
  // Hands a registered call to the host.
  using Decide = std::function<void(uint64_t number, std::shared_ptr<Block> gradients)>;

  class Call {
   public:
    virtual ~Call() = default;
    // Once.
    virtual void Answered(const Answer& answer) = 0;
  };

  // A call of its own, from its request to its answer. gRPC runs OnCancel and OnDone only after the
  // method that returned the reactor is over.
  class UnaryCall final : public grpc::ServerUnaryReactor, public Call {
   public:
    UnaryCall(Transport* transport, grpc::ByteBuffer* response)
        : transport_(transport), response_(response) {}

    // From here on another thread may answer it. 0: too late, it is not registered.
    uint64_t Register() { return number_ = transport_->calls_.Add(this); }

    void Answered(const Answer& answer) override {
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

  // A call out of a stream.
  class StreamedCall final : public StreamedRequest,
                             public Call,
                             public std::enable_shared_from_this<StreamedCall> {
   public:
    StreamedCall(Transport* transport, Decide decide, std::shared_ptr<Block> gradients)
        : transport_(transport), decide_(std::move(decide)), gradients_(std::move(gradients)) {}

    absl::Span<char> room() override {
      return gradients_ == nullptr ? absl::Span<char>() : BytesOf(gradients_.get());
    }

    void Start(std::shared_ptr<StreamedReply> reply) override {
      reply_ = std::move(reply);
      self_ = shared_from_this();
      number_ = transport_->calls_.Add(this);
      if (number_ == 0) return Answered({0, Stopping(), {}, nullptr});
      decide_(number_, std::move(gradients_));
      transport_->TellNews();
    }

    void Answered(const Answer& answer) override {
      const std::shared_ptr<StreamedCall> self = std::move(self_);
      std::string message = answer.status.ok() ? FrameHead(answer.header, 0) : "";
      reply_->Send(answer.status, std::move(message), answer.parameters);
      reply_.reset();  // It holds the stream, which held this.
    }

    void Cancel() override { transport_->Cancel(number_); }

   private:
    Transport* const transport_;
    const Decide decide_;
    std::shared_ptr<Block> gradients_;
    uint64_t number_ = 0;
    std::shared_ptr<StreamedReply> reply_;
    std::shared_ptr<StreamedCall> self_;  // From Start until it is answered.
  };

  absl::StatusOr<std::shared_ptr<StreamedRequest>> AdmitPush(const v1::CallHeader& call,
                                                             bool want_parameters) {
    v1::PushHeader header;
    ASSIGN_OR_RETURN(const FramePayload rest, ParseFrame({call.message()}, &header));
    RETURN_IF_ERROR(RequireNothing("payload inside the message", rest.bytes));
    ASSIGN_OR_RETURN(auto gradients, Room(header, call.payload_bytes()));
    auto decide = [this, header = std::move(header), want_parameters](
                      uint64_t number, std::shared_ptr<Block> block) {
      host_.OnPush(SteadyNow(), number, header, std::move(block), want_parameters);
    };
    return std::make_shared<StreamedCall>(this, std::move(decide), std::move(gradients));
  }

  // A request without a payload: parsed, then given to `decide(number, message)`.
  template <typename Message, typename Handle>
  absl::StatusOr<std::shared_ptr<StreamedRequest>> AdmitMessage(const v1::CallHeader& call,
                                                                Handle handle) {
    Message message;
    RETURN_IF_ERROR(RequireNothing("payload", call.payload_bytes()));
    RETURN_IF_ERROR(ParseMessage(call.message(), &message));
    auto decide = [handle, message = std::move(message)](
                      uint64_t number, const std::shared_ptr<Block>&) { handle(number, message); };
    return std::make_shared<StreamedCall>(this, std::move(decide), nullptr);
  }

  // A block for the gradients that must come with the header.
  absl::StatusOr<std::shared_ptr<Block>> Room(const v1::PushHeader& header,
                                              uint64_t payload_bytes) {
    ASSIGN_OR_RETURN(const uint64_t elements, host_.Elements(header.key()));
    const uint64_t pieces = static_cast<uint64_t>(header.pieces_size());
    return RoomForFloats(payload_bytes, pieces, elements, [&] { return Name(header); });
  }

  // Before anything is done for a call that is one message each way: its answer has to fit.
  absl::Status CheckAnswer(const v1::PartitionKey& key) {
    const absl::StatusOr<uint64_t> elements = host_.Elements(key);
    // Whatever else is wrong with it the host says.
    if (!elements.ok() || *elements <= kUnaryBytesMax / sizeof(float)) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat(
        "partition ", key.partition(), " of ", key.job(), " has ", *elements, " float32, ",
        *elements * sizeof(float), " bytes; a call of one message brings at most ", kUnaryBytesMax,
        ": make it over CallStream"));
  }

  static absl::Status Stopping() {
    return absl::UnavailableError("this server is shutting down; retry, it is safe");
  }

  // Runs `decide`, which hands the call to the host or says why it cannot.
  template <typename Decide>
  grpc::ServerUnaryReactor* Begin(grpc::ByteBuffer* response, Decide decide) {
    UnaryCall* const call = new UnaryCall(this, response);  // OnDone deletes it.
    const uint64_t number = call->Register();
    if (number == 0) {
      call->Answered({0, Stopping(), {}, nullptr});
      return call;
    }
    const absl::Status status = decide(number);
    if (!status.ok()) Deliver({number, status, {}, nullptr});
    TellNews();
    return call;
  }

  void TellNews() {
    if (host_.TakeNews()) on_news_();
  }

  absl::Status OnPush(grpc::CallbackServerContext* context, const grpc::ByteBuffer& request,
                      uint64_t call, bool want_parameters) {
    v1::PushHeader header;
    std::shared_ptr<Block> gradients;
    {
      ASSIGN_OR_RETURN(const DecodedFrame frame, DecodedFrame::Decode(request, &header));
      if (want_parameters) RETURN_IF_ERROR(CheckAnswer(header.key()));
      ASSIGN_OR_RETURN(gradients, Room(header, frame.payload_bytes()));
      RETURN_IF_ERROR(frame.CopyPayload(gradients->floats()));
    }
    // So that a push that waits is held in memory once.
    context->GetRpcAllocatorState()->FreeRequest();
    host_.OnPush(SteadyNow(), call, header, std::move(gradients), want_parameters);
    return absl::OkStatus();
  }

  void Deliver(Answer answer) {
    if (Call* const call = calls_.Take(answer.call)) call->Answered(answer);
  }

  // gRPC says so on a thread of which it has few. The host's locks are waited for here, each for as
  // long as one event of a partition takes; whoever holds one waits for nothing of gRPC's.
  void Cancel(uint64_t number) {
    Call* const call = calls_.Take(number);
    if (call == nullptr) return;  // It has been answered.
    host_.OnCancel(number);
    call->Answered({number, absl::CancelledError("the caller went away"), {}, nullptr});
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

StreamedMethods* ParameterService::streamed() { return transport_.get(); }

PartitionHost* ParameterService::host() { return transport_->host(); }

void ParameterService::Stop() { transport_->Stop(); }

}  // namespace paceline
