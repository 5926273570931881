// What every backend promises, run on each backend that this build and machine have. Expected
// numbers are worked out here in double, by the shortest code that is plainly right.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <vector>

#include "kernels/contract_bench.h"

namespace paceline::kernels {
namespace {

double At(const Values& m, uint64_t columns, bool transposed, uint64_t i, uint64_t j) {
  return transposed ? m[j * columns + i] : m[i * columns + j];
}

struct Sizes {
  uint64_t m, n, k;
};

TEST_CASE("what was uploaded comes back, whole and in parts") {
  Bench bench(GENERATE(from_range(AvailableBackends())));
  const Values values = Random(1000, "upload");

  const Array array = bench.Put(values);

  CHECK(SameBits(bench.Get(array), values));
  CHECK(bench.Get(array.Slice(10, 3)) == Values(values.begin() + 10, values.begin() + 13));
}

TEST_CASE("a product is right for every pair of transpositions and any size") {
  Bench bench(GENERATE(from_range(AvailableBackends())));
  const Sizes sizes =
      GENERATE(Sizes{1, 1, 1}, Sizes{3, 5, 7}, Sizes{32, 10, 784}, Sizes{65, 130, 33});
  const auto [m, n, k] = sizes;
  const Values a = Random(m * k, "a");
  const Values b = Random(k * n, "b");
  const Values before = Random(m * n, "c");

  for (const bool ta : {false, true}) {
    for (const bool tb : {false, true}) {
      const ConstMatrix left = bench.Put(a, ta ? k : m, ta ? m : k);
      const ConstMatrix right = bench.Put(b, tb ? n : k, tb ? k : n);
      const Matrix c = bench.Put(before, m, n);
      REQUIRE(bench->Matmul({left, ta}, {right, tb}, c, {2.0f, 0.5f}).ok());

      std::vector<double> wanted;
      for (uint64_t i = 0; i < m; ++i) {
        for (uint64_t j = 0; j < n; ++j) {
          double sum = 0;
          for (uint64_t p = 0; p < k; ++p) {
            sum += At(a, left.columns, ta, i, p) * At(b, right.columns, tb, p, j);
          }
          wanted.push_back(2 * sum + 0.5 * before[i * n + j]);
        }
      }
      // Rounding of k additions of numbers below 1: about k * 2^-24, here below 1e-4.
      CheckClose(bench.Get(c), wanted, 1e-4);
    }
  }
}

TEST_CASE("a product with beta 0 does not read what the result held") {
  Bench bench(GENERATE(from_range(AvailableBackends())));
  const Matrix c = bench.Put(Values(4, kNan), 2, 2);

  REQUIRE(bench->Matmul({bench.Put({1, 2, 3, 4}, 2, 2)}, {bench.Put({1, 0, 0, 1}, 2, 2)}, c).ok());

  CHECK(bench.Get(c) == Values{1, 2, 3, 4});
}

TEST_CASE("products give the same bits on every call and at every place in memory") {
  Bench bench(GENERATE(from_range(AvailableBackends())));
  const Values a = Random(32 * 784, "a");
  const Values b = Random(784 * 128, "b");
  const Matrix first = bench.Put(Values(32 * 128), 32, 128);
  REQUIRE(bench->Matmul({bench.Put(a, 32, 784)}, {bench.Put(b, 784, 128)}, first).ok());
  const Values wanted = bench.Get(first);

  for (int repeat = 0; repeat < 5; ++repeat) {
    bench.Room(1000 * (repeat + 1));
    const Matrix c = bench.Put(Random(32 * 128, "other"), 32, 128);
    REQUIRE(bench->Matmul({bench.Put(a, 32, 784)}, {bench.Put(b, 784, 128)}, c).ok());
    CHECK(SameBits(bench.Get(c), wanted));
  }
}

TEST_CASE("a bias is added to every row") {
  Bench bench(GENERATE(from_range(AvailableBackends())));
  const Matrix rows = bench.Put({1, 2, 3, 4, 5, 6}, 2, 3);

  REQUIRE(bench->AddBiasRows(bench.Put({10, 20, 30}), rows).ok());

  CHECK(bench.Get(rows) == Values{11, 22, 33, 14, 25, 36});
}

TEST_CASE("column sums are right for tall, wide and odd shapes, with the same bits every time") {
  Bench bench(GENERATE(from_range(AvailableBackends())));
  const auto [rows, columns] = GENERATE(
      table<uint64_t, uint64_t>({{1, 1}, {1, 100}, {33, 31}, {32, 128}, {2000, 10}, {3, 4097}}));
  const Values values = Random(rows * columns, "rows");
  const ConstMatrix matrix = bench.Put(values, rows, columns);
  const Array sums = bench.Put(Values(columns, kNan));

  REQUIRE(bench->ColumnSums(matrix, sums).ok());
  const Values seen = bench.Get(sums);

  std::vector<double> wanted(columns);
  for (uint64_t i = 0; i < rows * columns; ++i) wanted[i % columns] += values[i];
  CheckClose(seen, wanted, 1e-4);
  REQUIRE(bench->ColumnSums(matrix, sums).ok());
  CHECK(SameBits(bench.Get(sums), seen));
}

double Activated(Activation activation, double x) {
  switch (activation) {
    case Activation::kRelu:
      return std::max(x, 0.0);
    case Activation::kTanh:
      return std::tanh(x);
    case Activation::kSigmoid:
      return 1 / (1 + std::exp(-x));
  }
  return 0;
}

double Slope(Activation activation, double x) {
  const double y = Activated(activation, x);
  switch (activation) {
    case Activation::kRelu:
      return x > 0 ? 1 : 0;
    case Activation::kTanh:
      return 1 - y * y;
    case Activation::kSigmoid:
      return y * (1 - y);
  }
  return 0;
}

TEST_CASE("activations and their slopes are right, from zero to overflow") {
  Bench bench(GENERATE(from_range(AvailableBackends())));
  const Activation activation =
      GENERATE(Activation::kRelu, Activation::kTanh, Activation::kSigmoid);
  Values x = Random(1000, "x");
  for (const float extreme : {0.0f, -0.0f, 1e-6f, -20.0f, 20.0f, 90.0f, -90.0f, 1e30f, -1e30f}) {
    x.push_back(extreme);
  }
  const Values gradient = Random(x.size(), "gradient");
  const Array input = bench.Put(x);
  const Array output = bench.Room(x.size());
  const Array back = bench.Room(x.size());

  REQUIRE(bench->Activate(activation, input, output).ok());
  REQUIRE(bench->ActivateBackward(activation, output, bench.Put(gradient), back).ok());

  std::vector<double> wanted_output, wanted_back;
  for (size_t i = 0; i < x.size(); ++i) {
    wanted_output.push_back(Activated(activation, x[i]));
    wanted_back.push_back(gradient[i] * Slope(activation, x[i]));
  }
  CheckClose(bench.Get(output), wanted_output, 1e-6);
  CheckClose(bench.Get(back), wanted_back, 1e-6);
}

TEST_CASE("activations may write over their input and let NaN through") {
  Bench bench(GENERATE(from_range(AvailableBackends())));
  const Activation activation =
      GENERATE(Activation::kRelu, Activation::kTanh, Activation::kSigmoid);
  const Values x = Random(300, "x");
  const Array apart = bench.Room(300);
  const Array over = bench.Put(x);
  const Array nan = bench.Put({kNan});

  REQUIRE(bench->Activate(activation, bench.Put(x), apart).ok());
  REQUIRE(bench->Activate(activation, over, over).ok());
  REQUIRE(bench->Activate(activation, nan, nan).ok());

  CHECK(SameBits(bench.Get(apart), bench.Get(over)));
  CHECK(std::isnan(bench.Get(nan)[0]));
}

// Where a loss writes.
struct LossRoom {
  LossRoom(Bench& bench, uint64_t samples, uint64_t width)
      : losses(bench.Room(samples)),
        correct(bench.Room(samples)),
        gradient{bench.Room(samples * width), samples, width} {}

  LossArguments Arguments(ConstMatrix outputs, ConstArray labels) const {
    return {outputs, labels, losses, correct, gradient};
  }

  Array losses;
  Array correct;
  Matrix gradient;
};

TEST_CASE("softmax cross-entropy gives loss, hit and gradient of every row") {
  Bench bench(GENERATE(from_range(AvailableBackends())));
  const uint64_t samples = 37;
  const uint64_t width = GENERATE(1, 2, 10, 31, 33, 1000);
  Values outputs = Random(samples * width, "outputs");
  Values labels;
  for (uint64_t i = 0; i < samples; ++i) {
    labels.push_back(static_cast<float>(i * 7 % width));
    for (uint64_t j = 0; j < width; ++j) outputs[i * width + j] *= 10;
  }
  const LossRoom room(bench, samples, width);

  REQUIRE(bench
              ->ComputeLoss(Loss::kSoftmaxCrossEntropy,
                            room.Arguments(bench.Put(outputs, samples, width), bench.Put(labels)))
              .ok());

  std::vector<double> losses, correct, gradient;
  for (uint64_t i = 0; i < samples; ++i) {
    const float* row = &outputs[i * width];
    const auto label = static_cast<uint64_t>(labels[i]);
    double sum = 0;
    for (uint64_t j = 0; j < width; ++j) sum += std::exp(double{row[j]});
    losses.push_back(std::log(sum) - row[label]);
    const auto predicted = static_cast<uint64_t>(std::max_element(row, row + width) - row);
    correct.push_back(predicted == label);
    for (uint64_t j = 0; j < width; ++j) {
      gradient.push_back(std::exp(double{row[j]}) / sum - (j == label));
    }
  }
  CheckClose(bench.Get(room.losses), losses, 1e-5);
  CheckClose(bench.Get(room.correct), correct, 0);
  CheckClose(bench.Get(room.gradient), gradient, 1e-6);
}

TEST_CASE(
    "softmax cross-entropy of equal outputs is log width, and the first counts as predicted") {
  Bench bench(GENERATE(from_range(AvailableBackends())));
  const LossRoom room(bench, 2, 4);
  const LossArguments arguments =
      room.Arguments(bench.Put(Values(8, 3e38f), 2, 4), bench.Put({0, 1}));

  REQUIRE(bench->ComputeLoss(Loss::kSoftmaxCrossEntropy, arguments).ok());

  CheckClose(bench.Get(room.losses), {std::log(4), std::log(4)}, 0);
  CHECK(bench.Get(room.correct) == Values{1, 0});
  CHECK(bench.Get(room.gradient) ==
        Values{-0.75f, 0.25f, 0.25f, 0.25f, 0.25f, -0.75f, 0.25f, 0.25f});
}

TEST_CASE("sigmoid cross-entropy is right where the exponential would overflow") {
  Bench bench(GENERATE(from_range(AvailableBackends())));
  const Values outputs = {0, 0, 1.5f, 1.5f, -2, -2, 100, 100, -100, -100, 1e30f};
  const Values labels = {0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 1};
  const uint64_t samples = outputs.size();
  const LossRoom room(bench, samples, 1);

  REQUIRE(bench
              ->ComputeLoss(Loss::kSigmoidCrossEntropy,
                            room.Arguments(bench.Put(outputs, samples, 1), bench.Put(labels)))
              .ok());

  std::vector<double> losses, correct, gradient;
  for (uint64_t i = 0; i < samples; ++i) {
    const double z = outputs[i];
    losses.push_back(std::max(z, 0.0) - z * labels[i] + std::log1p(std::exp(-std::abs(z))));
    correct.push_back((z > 0) == (labels[i] == 1));
    gradient.push_back(1 / (1 + std::exp(-z)) - labels[i]);
  }
  CheckClose(bench.Get(room.losses), losses, 1e-7);
  CheckClose(bench.Get(room.correct), correct, 0);
  CheckClose(bench.Get(room.gradient), gradient, 1e-7);
}

TEST_CASE("squared error gives the square, twice the difference, and no hits") {
  Bench bench(GENERATE(from_range(AvailableBackends())));
  const LossRoom room(bench, 3, 1);

  REQUIRE(bench
              ->ComputeLoss(Loss::kSquaredError,
                            room.Arguments(bench.Put({1, -2, 0.5f}, 3, 1), bench.Put({0, 1, 0.5f})))
              .ok());

  CHECK(bench.Get(room.losses) == Values{1, 9, 0});
  CHECK(bench.Get(room.gradient) == Values{2, -6, 0});
  CHECK(bench.Get(room.correct) == Values{0, 0, 0});
}

TEST_CASE("a label that a loss does not allow, or NaN, spoils its own row only") {
  Bench bench(GENERATE(from_range(AvailableBackends())));
  const LossRoom softmax(bench, 6, 2);
  const Values outputs = {0, 1, 0, 1, 0, 1, 0, 1, kNan, 1, 0, 1};
  const LossRoom sigmoid(bench, 4, 1);

  REQUIRE(bench
              ->ComputeLoss(
                  Loss::kSoftmaxCrossEntropy,
                  softmax.Arguments(bench.Put(outputs, 6, 2), bench.Put({2, -1, 0.5f, kNan, 0, 1})))
              .ok());
  REQUIRE(bench
              ->ComputeLoss(
                  Loss::kSigmoidCrossEntropy,
                  sigmoid.Arguments(bench.Put({1, 1, kNan, 1}, 4, 1), bench.Put({2, kNan, 1, 1})))
              .ok());

  const Values losses = bench.Get(softmax.losses);
  for (int i = 0; i < 5; ++i) CHECK(std::isnan(losses[i]));
  CHECK(losses[5] == Approx(std::log1p(std::exp(-1))));
  CHECK(bench.Get(softmax.correct) == Values{0, 0, 0, 0, 0, 1});
  const Values sigmoid_losses = bench.Get(sigmoid.losses);
  for (int i = 0; i < 3; ++i) CHECK(std::isnan(sigmoid_losses[i]));
  CHECK(bench.Get(sigmoid.correct) == Values{0, 0, 0, 1});
}

TEST_CASE("a loss may write its gradient over the outputs, or none") {
  Bench bench(GENERATE(from_range(AvailableBackends())));
  const Loss loss =
      GENERATE(Loss::kSoftmaxCrossEntropy, Loss::kSigmoidCrossEntropy, Loss::kSquaredError);
  const uint64_t width = loss == Loss::kSoftmaxCrossEntropy ? 40 : 1;
  const Values outputs = Random(5 * width, "outputs");
  const Array labels = bench.Put({0, 1, 1, 0, 1});
  const LossRoom apart(bench, 5, width);
  const LossRoom over(bench, 5, width);
  const LossRoom none(bench, 5, width);
  const Matrix both = bench.Put(outputs, 5, width);
  LossArguments in_place = over.Arguments(both, labels);
  in_place.gradient = both;
  LossArguments without = none.Arguments(bench.Put(outputs, 5, width), labels);
  without.gradient = {};

  REQUIRE(bench->ComputeLoss(loss, apart.Arguments(bench.Put(outputs, 5, width), labels)).ok());
  REQUIRE(bench->ComputeLoss(loss, in_place).ok());
  REQUIRE(bench->ComputeLoss(loss, without).ok());

  CHECK(SameBits(bench.Get(apart.gradient), bench.Get(both)));
  CHECK(SameBits(bench.Get(apart.losses), bench.Get(over.losses)));
  CHECK(SameBits(bench.Get(apart.losses), bench.Get(none.losses)));
  CHECK(SameBits(bench.Get(apart.correct), bench.Get(none.correct)));
}

TEST_CASE("axpy, scale, add and fill are exact on numbers that need no rounding") {
  Bench bench(GENERATE(from_range(AvailableBackends())));
  const Array x = bench.Put({1, 2, 3});
  const Array y = bench.Put({10, 20, 30});
  const Array sum = bench.Room(3);

  REQUIRE(bench->Axpy(0.5f, x, y).ok());
  CHECK(bench.Get(y) == Values{10.5f, 21, 31.5f});
  REQUIRE(bench->Add(x, y, sum).ok());
  CHECK(bench.Get(sum) == Values{11.5f, 23, 34.5f});
  REQUIRE(bench->Scale(-2, x).ok());
  CHECK(bench.Get(x) == Values{-2, -4, -6});
  REQUIRE(bench->Fill(7, x).ok());
  CHECK(bench.Get(x) == Values{7, 7, 7});
}

TEST_CASE("element-wise operations reach every element of long arrays and none beyond") {
  Bench bench(GENERATE(from_range(AvailableBackends())));
  const uint64_t count = 1'000'003;
  const Array whole = bench.Put(Values(count + 2, 1.0f));

  REQUIRE(bench->Scale(3, whole.Slice(1, count)).ok());

  Values wanted(count + 2, 3.0f);
  wanted.front() = wanted.back() = 1.0f;
  CHECK(bench.Get(whole) == wanted);
}

TEST_CASE("shapes that do not fit are refused and nothing is written") {
  Bench bench(GENERATE(from_range(AvailableBackends())));
  const Array six = bench.Put({1, 2, 3, 4, 5, 6});
  const Array two = bench.Put({7, 8});
  const Matrix square = bench.Put({1, 2, 3, 4}, 2, 2);
  Values short_target(1, 9.0f);

  for (const absl::Status& status : {
           bench->Upload({1, 2, 3}, two),
           bench->Download(six, absl::MakeSpan(short_target)),
           bench->Matmul({Matrix{six, 2, 3}}, {square}, {two, 1, 2}),
           bench->Matmul({Matrix{six, 2, 3}, true}, {square}, {two, 1, 2}),
           bench->Matmul({Matrix{six, 3, 3}}, {Matrix{six, 3, 2}}, square),
           bench->Matmul({Matrix{six, 0, 3}}, {Matrix{six, 3, 2}}, square),
           bench->Matmul({square}, {square}, square),
           bench->AddBiasRows(six, square),
           bench->AddBiasRows(square.array.Slice(0, 2), square),
           bench->ColumnSums(square, six),
           bench->Activate(Activation::kRelu, six, two),
           bench->Activate(Activation::kRelu, six.Slice(0, 5), six.Slice(1, 5)),
           bench->ActivateBackward(Activation::kRelu, six, two, six),
           bench->Axpy(1, six, two),
           bench->Add(six, six, two),
           bench->ComputeLoss(Loss::kSquaredError, {square, two, six.Slice(0, 2), two, {}}),
           bench->ComputeLoss(Loss::kSoftmaxCrossEntropy,
                              {square, two, six.Slice(0, 2), six.Slice(1, 2), {}}),
           bench->ComputeLoss(Loss::kSoftmaxCrossEntropy,
                              {square, two, six.Slice(0, 1), six.Slice(1, 2), {}}),
           bench->Allocate(0).status(),
       }) {
    INFO(status.ToString());
    CHECK(absl::IsInvalidArgument(status));
  }

  CHECK(bench.Get(six) == Values{1, 2, 3, 4, 5, 6});
  CHECK(bench.Get(two) == Values{7, 8});
  CHECK(bench.Get(square) == Values{1, 2, 3, 4});
  CHECK(short_target == Values{9});
}

TEST_CASE("memory that no machine has is refused and the backend works on") {
  Bench bench(GENERATE(from_range(AvailableBackends())));

  const absl::Status status = bench->Allocate(uint64_t{1} << 55).status();

  CHECK(absl::IsResourceExhausted(status));
  CHECK(bench.Get(bench.Put({1, 2})) == Values{1, 2});
}

TEST_CASE("the backends agree within rounding on a step of a small network") {
  // Two layers of 20 and 5 on 8 samples of 30: each backend against the CPU.
  const auto run = [](BackendChoice choice) {
    Bench bench(choice);
    const Matrix hidden{bench.Room(8 * 20), 8, 20};
    const Matrix outputs{bench.Room(8 * 5), 8, 5};
    const LossRoom room(bench, 8, 5);
    const Matrix back{bench.Room(8 * 20), 8, 20};
    const ConstMatrix x = bench.Put(Random(8 * 30, "x"), 8, 30);
    const ConstMatrix w = bench.Put(Random(20 * 5, "w1"), 20, 5);
    REQUIRE(bench->Matmul({x}, {bench.Put(Random(30 * 20, "w0"), 30, 20)}, hidden).ok());
    REQUIRE(bench->Activate(Activation::kTanh, hidden.array, hidden.array).ok());
    REQUIRE(bench->Matmul({hidden}, {w}, outputs).ok());
    const Array labels = bench.Put({0, 1, 2, 3, 4, 0, 1, 2});
    REQUIRE(bench->ComputeLoss(Loss::kSoftmaxCrossEntropy, room.Arguments(outputs, labels)).ok());
    REQUIRE(bench->Matmul({room.gradient}, {w, true}, back).ok());
    return bench.Get(back);
  };
  const Values cpu = run(BackendChoice::kCpu);

  const Values other = run(GENERATE(from_range(AvailableBackends())));

  CheckClose(other, std::vector<double>(cpu.begin(), cpu.end()), 1e-5);
}

}  // namespace
}  // namespace paceline::kernels
