#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "common/base/random.h"
#include "google/protobuf/text_format.h"
#include "proto/job.pb.h"
#include "server/optimizer/optimizer.h"
#include "server/optimizer/reference_rules.h"

namespace paceline {
namespace {

constexpr int kSteps = 20;

const char* const kElementwiseRules[] = {
    "sgd { learning_rate: 0.1 }",
    "momentum { learning_rate: 0.01 momentum: 0.9 }",
    "nesterov { learning_rate: 0.01 momentum: 0.9 }",
    "adagrad { learning_rate: 0.01 initial_accumulator: 0.1 epsilon: 1e-10 }",
    "adadelta { learning_rate: 1 rho: 0.9 epsilon: 1e-6 }",
    "rmsprop { learning_rate: 0.01 alpha: 0.99 epsilon: 1e-8 }",
    "adam { learning_rate: 0.001 beta1: 0.9 beta2: 0.999 epsilon: 1e-8 }",
    "adamw { learning_rate: 0.001 beta1: 0.9 beta2: 0.999 epsilon: 1e-8 }",
    "ftrl { learning_rate: 0.05 beta: 1 l1: 0 l2: 0 }",
    "ftrl { learning_rate: 0.05 beta: 1 l1: 1.5 l2: 0.25 }",
    "ftrl { learning_rate: 0.05 beta: 0 l1: 0 l2: 0 }",
};

const char* const kSegmentRules[] = {
    "lamb { learning_rate: 0.01 beta1: 0.9 beta2: 0.999 epsilon: 1e-6 }",
    "lars { learning_rate: 0.5 momentum: 0.9 trust_coefficient: 0.01 epsilon: 1e-8 }",
};

const char* const kVariants[] = {
    "weight_decay: 0",
    "weight_decay: 0.05",
    "weight_decay: 0 clip_value: 0.3",
    "weight_decay: 0.05 clip_value: 0.3 schedule { warmup_steps: 4 inverse_sqrt {} }",
};

v1::OptimizerSpec Parse(const std::string& text) {
  v1::OptimizerSpec spec;
  REQUIRE(google::protobuf::TextFormat::ParseFromString(text, &spec));
  return spec;
}

// The schedule of kVariants: t / 4 up to step 4, then sqrt(4 / (4 + (t - 4))).
double FactorOf(const v1::OptimizerSpec& spec, int t) {
  if (!spec.has_schedule()) return 1;
  return t <= 4 ? t / 4.0 : std::sqrt(4.0 / t);
}

ReferenceStep StepOf(const v1::OptimizerSpec& spec, int t, double scale) {
  return {t, FactorOf(spec, t), FactorOf(spec, std::max(t - 1, 1)), scale};
}

std::vector<float> RandomParameters(size_t n) {
  const RandomStream stream(5, "parameters");
  std::vector<float> p;
  for (size_t i = 0; i < n; ++i) p.push_back(i % 13 == 5 ? 0.0f : 2 * stream.Uniform(i) - 1);
  return p;
}

// Now and then a zero; with `is_wild`, a number near either end of float32 too.
std::vector<float> RandomGradient(size_t n, int t, bool is_wild) {
  const RandomStream stream(7, "gradient");
  std::vector<float> g;
  for (size_t i = 0; i < n; ++i) {
    const uint64_t counter = static_cast<uint64_t>(t) * 100000 + i;
    float x = 4 * stream.Uniform(counter) - 2;
    const uint64_t kind = stream.Bits(counter) % 101;
    if (kind == 0) x = 0;
    if (is_wild && kind == 1) x *= 1e-40f;
    if (is_wild && kind == 2) x *= 1e15f;
    g.push_back(x);
  }
  return g;
}

bool SameBits(absl::Span<const float> a, absl::Span<const float> b) {
  return a.size() == b.size() &&
         (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0);
}

// Parameters and slots under an optimizer, each array `misalignment` elements past its allocation.
class Trained {
 public:
  Trained(const v1::OptimizerSpec& spec, std::vector<uint64_t> segments,
          const std::vector<float>& initial, SimdWidth width = WidestSimdWidth(),
          size_t misalignment = 0)
      : n_(initial.size()), misalignment_(misalignment) {
    auto optimizer = Optimizer::Create(spec, std::move(segments), width);
    REQUIRE(optimizer.ok());
    optimizer_ = *std::move(optimizer);
    p_ = Misaligned(initial);
    slots_.assign(optimizer_->slot_count(), Misaligned(std::vector<float>(n_, 99)));
    optimizer_->InitializeSlots(View(p_), Slots());
  }

  void Apply(int t, double scale, const std::vector<float>& gradient) {
    const std::vector<float> g = Misaligned(gradient);
    std::vector<float> after = Misaligned(std::vector<float>(n_, 99));
    const std::vector<float> before = p_;
    optimizer_->Apply({t, scale}, absl::MakeConstSpan(g).subspan(misalignment_), View(p_),
                      View(after), Slots());
    REQUIRE(SameBits(p_, before));
    p_ = std::move(after);
  }

  absl::Span<float> p() { return View(p_); }
  absl::Span<float> slot(int k) { return View(slots_[k]); }
  int slot_count() const { return static_cast<int>(slots_.size()); }

 private:
  std::vector<float> Misaligned(const std::vector<float>& v) const {
    std::vector<float> moved(misalignment_, 0.0f);
    moved.insert(moved.end(), v.begin(), v.end());
    return moved;
  }

  absl::Span<float> View(std::vector<float>& v) const {
    return absl::MakeSpan(v).subspan(misalignment_);
  }

  std::vector<absl::Span<float>> Slots() {
    std::vector<absl::Span<float>> spans;
    for (std::vector<float>& slot : slots_) spans.push_back(View(slot));
    return spans;
  }

  size_t n_;
  size_t misalignment_;
  std::unique_ptr<Optimizer> optimizer_;
  std::vector<float> p_;
  std::vector<std::vector<float>> slots_;
};

std::vector<SimdWidth> SupportedWidths() {
  std::vector<SimdWidth> widths;
  for (const SimdWidth w : {SimdWidth::kBaseline, SimdWidth::kAvx2, SimdWidth::kAvx512}) {
    if (IsSupported(w)) widths.push_back(w);
  }
  return widths;
}

TEST_CASE("every elementwise rule follows its formula in float64 for 20 steps") {
  const size_t n = 50;
  for (const std::string rule : kElementwiseRules) {
    for (const std::string variant : kVariants) {
      INFO(rule << " " << variant);
      const v1::OptimizerSpec spec = Parse(rule + " " + variant);
      Trained trained(spec, {n}, RandomParameters(n));
      const ReferenceRules<double> rules(spec);
      ReferenceState<double> state = rules.Initial(RandomParameters(n));
      if (spec.has_ftrl()) state.a = rules.InitialZ(RandomParameters(n), FactorOf(spec, 1));
      for (int t = 1; t <= kSteps; ++t) {
        const std::vector<float> g = RandomGradient(n, t, false);
        trained.Apply(t, 0.3, g);
        rules.Apply(StepOf(spec, t, 0.3), g, &state);
        // ftrl rebuilds p from z, some 20..80 times p, at every step.
        const double margin = spec.has_ftrl() ? 1e-5 : 1.2e-6;
        for (size_t i = 0; i < n; ++i) {
          INFO("step " << t << ", element " << i);
          REQUIRE(trained.p()[i] == Approx(state.p[i]).margin(margin).epsilon(0));
        }
      }
    }
  }
}

TEST_CASE("lamb and lars follow their formulas in float64, one trust ratio a segment") {
  // The second segment starts at zero, where the ratio counts as 1.
  const std::vector<uint64_t> segments = {5000, 40, 7};
  std::vector<float> initial = RandomParameters(5047);
  std::fill(initial.begin() + 5000, initial.begin() + 5040, 0.0f);
  for (const std::string rule : kSegmentRules) {
    for (const std::string variant : kVariants) {
      INFO(rule << " " << variant);
      const v1::OptimizerSpec spec = Parse(rule + " " + variant);
      Trained trained(spec, segments, initial);
      const ReferenceRules<double> rules(spec);
      std::vector<ReferenceState<double>> states;
      size_t begin = 0;
      for (const uint64_t elements : segments) {
        states.push_back(
            rules.Initial({initial.begin() + begin, initial.begin() + begin + elements}));
        begin += elements;
      }
      for (int t = 1; t <= kSteps; ++t) {
        const std::vector<float> g = RandomGradient(initial.size(), t, false);
        trained.Apply(t, 0.3, g);
        begin = 0;
        for (size_t s = 0; s < segments.size(); ++s) {
          rules.Apply(StepOf(spec, t, 0.3), {g.begin() + begin, g.begin() + begin + segments[s]},
                      &states[s]);
          for (size_t i = 0; i < segments[s]; ++i) {
            INFO("step " << t << ", segment " << s << ", element " << i);
            REQUIRE(trained.p()[begin + i] == Approx(states[s].p[i]).margin(2e-6).epsilon(0));
          }
          begin += segments[s];
        }
      }
    }
  }
}

TEST_CASE("every width, length and alignment gives the bits of one element at a time") {
  for (const std::string rule : kElementwiseRules) {
    for (const std::string variant : kVariants) {
      const v1::OptimizerSpec spec = Parse(rule + " " + variant);
      const ReferenceRules<float> rules(spec);
      for (const size_t n : {0, 1, 7, 8, 9, 15, 16, 17, 31, 1000}) {
        ReferenceState<float> state = rules.Initial(RandomParameters(n));
        if (spec.has_ftrl()) state.a = rules.InitialZ(RandomParameters(n), FactorOf(spec, 1));
        std::vector<Trained> trained;
        for (const SimdWidth width : SupportedWidths()) {
          for (const size_t misalignment : {0, 1, 3}) {
            trained.emplace_back(spec, std::vector<uint64_t>{n}, RandomParameters(n), width,
                                 misalignment);
          }
        }
        for (int t = 1; t <= 5; ++t) {
          const std::vector<float> g = RandomGradient(n, t, true);
          rules.Apply(StepOf(spec, t, 0.3), g, &state);
          for (Trained& one : trained) {
            one.Apply(t, 0.3, g);
            INFO(rule << " " << variant << ", length " << n << ", step " << t);
            REQUIRE(SameBits(one.p(), state.p));
            if (one.slot_count() > 0) REQUIRE(SameBits(one.slot(0), state.a));
            if (one.slot_count() > 1) REQUIRE(SameBits(one.slot(1), state.b));
          }
        }
      }
    }
  }
}

TEST_CASE("lamb and lars give the same bits at every width and alignment") {
  const std::vector<uint64_t> segments = {5000, 1, 0, 31};
  for (const std::string rule : kSegmentRules) {
    for (const std::string variant : kVariants) {
      INFO(rule << " " << variant);
      const v1::OptimizerSpec spec = Parse(rule + " " + variant);
      std::vector<Trained> trained;
      for (const SimdWidth width : SupportedWidths()) {
        for (const size_t misalignment : {0, 1, 3}) {
          trained.emplace_back(spec, segments, RandomParameters(5032), width, misalignment);
        }
      }
      for (int t = 1; t <= 5; ++t) {
        for (Trained& one : trained) {
          one.Apply(t, 0.3, RandomGradient(5032, t, false));
          REQUIRE(SameBits(one.p(), trained[0].p()));
          REQUIRE(SameBits(one.slot(0), trained[0].slot(0)));
        }
      }
    }
  }
}

// Applies `spec` to `initial` whole and cut before element `cut`; the bits must agree.
void CheckCut(const v1::OptimizerSpec& spec, const std::vector<uint64_t>& whole_segments,
              const std::vector<uint64_t>& first_segments,
              const std::vector<uint64_t>& second_segments, size_t cut) {
  const std::vector<float> initial = RandomParameters(1000);
  Trained whole(spec, whole_segments, initial);
  Trained first(spec, first_segments, {initial.begin(), initial.begin() + cut});
  Trained second(spec, second_segments, {initial.begin() + cut, initial.end()});
  for (int t = 1; t <= kSteps; ++t) {
    const std::vector<float> g = RandomGradient(1000, t, false);
    whole.Apply(t, 0.3, g);
    first.Apply(t, 0.3, {g.begin(), g.begin() + cut});
    second.Apply(t, 0.3, {g.begin() + cut, g.end()});
  }
  CHECK(SameBits(whole.p().first(cut), first.p()));
  CHECK(SameBits(whole.p().subspan(cut), second.p()));
  for (int k = 0; k < whole.slot_count(); ++k) {
    CHECK(SameBits(whole.slot(k).first(cut), first.slot(k)));
    CHECK(SameBits(whole.slot(k).subspan(cut), second.slot(k)));
  }
}

TEST_CASE("a parameter cut in two partitions trains to the bits of the whole") {
  for (const std::string rule : kElementwiseRules) {
    for (const std::string variant : kVariants) {
      INFO(rule << " " << variant);
      CheckCut(Parse(rule + " " + variant), {1000}, {387}, {613}, 387);
    }
  }
}

TEST_CASE("lamb and lars do not see which other parameters share a partition") {
  for (const std::string rule : kSegmentRules) {
    for (const std::string variant : kVariants) {
      INFO(rule << " " << variant);
      CheckCut(Parse(rule + " " + variant), {387, 600, 13}, {387}, {600, 13}, 387);
    }
  }
}

}  // namespace
}  // namespace paceline
