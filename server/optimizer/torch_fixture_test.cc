#include <catch2/catch.hpp>
#include <cmath>
#include <string>
#include <vector>

#include "google/protobuf/text_format.h"
#include "proto/job.pb.h"
#include "server/optimizer/optimizer.h"

namespace paceline {
namespace {

constexpr int kSteps = 20;
constexpr int kElements = 3;

struct Fixture {
  const char* name;
  const char* spec;
  double parameters[kSteps][kElements];
};

const Fixture kFixtures[] = {
#include "server/optimizer/torch_fixture.inc"
};

TEST_CASE("every rule that PyTorch has gives PyTorch's parameters for 20 steps") {
  for (const Fixture& fixture : kFixtures) {
    INFO(fixture.name);
    v1::OptimizerSpec spec;
    REQUIRE(google::protobuf::TextFormat::ParseFromString(fixture.spec, &spec));
    const auto optimizer = Optimizer::Create(spec, {kElements});
    REQUIRE(optimizer.ok());
    std::vector<float> before = {-0.75f, 0.5f, 1.25f};
    std::vector<std::vector<float>> slots((*optimizer)->slot_count(),
                                          std::vector<float>(kElements, 99.0f));
    std::vector<absl::Span<float>> slot_spans;
    for (std::vector<float>& slot : slots) slot_spans.push_back(absl::MakeSpan(slot));
    (*optimizer)->InitializeSlots(before, slot_spans);

    for (int t = 1; t <= kSteps; ++t) {
      std::vector<float> gradient;
      for (int i = 0; i < kElements; ++i) {
        gradient.push_back(static_cast<float>((7 * i + 5 * t) % 11 - 4) / 8);
      }
      std::vector<float> after(kElements);
      (*optimizer)->Apply({t, 1}, gradient, before, absl::MakeSpan(after), slot_spans);

      for (int i = 0; i < kElements; ++i) {
        INFO("step " << t << ", element " << i);
        // Twenty float32 roundings of numbers near 1 are 20 * 2^-24 = 1.2e-6.
        CHECK(after[i] == Approx(fixture.parameters[t - 1][i]).margin(1.2e-6).epsilon(0));
      }
      before = after;
    }
  }
}

}  // namespace
}  // namespace paceline
