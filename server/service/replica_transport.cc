#include "server/service/replica_transport.h"

#include <grpcpp/channel.h>

#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/net/frame_parser.h"
#include "common/net/stream_calls.h"
#include "common/net/transport.h"

namespace paceline {
namespace {

const char* Path(const ReplicaCall& call) {
  return std::holds_alternative<v1::AppendHeader>(call.header)
             ? "/paceline.v1.ReplicaService/Append"
             : "/paceline.v1.ReplicaService/Install";
}

void SetRequest(ReplicaCall call, StreamCall* request) {
  auto owner = std::make_shared<std::vector<BlockSlice>>(std::move(call.payload));
  uint64_t elements = 0;
  for (const BlockSlice& slice : *owner) {
    request->payload.push_back(slice.block->floats().subspan(slice.begin, slice.elements));
    elements += slice.elements;
  }
  request->owner = std::move(owner);
  request->is_bulk = elements > kBulkElements;
  request->message =
      std::visit([](const auto& header) { return FrameHead(header, 0); }, call.header);
}

}  // namespace

class ReplicaTransport::Impl {
 public:
  explicit Impl(Done done)
      : done_(std::move(done)), calls_([](const std::string& address) {
          return MakeChannel(address, kServerReconnectMax);
        }) {}

  void Start(ReplicaCall call) {
    StreamCall request;
    request.id = call.id;
    request.address = call.address;
    request.method = Path(call);
    request.timeout = call.timeout;
    SetRequest(std::move(call), &request);
    const uint64_t id = request.id;
    calls_.Start(std::move(request),
                 [this, id](const absl::Status& status, const std::string& answer) {
                   v1::ReplicaReply reply;
                   if (!status.ok()) return done_(id, status, {});
                   if (reply.ParseFromString(answer)) return done_(id, status, reply);
                   done_(id,
                         absl::InternalError(absl::StrCat("the backup's answer of ", answer.size(),
                                                          " bytes is not a ReplicaReply")),
                         {});
                 });
  }

  void Stop() { calls_.Stop(); }

 private:
  const Done done_;
  StreamCalls calls_;  // Last: its destructor waits for calls that end in done_.
};

ReplicaTransport::ReplicaTransport(Done done) : impl_(std::make_unique<Impl>(std::move(done))) {}
ReplicaTransport::~ReplicaTransport() = default;
void ReplicaTransport::Start(ReplicaCall call) { impl_->Start(std::move(call)); }
void ReplicaTransport::Stop() { impl_->Stop(); }

}  // namespace paceline
