#include "server/service/replica_transport.h"

#include <grpcpp/channel.h>

#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/net/frame.h"
#include "common/net/raw_calls.h"
#include "common/net/transport.h"

namespace paceline {
namespace {

const char* Path(const ReplicaCall& call) {
  return std::holds_alternative<v1::AppendHeader>(call.header)
             ? "/paceline.v1.ReplicaService/Append"
             : "/paceline.v1.ReplicaService/Install";
}

grpc::ByteBuffer EncodeRequest(ReplicaCall call) {
  auto owner = std::make_shared<std::vector<BlockSlice>>(std::move(call.payload));
  std::vector<absl::Span<const float>> payload;
  for (const BlockSlice& slice : *owner) {
    payload.push_back(slice.block->floats().subspan(slice.begin, slice.elements));
  }
  return std::visit([&](const auto& header) { return EncodeFrame(header, payload, owner); },
                    call.header);
}

}  // namespace

class ReplicaTransport::Impl {
 public:
  explicit Impl(Done done)
      : done_(std::move(done)), calls_([](const std::string& address) {
          return MakeChannel(address, kServerReconnectMax);
        }) {}

  void Start(ReplicaCall call) {
    RawCall raw;
    raw.id = call.id;
    raw.address = call.address;
    raw.method = Path(call);
    raw.timeout = call.timeout;
    raw.request = EncodeRequest(std::move(call));
    const uint64_t id = raw.id;
    calls_.Start(std::move(raw), [this, id](const absl::Status& status,
                                            const grpc::ByteBuffer& answer) {
      if (!status.ok()) return done_(id, status, {});
      v1::ReplicaReply reply;
      const absl::Status parsed = ParseMessage(answer, &reply);
      if (parsed.ok()) return done_(id, status, reply);
      done_(
          id,
          absl::InternalError(absl::StrCat("the backup's answer: ", std::string(parsed.message()))),
          {});
    });
  }

  void Stop() { calls_.Stop(); }

 private:
  const Done done_;
  RawCalls calls_;  // Last: its destructor waits for calls that end in done_.
};

ReplicaTransport::ReplicaTransport(Done done) : impl_(std::make_unique<Impl>(std::move(done))) {}
ReplicaTransport::~ReplicaTransport() = default;
void ReplicaTransport::Start(ReplicaCall call) { impl_->Start(std::move(call)); }
void ReplicaTransport::Stop() { impl_->Stop(); }

}  // namespace paceline
