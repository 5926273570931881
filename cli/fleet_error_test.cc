#include "cli/fleet_error.h"

#include <catch2/catch.hpp>

namespace paceline::cli {
namespace {

TEST_CASE("silence is told with the address, the flag, the variable and doctor") {
  const std::string advice =
      "  to ask another one: --fleet host:port, or the environment's PACELINE_FLEET\n"
      "  to look closer: paceline doctor --fleet h:7";

  const absl::Status refused =
      WithAdvice(absl::UnavailableError("coordinator at h:7: Connection refused"), "h:7");
  CHECK(absl::IsUnavailable(refused));
  CHECK(refused.message() == "no coordinator answers at h:7 (Connection refused)\n" + advice);

  const absl::Status late = WithAdvice(absl::DeadlineExceededError("10 s are over"), "h:7");
  CHECK(absl::IsDeadlineExceeded(late));
  CHECK(late.message() == "no coordinator answers at h:7 (10 s are over)\n" + advice);
}

TEST_CASE("an answer is passed on as it is, whatever it says") {
  const absl::Status no_job = absl::NotFoundError("no job j-1");
  CHECK(WithAdvice(no_job, "h:7") == no_job);
  CHECK(WithAdvice(absl::OkStatus(), "h:7").ok());
}

}  // namespace
}  // namespace paceline::cli
