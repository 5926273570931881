#include "client/parameter_transport.h"

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "common/base/check.h"
#include "common/net/frame.h"
#include "common/net/grpc_status.h"
#include "common/net/transport.h"

namespace paceline {
namespace {

const char* Path(Method method) {
  switch (method) {
    case Method::kPush:
      return "/paceline.v1.ParameterService/Push";
    case Method::kPull:
      return "/paceline.v1.ParameterService/Pull";
    case Method::kExchange:
      return "/paceline.v1.ParameterService/Exchange";
    case Method::kSettle:
      return "/paceline.v1.ParameterService/Settle";
  }
  PACELINE_CHECK(false);
}

grpc::ByteBuffer EncodeMessage(const google::protobuf::MessageLite& message) {
  grpc::Slice slice(message.SerializeAsString());
  return grpc::ByteBuffer(&slice, 1);
}

grpc::ByteBuffer EncodeRequest(const ParameterCall& call) {
  if (call.method == Method::kPull) return EncodeMessage(call.pull);
  if (call.method == Method::kSettle) return EncodeMessage(call.settle);
  auto owner = std::make_shared<std::vector<BlockRef>>(call.piece_gradients);
  std::vector<absl::Span<const float>> payload;
  for (const BlockRef& gradient : *owner) {
    payload.push_back(gradient->floats().subspan(call.offset, call.elements));
  }
  return EncodeFrame(call.push, payload, owner);
}

}  // namespace

class ParameterTransport::Impl {
 public:
  explicit Impl(Done done) : done_(std::move(done)) {}

  ~Impl() {
    absl::MutexLock lock(&mutex_);
    for (auto& [id, call] : running_) call->context.TryCancel();
    mutex_.Await(absl::Condition(
        +[](std::map<uint64_t, std::shared_ptr<Running>>* running) { return running->empty(); },
        &running_));
  }

  void Start(ParameterCall call) {
    auto running = std::make_shared<Running>();
    running->elements = call.elements;
    running->request = EncodeRequest(call);
    running->context.set_deadline(absl::ToChronoTime(absl::Now() + call.timeout));
    grpc::GenericStub* stub = nullptr;
    {
      absl::MutexLock lock(&mutex_);
      PACELINE_CHECK(running_.emplace(call.id, running).second);
      auto& slot = stubs_[call.address];
      if (slot == nullptr) slot = std::make_unique<grpc::GenericStub>(MakeChannel(call.address));
      stub = slot.get();
    }
    stub->UnaryCall(&running->context, Path(call.method), grpc::StubOptions(), &running->request,
                    &running->reply, [this, id = call.id, running](grpc::Status status) {
                      done_(id, Result(*running, status));
                      absl::MutexLock lock(&mutex_);  // Last: the destructor waits for it.
                      running_.erase(id);
                    });
  }

  void Cancel(uint64_t id) {
    std::shared_ptr<Running> running;
    {
      absl::MutexLock lock(&mutex_);
      const auto found = running_.find(id);
      if (found == running_.end()) return;
      running = found->second;
    }
    running->context.TryCancel();
  }

 private:
  struct Running {
    grpc::ClientContext context;
    grpc::ByteBuffer request;
    grpc::ByteBuffer reply;
    uint64_t elements = 0;
  };

  static CallResult Result(const Running& running, const grpc::Status& status) {
    CallResult result;
    result.status = FromGrpcStatus(status);
    if (!result.status.ok()) return result;
    const auto frame = DecodedFrame::Decode(running.reply, &result.header);
    if (!frame.ok()) {
      result.status = absl::InternalError(absl::StrCat("the server's answer is not a frame: ",
                                                       std::string(frame.status().message())));
      return result;
    }
    if (frame->payload_bytes() == 0) return result;
    auto block = std::make_shared<Block>(running.elements);
    const absl::Status copied = frame->CopyPayload(block->floats());
    if (!copied.ok()) {
      result.status = absl::InternalError(
          absl::StrCat("the server's parameters: ", std::string(copied.message())));
      return result;
    }
    result.parameters = std::move(block);
    return result;
  }

  const Done done_;
  absl::Mutex mutex_;
  std::map<std::string, std::unique_ptr<grpc::GenericStub>> stubs_ ABSL_GUARDED_BY(mutex_);
  std::map<uint64_t, std::shared_ptr<Running>> running_ ABSL_GUARDED_BY(mutex_);
};

ParameterTransport::ParameterTransport(Done done)
    : impl_(std::make_unique<Impl>(std::move(done))) {}
ParameterTransport::~ParameterTransport() = default;
void ParameterTransport::Start(ParameterCall call) { impl_->Start(std::move(call)); }
void ParameterTransport::Cancel(uint64_t id) { impl_->Cancel(id); }

}  // namespace paceline
