#include "client/parameter_transport.h"

#include <grpcpp/channel.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/net/frame_parser.h"
#include "common/net/stream_calls.h"
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

// `request` but for what is alike in all methods.
void SetRequest(ParameterCall call, StreamCall* request) {
  request->is_bulk = call.elements > kBulkElements;
  if (call.method == Method::kPull) {
    request->message = call.pull.SerializeAsString();
    return;
  }
  if (call.method == Method::kSettle) {
    request->message = call.settle.SerializeAsString();
    return;
  }
  request->message = FrameHead(call.push, 0);
  auto owner = std::make_shared<std::vector<BlockRef>>(std::move(call.piece_gradients));
  for (const BlockRef& gradient : *owner) {
    request->payload.push_back(gradient->floats().subspan(call.offset, call.elements));
  }
  request->owner = std::move(owner);
}

}  // namespace

class ParameterTransport::Impl {
 public:
  explicit Impl(Done done)
      : done_(std::move(done)),
        calls_([](const std::string& address) { return MakeChannel(address); }) {}

  void Start(ParameterCall call) {
    const uint64_t id = call.id;
    const uint64_t elements = call.elements;
    StreamCall request;
    request.id = id;
    request.address = call.address;
    request.method = Path(call.method);
    request.timeout = call.timeout;
    SetRequest(std::move(call), &request);
    auto parameters = std::make_shared<std::shared_ptr<Block>>();
    request.room = [parameters, elements](uint64_t bytes) {
      return Room(bytes, elements, parameters.get());
    };
    calls_.Start(std::move(request),
                 [this, id, parameters](const absl::Status& status, const std::string& message) {
                   done_(id, Result(status, message, *parameters));
                 });
  }

  void Cancel(uint64_t id) { calls_.Cancel(id); }

 private:
  static absl::StatusOr<absl::Span<char>> Room(uint64_t bytes, uint64_t elements,
                                               std::shared_ptr<Block>* parameters) {
    if (bytes != elements * sizeof(float)) {
      return absl::InternalError(absl::StrCat("the server's parameters: ", bytes, " bytes; wanted ",
                                              elements * sizeof(float), " (", elements,
                                              " float32)"));
    }
    *parameters = std::make_shared<Block>(elements);
    return absl::Span<char>(reinterpret_cast<char*>((*parameters)->floats().data()), bytes);
  }

  static CallResult Result(const absl::Status& status, const std::string& message,
                           BlockRef parameters) {
    CallResult result;
    result.status = status;
    if (!status.ok()) return result;
    const auto rest = ParseFrame({message}, &result.header);
    if (rest.ok()) {
      result.parameters = std::move(parameters);
    } else {
      result.status = absl::InternalError(absl::StrCat("the server's answer is not a frame: ",
                                                       std::string(rest.status().message())));
    }
    return result;
  }

  const Done done_;
  StreamCalls calls_;  // Last: its destructor waits for calls that end in done_.
};

ParameterTransport::ParameterTransport(Done done)
    : impl_(std::make_unique<Impl>(std::move(done))) {}
ParameterTransport::~ParameterTransport() = default;
void ParameterTransport::Start(ParameterCall call) { impl_->Start(std::move(call)); }
void ParameterTransport::Cancel(uint64_t id) { impl_->Cancel(id); }

}  // namespace paceline
