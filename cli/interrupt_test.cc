#include "cli/interrupt.h"

#include <signal.h>

#include <catch2/catch.hpp>

namespace paceline::cli {
namespace {

TEST_CASE("a signal is remembered and ends nothing") {
  CatchInterrupts();
  CHECK_FALSE(Interrupted());

  ::raise(SIGTERM);

  CHECK(Interrupted());
}

}  // namespace
}  // namespace paceline::cli
