#include "cli/exit_code.h"

#include <catch2/catch.hpp>

namespace paceline::cli {
namespace {

TEST_CASE("an error's exit code says whose it is: the user's, the fleet's or ours") {
  CHECK(ExitCodeOf(absl::OkStatus()) == 0);
  CHECK(ExitCodeOf(absl::InvalidArgumentError("spec")) == 2);
  CHECK(ExitCodeOf(absl::NotFoundError("no such job")) == 2);
  CHECK(ExitCodeOf(absl::AlreadyExistsError("submission id")) == 2);
  CHECK(ExitCodeOf(absl::FailedPreconditionError("the job has ended")) == 2);
  CHECK(ExitCodeOf(absl::PermissionDeniedError("unreadable spec")) == 2);
  CHECK(ExitCodeOf(absl::UnavailableError("connection refused")) == 3);
  CHECK(ExitCodeOf(absl::DeadlineExceededError("10 s")) == 3);
  CHECK(ExitCodeOf(absl::InternalError("?")) == 70);
  CHECK(ExitCodeOf(absl::DataLossError("chunk is damaged")) == 6);
}

}  // namespace
}  // namespace paceline::cli
