// Chaos by hand, for as long as one likes:
//
//   bazel run //tests/chaos -- --seconds=600 --seed=7 --consistency=sync --replicas=3
//
// Prints its seed and all that it does. The schedule of harms follows from the seed; when they
// strike depends on the machine.
#define CATCH_CONFIG_RUNNER
#include <algorithm>
#include <catch2/catch.hpp>
#include <string>

#include "tests/chaos/chaos.h"

namespace paceline::chaos {
namespace {

int seconds = 60;
RunOptions options;

TEST_CASE("training in trouble") {
  // With its workers slowed down eight times an epoch takes about ten seconds.
  options.epochs = std::max(1, seconds / 10);
  const bool is_sync = options.consistency == "sync";
  TrainInTrouble(options, is_sync ? UndisturbedBits(options.epochs) : "");
}

}  // namespace
}  // namespace paceline::chaos

int main(int argc, char** argv) {
  using Catch::clara::Opt;
  namespace chaos = paceline::chaos;
  Catch::Session session;
  session.cli(session.cli() |
              Opt(chaos::seconds, "n")["--seconds"]("how long it takes, about") |
              Opt(chaos::options.seed, "n")["--seed"]("of the schedule of harms") |
              Opt(chaos::options.consistency, "mode")["--consistency"]("as in a spec") |
              Opt(chaos::options.replicas, "n")["--replicas"]("copies, at least 2"));
  const int error = session.applyCommandLine(argc, argv);
  return error != 0 ? error : session.run();
}
