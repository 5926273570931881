#include "client/parameter_transport.h"

#include <grpcpp/channel.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/net/frame.h"
#include "common/net/raw_calls.h"
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
  explicit Impl(Done done)
      : done_(std::move(done)),
        calls_([](const std::string& address) { return MakeChannel(address); }) {}

  void Start(ParameterCall call) {
    RawCall raw;
    raw.id = call.id;
    raw.address = call.address;
    raw.method = Path(call.method);
    raw.timeout = call.timeout;
    raw.request = EncodeRequest(call);
    calls_.Start(std::move(raw), [this, id = call.id, elements = call.elements](
                                     const absl::Status& status, const grpc::ByteBuffer& reply) {
      done_(id, Result(status, reply, elements));
    });
  }

  void Cancel(uint64_t id) { calls_.Cancel(id); }

 private:
  static CallResult Result(const absl::Status& status, const grpc::ByteBuffer& reply,
                           uint64_t elements) {
    CallResult result;
    result.status = status;
    if (!result.status.ok()) return result;
    const auto frame = DecodedFrame::Decode(reply, &result.header);
    if (!frame.ok()) {
      result.status = absl::InternalError(absl::StrCat("the server's answer is not a frame: ",
                                                       std::string(frame.status().message())));
      return result;
    }
    if (frame->payload_bytes() == 0) return result;
    auto block = std::make_shared<Block>(elements);
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
  RawCalls calls_;  // Last: its destructor waits for calls that end in done_.
};

ParameterTransport::ParameterTransport(Done done)
    : impl_(std::make_unique<Impl>(std::move(done))) {}
ParameterTransport::~ParameterTransport() = default;
void ParameterTransport::Start(ParameterCall call) { impl_->Start(std::move(call)); }
void ParameterTransport::Cancel(uint64_t id) { impl_->Cancel(id); }

}  // namespace paceline
