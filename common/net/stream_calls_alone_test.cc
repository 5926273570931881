// A program of its own: nothing else in it may use gRPC.
#include <catch2/catch.hpp>
#include <string>

#include "common/net/listener.h"
#include "common/net/stream_calls.h"
#include "common/net/transport.h"

namespace paceline {
namespace {

TEST_CASE("a process's last connection may go with a stream that is still open") {
  // Takes connections and says nothing on them.
  const auto host = Listen({"127.0.0.1", 0}, "--listen");
  REQUIRE(host.ok());
  const std::string address = "127.0.0.1:" + std::to_string(PortOf(*host));

  for (int i = 0; i < 10; ++i) {
    absl::Status ended;
    StreamCalls calls([](const std::string& to) { return MakeChannel(to); });
    StreamCall call;
    call.id = 1;
    call.address = address;
    call.method = "/silence";
    call.timeout = absl::Seconds(30);
    calls.Start(std::move(call),
                [&](const absl::Status& status, const std::string&) { ended = status; });
    calls.Stop();
    CHECK(absl::IsCancelled(ended));
  }
}

}  // namespace
}  // namespace paceline
