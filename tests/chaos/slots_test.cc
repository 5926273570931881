#include "tests/chaos/slots.h"

#include <catch2/catch.hpp>

#include "common/job/partitioning.h"

namespace paceline::chaos {
namespace {

constexpr uint64_t kElements = 3 * kBlockElements;

// As a server does with a learning rate of 1.
void Apply(uint32_t client, uint64_t push, std::vector<float>* parameters) {
  const std::vector<float> gradient = PushGradient(parameters->size(), client, push);
  for (size_t i = 0; i < gradient.size(); ++i) (*parameters)[i] -= gradient[i];
}

TEST_CASE("the pushes that were applied are read off the parameters") {
  std::vector<float> parameters(kElements);
  CHECK(PushesIn(parameters) == history::Pushes());
  for (uint64_t push = 0; push < 37; ++push) Apply(3, push, &parameters);
  for (uint64_t push = 0; push < 16; ++push) Apply(255, push, &parameters);
  CHECK(PushesIn(parameters) == history::Pushes({{3, 37}, {255, 16}}));
}

TEST_CASE("one that is missing, or there twice, or only in a part, is no set of first pushes") {
  std::vector<float> missing(kElements);
  for (const uint64_t push : {0, 1, 3}) Apply(3, push, &missing);
  CHECK_FALSE(PushesIn(missing).has_value());

  std::vector<float> twice(kElements);
  for (const uint64_t push : {0, 1, 1, 2}) Apply(3, push, &twice);
  CHECK_FALSE(PushesIn(twice).has_value());

  std::vector<float> torn(kElements);
  Apply(3, 0, &torn);
  torn[kBlockElements + 3 * kSlots] = 0;
  CHECK_FALSE(PushesIn(torn).has_value());
}

}  // namespace
}  // namespace paceline::chaos
