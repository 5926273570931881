#include "server/optimizer/optimizer.h"

#include <array>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "google/protobuf/text_format.h"
#include "proto/job.pb.h"

namespace paceline {
namespace {

v1::OptimizerSpec Parse(const std::string& text) {
  v1::OptimizerSpec spec;
  REQUIRE(google::protobuf::TextFormat::ParseFromString(text, &spec));
  return spec;
}

std::unique_ptr<Optimizer> Make(const std::string& text, std::vector<uint64_t> segments) {
  auto optimizer = Optimizer::Create(Parse(text), std::move(segments));
  REQUIRE(optimizer.ok());
  return *std::move(optimizer);
}

void CheckRefused(const std::string& text, const std::string& wanted) {
  INFO(text);
  const absl::Status status = Optimizer::Create(Parse(text), {3}).status();
  CHECK(absl::IsInvalidArgument(status));
  CHECK_THAT(std::string(status.message()), Catch::Contains(wanted));
}

// One step of an optimizer without slots.
std::vector<float> Step(const Optimizer& optimizer, const OptimizerStep& step,
                        const std::vector<float>& gradient, const std::vector<float>& before) {
  std::vector<float> after(before.size());
  optimizer.Apply(step, gradient, before, absl::MakeSpan(after), {});
  return after;
}

// A number field of one rule, and values outside of its range. The text holds every other field.
struct FieldCase {
  const char* rule;
  const char* others;
  const char* field;
  std::vector<const char*> bad;
};

const std::vector<const char*> kNotPositive = {"0", "-1", "nan", "inf"};
const std::vector<const char*> kNegative = {"-1", "nan", "inf"};
const std::vector<const char*> kNotBelowOne = {"1", "-0.1", "nan"};

TEST_CASE("sgd takes dyadic gradients off exactly, after scaling") {
  const auto sgd = Make("sgd { learning_rate: 0.5 } weight_decay: 0", {3});
  CHECK(sgd->slot_count() == 0);
  // 1 - 0.5 * 0.25 * {1, -2, 8} = {0.875, 1.25, 0}.
  CHECK(Step(*sgd, {1, 0.25}, {1, -2, 8}, {1, 1, 1}) == std::vector<float>{0.875f, 1.25f, 0});
}

TEST_CASE("the order inside a step is scale, clamp, decay, rule") {
  const auto sgd = Make("sgd { learning_rate: 0.5 } weight_decay: 0.25 clip_value: 1", {4});
  // 0.5 g = {4, -4, 0.5, -0.5}, clamped {1, -1, 0.5, -0.5}, plus 0.25 * 8 = {3, 1, 2.5, 1.5}.
  CHECK(Step(*sgd, {1, 0.5}, {8, -8, 1, -1}, {8, 8, 8, 8}) ==
        std::vector<float>{6.5f, 7.5f, 6.75f, 7.25f});
}

TEST_CASE("a clamp bounds infinities and lets NaN through to be seen") {
  const auto sgd = Make("sgd { learning_rate: 1 } weight_decay: 0 clip_value: 2", {3});
  const float inf = std::numeric_limits<float>::infinity();
  const std::vector<float> after = Step(*sgd, {1, 1}, {inf, -inf, std::nanf("")}, {0, 0, 0});
  CHECK(after[0] == -2);
  CHECK(after[1] == 2);
  CHECK(std::isnan(after[2]));
}

TEST_CASE("the schedule scales the learning rate of each step") {
  const auto sgd = Make(
      "sgd { learning_rate: 1 } weight_decay: 0 schedule { warmup_steps: 4 constant {} }", {1});
  CHECK(Step(*sgd, {1, 1}, {1}, {0}) == std::vector<float>{-0.25f});
  CHECK(Step(*sgd, {3, 1}, {1}, {0}) == std::vector<float>{-0.75f});
  CHECK(Step(*sgd, {9, 1}, {1}, {0}) == std::vector<float>{-1});
}

TEST_CASE("a partition without elements is stepped without harm") {
  CHECK(Step(*Make("sgd { learning_rate: 1 } weight_decay: 0", {}), {1, 1}, {}, {}).empty());
}

TEST_CASE("a lars parameter at zero takes an unscaled step, another one its trust") {
  const auto lars = Make(
      "lars { learning_rate: 0.5 momentum: 0 trust_coefficient: 0.25 epsilon: 1e-8 } "
      "weight_decay: 0",
      {1, 2});
  std::vector<float> velocity(3);
  const std::vector<float> before = {0, 3, 4};
  std::vector<float> after(3);

  lars->Apply({1, 1}, {1.0f, 0.0f, 2.0f}, before, absl::MakeSpan(after),
              {absl::MakeSpan(velocity)});

  // |p| = 5 and |g| = 2: the trust is 0.25 * 5 / 2 = 0.625, the move 0.5 * 0.625 * 2.
  CHECK(after[0] == -0.5f);
  CHECK(after[1] == 3);
  CHECK(after[2] == Approx(3.375f));
}

// ftrl on one element.
class FtrlRun {
 public:
  FtrlRun(const std::string& text, float initial) : ftrl_(Make(text, {1})), p_{initial} {
    ftrl_->InitializeSlots(p_, Slots());
  }

  float Apply(int64_t t, float gradient) {
    std::array<float, 1> after;
    const std::array<float, 1> g = {gradient};
    ftrl_->Apply({t, 1}, g, p_, absl::MakeSpan(after), Slots());
    p_ = after;
    return p_[0];
  }

 private:
  std::vector<absl::Span<float>> Slots() { return {absl::MakeSpan(z_), absl::MakeSpan(n_)}; }

  std::unique_ptr<Optimizer> ftrl_;
  std::array<float, 1> p_;
  std::array<float, 1> z_ = {99};
  std::array<float, 1> n_ = {99};
};

TEST_CASE("ftrl starts from any initial parameters and holds them while no gradient comes") {
  for (const char* schedule : {"",
                               "schedule { warmup_steps: 3 cosine { total_steps: 4 "
                               "final_factor: 0 } }"}) {
    for (const float initial : {0.7f, -0.3f, 0.0f, 1e-3f}) {
      INFO(schedule << " " << initial);
      FtrlRun run(std::string("ftrl { learning_rate: 0.05 beta: 1 l1: 0.5 l2: 0.25 } "
                              "weight_decay: 0 ") +
                      schedule,
                  initial);
      for (int t = 1; t <= 10; ++t) {
        // z is near 0.5 + 20 p or more: its rounding is some 2^-24 of p and 2^-24 / 40.
        CHECK(run.Apply(t, 0) == Approx(initial).margin(1e-6));
      }
    }
  }
}

TEST_CASE("ftrl without beta and l2 keeps a parameter until its first gradient") {
  FtrlRun run("ftrl { learning_rate: 0.25 beta: 0 l1: 0 l2: 0 } weight_decay: 0", 0.5f);
  CHECK(run.Apply(1, 0) == 0.5f);
  // n = 4, sigma = 2 / 0.25 = 8, z = 2 - 8 * 0.5 = -2, p = 2 / 8.
  CHECK(run.Apply(2, 2) == 0.25f);
}

TEST_CASE("ftrl sets a parameter whose evidence is below l1 to zero exactly") {
  FtrlRun run("ftrl { learning_rate: 1 beta: 1 l1: 3 l2: 0 } weight_decay: 0", 0.0f);
  // z = 2 is within 3. Then n = 8, sigma p = 0, z = 4 beyond it: p = -(4 - 3) / (1 + sqrt(8)).
  CHECK(run.Apply(1, 2) == 0);
  CHECK(run.Apply(2, 2) == Approx(-1 / (1 + std::sqrt(8.0))));
}

TEST_CASE("ftrl stays where it is when its schedule has ended at zero") {
  FtrlRun run(
      "ftrl { learning_rate: 0.5 beta: 1 l1: 0 l2: 0 } weight_decay: 0 "
      "schedule { cosine { total_steps: 2 final_factor: 0 } }",
      1.0f);
  run.Apply(1, 1);
  const float last = run.Apply(2, 1);
  for (int t = 3; t <= 6; ++t) CHECK(run.Apply(t, 5) == Approx(last).epsilon(1e-6));
}

TEST_CASE("a spec without a rule is refused") { CheckRefused("weight_decay: 0", "no rule is set"); }

TEST_CASE("a shared field out of range is refused by name") {
  const std::string sgd = "sgd { learning_rate: 1 } ";
  CheckRefused(sgd, "optimizer.weight_decay is not set");
  for (const std::string bad : kNegative) {
    CheckRefused(sgd + "weight_decay: " + bad, "optimizer.weight_decay is");
  }
  for (const std::string bad : kNotPositive) {
    CheckRefused(sgd + "weight_decay: 0 clip_value: " + bad, "optimizer.clip_value is");
    CheckRefused(sgd + "weight_decay: 0 clip_global_norm: " + bad, "optimizer.clip_global_norm is");
  }
  CheckRefused(sgd + "weight_decay: 0 schedule { step { gamma: 0.5 } }",
               "optimizer.schedule.step.every_steps");
}

TEST_CASE("a rule's field that is missing or out of range is refused by name") {
  std::vector<FieldCase> cases = {
      {"sgd", "", "learning_rate", kNotPositive},
      {"momentum", "momentum: 0.9", "learning_rate", kNotPositive},
      {"momentum", "learning_rate: 1", "momentum", kNotBelowOne},
      {"nesterov", "momentum: 0.9", "learning_rate", kNotPositive},
      {"nesterov", "learning_rate: 1", "momentum", {"0", "1", "-1", "nan"}},
      {"adagrad", "initial_accumulator: 0 epsilon: 1", "learning_rate", kNotPositive},
      {"adagrad", "learning_rate: 1 epsilon: 1", "initial_accumulator", kNegative},
      {"adagrad", "learning_rate: 1 initial_accumulator: 0", "epsilon", kNotPositive},
      {"adadelta", "rho: 0.9 epsilon: 1", "learning_rate", kNotPositive},
      {"adadelta", "learning_rate: 1 epsilon: 1", "rho", kNotBelowOne},
      {"adadelta", "learning_rate: 1 rho: 0.9", "epsilon", kNotPositive},
      {"rmsprop", "alpha: 0.9 epsilon: 1", "learning_rate", kNotPositive},
      {"rmsprop", "learning_rate: 1 epsilon: 1", "alpha", kNotBelowOne},
      {"rmsprop", "learning_rate: 1 alpha: 0.9", "epsilon", kNotPositive},
      {"lars", "momentum: 0 trust_coefficient: 1 epsilon: 1", "learning_rate", kNotPositive},
      {"lars", "learning_rate: 1 trust_coefficient: 1 epsilon: 1", "momentum", kNotBelowOne},
      {"lars", "learning_rate: 1 momentum: 0 epsilon: 1", "trust_coefficient", kNotPositive},
      {"lars", "learning_rate: 1 momentum: 0 trust_coefficient: 1", "epsilon", kNotPositive},
      {"ftrl", "beta: 1 l1: 0 l2: 0", "learning_rate", kNotPositive},
      {"ftrl", "learning_rate: 1 l1: 0 l2: 0", "beta", kNegative},
      {"ftrl", "learning_rate: 1 beta: 1 l2: 0", "l1", kNegative},
      {"ftrl", "learning_rate: 1 beta: 1 l1: 0", "l2", kNegative},
  };
  for (const char* rule : {"adam", "adamw", "lamb"}) {
    cases.push_back({rule, "beta1: 0 beta2: 0 epsilon: 1", "learning_rate", kNotPositive});
    cases.push_back({rule, "learning_rate: 1 beta2: 0 epsilon: 1", "beta1", kNotBelowOne});
    cases.push_back({rule, "learning_rate: 1 beta1: 0 epsilon: 1", "beta2", kNotBelowOne});
    cases.push_back({rule, "learning_rate: 1 beta1: 0 beta2: 0", "epsilon", kNotPositive});
  }
  for (const FieldCase& c : cases) {
    const std::string name = std::string("optimizer.") + c.rule + "." + c.field;
    const std::string open = std::string(c.rule) + " { " + c.others;
    CheckRefused(open + " } weight_decay: 0", name + " is not set");
    for (const std::string bad : c.bad) {
      CheckRefused(open + " " + c.field + ": " + bad + " } weight_decay: 0", name + " is " + bad);
    }
  }
}

TEST_CASE("segments that overflow and a width this machine lacks are refused") {
  const v1::OptimizerSpec spec = Parse("sgd { learning_rate: 1 } weight_decay: 0");
  const uint64_t most = std::numeric_limits<uint64_t>::max();
  CHECK(absl::IsInvalidArgument(Optimizer::Create(spec, {1, most}).status()));
  for (const SimdWidth width : {SimdWidth::kAvx2, SimdWidth::kAvx512}) {
    const absl::Status status = Optimizer::Create(spec, {1}, width).status();
    CHECK(status.ok() == IsSupported(width));
  }
}

}  // namespace
}  // namespace paceline
