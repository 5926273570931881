#include "common/net/listener.h"

#include <catch2/catch.hpp>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/types/optional.h"

namespace paceline {
namespace {

TEST_CASE("a port somebody listens at is in use, and free again when they have gone") {
  auto first = Listen({"127.0.0.1", 0}, "--listen");
  REQUIRE(first.ok());
  absl::optional<Descriptor> held(*std::move(first));
  const Endpoint endpoint{"127.0.0.1", PortOf(*held)};
  CHECK(endpoint.port > 0);

  const absl::Status taken = Listen(endpoint, "--metrics").status();
  held.reset();

  CHECK(absl::IsAlreadyExists(taken));
  CHECK(absl::StrContains(taken.message(),
                          absl::StrCat("port ", endpoint.port, " of 127.0.0.1 is in use")));
  CHECK(absl::StrContains(taken.message(), "(--metrics 127.0.0.1:0 takes any free one)"));
  CHECK(Listen(endpoint, "--listen").ok());
}

TEST_CASE("an address of another machine, or a name that is none, cannot be listened at") {
  // 192.0.2.0/24 is nobody's (RFC 5737), .invalid no name's (RFC 2606).
  CHECK(absl::IsUnavailable(Listen({"192.0.2.1", 0}, "--listen").status()));
  CHECK(absl::IsUnavailable(Listen({"nobody.invalid", 0}, "--listen").status()));
}

}  // namespace
}  // namespace paceline
