// Promises 1, 2, 3 and 5 on real training with real processes, some of which are always dead or
// stopped.
#include <catch2/catch.hpp>

#include "tests/chaos/chaos.h"

namespace paceline::chaos {
namespace {

constexpr int kEpochs = 2;

const std::string& Bits() {
  static const std::string bits = UndisturbedBits(kEpochs);
  return bits;
}

RunOptions Options(const std::string& consistency, int replicas, uint64_t seed) {
  RunOptions options;
  options.consistency = consistency;
  options.replicas = replicas;
  options.epochs = kEpochs;
  options.seed = seed;
  return options;
}

TEST_CASE("sync with two copies: whoever is killed and stopped, the weights have the same bits") {
  TrainInTrouble(Options("sync", 2, 1), Bits());
}

TEST_CASE("sync with three copies: two servers at a time die, and the weights have the same bits") {
  TrainInTrouble(Options("sync", 3, 2), Bits());
}

TEST_CASE("ssp and async: whoever is killed and stopped, every sample counts once") {
  TrainInTrouble(Options("{ssp: 3}", 2, 3), "");
  TrainInTrouble(Options("async", 2, 4), "");
}

}  // namespace
}  // namespace paceline::chaos
