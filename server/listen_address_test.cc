#include "server/listen_address.h"

#include <catch2/catch.hpp>
#include <cctype>
#include <string>

#include "common/net/listener.h"

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
  Endpoint endpoint{"127.0.0.1", 0};
  absl::Status taken;
  {
    const auto other = Listen(endpoint, "--other");
    REQUIRE(other.ok());
    endpoint.port = PortOf(*other);
    taken = CheckFree(endpoint);
  }

  CHECK(absl::IsAlreadyExists(taken));
  CHECK(std::string(taken.message()).find("--listen") != std::string::npos);
  CHECK(CheckFree(endpoint).ok());
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
