#include "server/listen_address.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cctype>
#include <string>

namespace paceline {
namespace {

TEST_CASE("loopback needs no leave; anything wider needs --insecure, and the refusal says so") {
  CHECK(CheckExposure({"127.0.0.1", 1}, false).ok());
  CHECK(CheckExposure({"0.0.0.0", 1}, true).ok());

  const absl::Status status = CheckExposure({"0.0.0.0", 1}, false);

  CHECK(absl::IsFailedPrecondition(status));
  CHECK(std::string(status.message()).find("--insecure") != std::string::npos);
  CHECK(std::string(status.message()).find("TLS") != std::string::npos);
}

TEST_CASE("a port somebody listens at is in use, and free again when they have gone") {
  const int other = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  REQUIRE(::bind(other, reinterpret_cast<sockaddr*>(&address), size) == 0);
  REQUIRE(::listen(other, 1) == 0);
  REQUIRE(::getsockname(other, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  const Endpoint endpoint{"127.0.0.1", ntohs(address.sin_port)};

  const absl::Status taken = CheckFree(endpoint);
  ::close(other);

  CHECK(absl::IsAlreadyExists(taken));
  CHECK(std::string(taken.message()).find(std::to_string(endpoint.port)) != std::string::npos);
  CHECK(CheckFree(endpoint).ok());
}

TEST_CASE("an address of another machine cannot be listened at") {
  // 192.0.2.0/24 is nobody's (RFC 5737).
  CHECK(absl::IsUnavailable(CheckFree({"192.0.2.1", 0})));
}

TEST_CASE("what is advertised is reachable by name and has a port") {
  CHECK(*AdvertisedAddress({"127.0.0.1", 50051}, "") == "127.0.0.1:50051");
  CHECK(*AdvertisedAddress({"0.0.0.0", 50051}, "node7:0") == "node7:50051");
  CHECK(*AdvertisedAddress({"0.0.0.0", 50051}, "node7:80") == "node7:80");
  const std::string host = *AdvertisedAddress({"0.0.0.0", 50051}, "");
  CHECK(host.find("0.0.0.0") == std::string::npos);
  CHECK(absl::IsInvalidArgument(AdvertisedAddress({"127.0.0.1", 1}, "node7").status()));
  CHECK(absl::IsInvalidArgument(AdvertisedAddress({"127.0.0.1", 1}, "0.0.0.0:0").status()));
}

TEST_CASE("servers of one machine get different names, and every character is allowed in an id") {
  const std::string id = DefaultServerId({"127.0.0.1", 50051});
  CHECK(id != DefaultServerId({"127.0.0.1", 50052}));
  for (char c : id) CHECK((std::isalnum(c) || c == '.' || c == '_' || c == '-'));
  CHECK(id.size() <= 64);
}

}  // namespace
}  // namespace paceline
