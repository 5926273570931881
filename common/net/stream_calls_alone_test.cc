// A program of its own: nothing else in it may use gRPC.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <string>

#include "common/net/stream_calls.h"
#include "common/net/transport.h"

namespace paceline {
namespace {

// Takes connections and says nothing on them.
class SilentHost {
 public:
  SilentHost() : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof(address);
    REQUIRE(::bind(socket_, reinterpret_cast<sockaddr*>(&address), length) == 0);
    REQUIRE(::listen(socket_, 64) == 0);
    REQUIRE(::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &length) == 0);
    address_ = "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  }
  ~SilentHost() { ::close(socket_); }

  const std::string& address() const { return address_; }

 private:
  const int socket_;
  std::string address_;
};

TEST_CASE("a process's last connection may go with a stream that is still open") {
  const SilentHost host;

  for (int i = 0; i < 10; ++i) {
    absl::Status ended;
    StreamCalls calls([](const std::string& address) { return MakeChannel(address); });
    StreamCall call;
    call.id = 1;
    call.address = host.address();
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
