// The contract of the operations that layers are made of, as contract_test.cc; expected numbers are
// worked out here in double, gradients as central differences of them.
#include <catch2/catch.hpp>
#include <cmath>
#include <functional>
#include <vector>

#include "kernels/contract_bench.h"
#include "kernels/counter_bits.h"

namespace paceline::kernels {
namespace {

using Doubles = std::vector<double>;

Doubles AsDoubles(const Values& values) { return Doubles(values.begin(), values.end()); }

// The gradient of sum(weights * f(x)) by x.
Doubles Differences(const std::function<Doubles(const Doubles&)>& f, Doubles x,
                    const Values& weights) {
  constexpr double kStep = 1e-5;
  const auto total = [&] {
    const Doubles y = f(x);
    double sum = 0;
    for (size_t i = 0; i < y.size(); ++i) sum += y[i] * weights[i];
    return sum;
  };
  Doubles gradient;
  for (double& element : x) {
    const double before = element;
    element = before + kStep;
    const double up = total();
    element = before - kStep;
    gradient.push_back((up - total()) / (2 * kStep));
    element = before;
  }
  return gradient;
}

double GeluOf(double x) { return x * 0.5 * std::erfc(-x / std::sqrt(2.0)); }

TEST_CASE("gelu and its slope are right, from zero to overflow, and let NaN through") {
  Bench bench(GENERATE(from_range(AvailableBackends())));
  Values x = Random(500, "x");
  for (float& value : x) value *= 4;
  for (const float extreme : {0.0f, -0.0f, 1e-6f, 30.0f, -30.0f, 1e18f, -1e18f})
    x.push_back(extreme);
  const Values gradient = Random(x.size(), "gradient");
  const Array input = bench.Put(x);
  const Array output = bench.Room(x.size());
  const Array back = bench.Room(x.size());
  const Array nan = bench.Put({kNan});

  REQUIRE(bench->Gelu(input, output).ok());
  REQUIRE(bench->GeluBackward(input, bench.Put(gradient), back).ok());
  REQUIRE(bench->Gelu(nan, nan).ok());

  Doubles wanted, wanted_back;
  for (size_t i = 0; i < x.size(); ++i) {
    wanted.push_back(GeluOf(x[i]));
    const double density = std::exp(-0.5 * x[i] * x[i]) / std::sqrt(2 * std::acos(-1.0));
    wanted_back.push_back(gradient[i] * (0.5 * std::erfc(-x[i] / std::sqrt(2.0)) + x[i] * density));
  }
  CheckClose(bench.Get(output), wanted, 1e-6);
  CheckClose(bench.Get(back), wanted_back, 1e-6);
  CHECK(std::isnan(bench.Get(nan)[0]));
}

Doubles SoftmaxOf(const Doubles& x, uint64_t columns) {
  Doubles y;
  for (size_t begin = 0; begin < x.size(); begin += columns) {
    double sum = 0;
    for (size_t j = 0; j < columns; ++j) sum += std::exp(x[begin + j]);
    for (size_t j = 0; j < columns; ++j) y.push_back(std::exp(x[begin + j]) / sum);
  }
  return y;
}

TEST_CASE("softmax and its gradient are right for narrow and wide rows, also in place") {
  Bench bench(GENERATE(from_range(AvailableBackends())));
  const uint64_t columns = GENERATE(1, 2, 15, 33, 100);
  const Values x = Random(3 * columns, "x");
  const Values weights = Random(3 * columns, "weights");
  const Matrix output = bench.Room(3, columns);
  const Matrix over = bench.Put(x, 3, columns);
  const Matrix back = bench.Put(weights, 3, columns);

  REQUIRE(bench->Softmax(bench.Put(x, 3, columns), output).ok());
  REQUIRE(bench->Softmax(over, over).ok());
  REQUIRE(bench->SoftmaxBackward(output, back, back).ok());

  CheckClose(bench.Get(output), SoftmaxOf(AsDoubles(x), columns), 1e-6);
  CHECK(SameBits(bench.Get(output), bench.Get(over)));
  const auto f = [columns](const Doubles& v) { return SoftmaxOf(v, columns); };
  CheckClose(bench.Get(back), Differences(f, AsDoubles(x), weights), 1e-6);
}

TEST_CASE("softmax bears the largest numbers, and a NaN spoils its own row only") {
  Bench bench(GENERATE(from_range(AvailableBackends())));
  const Matrix rows = bench.Put({3e38f, 3e38f, 0, kNan, 1, 1}, 3, 2);

  REQUIRE(bench->Softmax(rows, rows).ok());

  const Values seen = bench.Get(rows);
  CHECK(Values(seen.begin(), seen.begin() + 2) == Values{0.5f, 0.5f});
  CHECK(std::isnan(seen[2]));
  CHECK(std::isnan(seen[3]));
  CHECK(Values(seen.begin() + 4, seen.end()) == Values{0.5f, 0.5f});
}

TEST_CASE("dropout drops the same elements on every backend, its rate of them, by its key") {
  Bench bench(GENERATE(from_range(AvailableBackends())));
  const float rate = GENERATE(0.0f, 0.25f, 0.9f);
  const Values x = Random(20001, "x");
  const Array over = bench.Put(x);
  const Array other = bench.Room(x.size());

  REQUIRE(bench->Dropout({7, rate}, over, over).ok());
  REQUIRE(bench->Dropout({8, rate}, bench.Put(x), other).ok());

  Values wanted;
  int dropped = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const uint64_t half = CounterBits(7, i / 2) >> (i % 2 == 0 ? 0 : 32) & 0xffffffff;
    const bool drops = half < static_cast<uint64_t>(rate * 4294967296.0);
    wanted.push_back(drops ? 0 : x[i] * (1 / (1 - rate)));
    dropped += drops;
  }
  CHECK(SameBits(bench.Get(over), wanted));
  // Five deviations of a binomial count are below 5 sqrt(20001 / 4) = 354.
  CHECK(std::abs(dropped - 20001 * rate) < 354);
  CHECK((bench.Get(other) == wanted) == (rate == 0));
}

// Scale and bias behind the rows.
Doubles LayerNormOf(const Doubles& x, uint64_t rows, uint64_t columns) {
  const double* scale = x.data() + rows * columns;
  const double* bias = scale + columns;
  Doubles y;
  for (uint64_t i = 0; i < rows; ++i) {
    const double* row = x.data() + i * columns;
    double mean = 0, variance = 0;
    for (uint64_t j = 0; j < columns; ++j) mean += row[j] / columns;
    for (uint64_t j = 0; j < columns; ++j) variance += (row[j] - mean) * (row[j] - mean) / columns;
    for (uint64_t j = 0; j < columns; ++j) {
      y.push_back((row[j] - mean) / std::sqrt(variance + 1e-3) * scale[j] + bias[j]);
    }
  }
  return y;
}

TEST_CASE("layer norm and its three gradients are right for narrow and wide rows") {
  Bench bench(GENERATE(from_range(AvailableBackends())));
  const uint64_t rows = GENERATE(1, 35), columns = GENERATE(2, 16, 37);
  const Values x = Random(rows * columns, "x");
  const Values scale = Random(columns, "scale"), bias = Random(columns, "bias");
  const Values weights = Random(rows * columns, "weights");
  const Matrix output = bench.Room(rows, columns), statistics = bench.Room(rows, 2);
  LayerNormBackwardArguments back;
  back.input = bench.Put(x, rows, columns);
  back.scale = bench.Put(scale);
  back.statistics = statistics;
  back.output_gradient = bench.Put(weights, rows, columns);
  back.scale_gradient = bench.Room(columns);
  back.bias_gradient = bench.Room(columns);
  back.input_gradient = bench.Room(rows, columns);

  REQUIRE(
      bench->LayerNorm(1e-3f, back.input, back.scale, bench.Put(bias), output, statistics).ok());
  REQUIRE(bench->LayerNormBackward(back).ok());

  Doubles all = AsDoubles(x);
  all.insert(all.end(), scale.begin(), scale.end());
  all.insert(all.end(), bias.begin(), bias.end());
  const auto f = [&](const Doubles& v) { return LayerNormOf(v, rows, columns); };
  CheckClose(bench.Get(output), f(all), 1e-5);
  const Doubles wanted = Differences(f, all, weights);
  const auto at = wanted.begin() + rows * columns;
  CheckClose(bench.Get(back.input_gradient), Doubles(wanted.begin(), at), 1e-4);
  CheckClose(bench.Get(back.scale_gradient), Doubles(at, at + columns), 1e-5);
  CheckClose(bench.Get(back.bias_gradient), Doubles(at + columns, wanted.end()), 1e-5);
}

// Height, width, channels, then of windows: sides, strides, paddings.
Windows MakeWindows(const std::vector<uint64_t>& n) {
  return {n[0], n[1], n[2], n[3], n[4], n[5], n[6], n[7], n[8]};
}

std::vector<uint64_t> AnyWindows() {
  return GENERATE(std::vector<uint64_t>{1, 1, 1, 1, 1, 1, 1, 0, 0},
                  std::vector<uint64_t>{5, 4, 3, 3, 2, 1, 1, 2, 1},
                  std::vector<uint64_t>{6, 7, 2, 2, 3, 2, 3, 0, 0},
                  std::vector<uint64_t>{1, 9, 5, 1, 4, 1, 2, 0, 3},
                  std::vector<uint64_t>{3, 3, 1, 3, 3, 1, 1, 2, 2});
}

// What each number of the unfolded matrix is: the number of the sample, or -1 for padding.
std::vector<int64_t> Sources(const Windows& w) {
  std::vector<int64_t> sources;
  for (uint64_t row = 0; row < w.rows(); ++row) {
    for (uint64_t column = 0; column < w.columns(); ++column) {
      for (uint64_t i = 0; i < w.window_elements(); ++i) {
        const int64_t y =
            static_cast<int64_t>(row * w.stride_height + i / w.channels / w.window_width) -
            static_cast<int64_t>(w.padding_height);
        const int64_t x =
            static_cast<int64_t>(column * w.stride_width + i / w.channels % w.window_width) -
            static_cast<int64_t>(w.padding_width);
        const bool inside = y >= 0 && y < static_cast<int64_t>(w.height) && x >= 0 &&
                            x < static_cast<int64_t>(w.width);
        const int64_t at =
            (y * static_cast<int64_t>(w.width) + x) * static_cast<int64_t>(w.channels) +
            static_cast<int64_t>(i % w.channels);
        sources.push_back(inside ? at : -1);
      }
    }
  }
  return sources;
}

TEST_CASE("unfolding copies every window, and folding adds the copies up") {
  Bench bench(GENERATE(from_range(AvailableBackends())));
  const Windows w = MakeWindows(AnyWindows());
  const std::vector<int64_t> sources = Sources(w);
  const uint64_t samples = 3, rows = samples * w.positions();
  REQUIRE(sources.size() == w.positions() * w.window_elements());
  const Values x = Random(samples * w.sample_elements(), "x");
  const Values copies = Random(rows * w.window_elements(), "copies");
  const Matrix unfolded = bench.Put(Values(copies.size(), kNan), rows, w.window_elements());
  const Matrix folded = bench.Put(Values(x.size(), kNan), samples, w.sample_elements());

  REQUIRE(bench->Unfold(w, bench.Put(x, samples, w.sample_elements()), unfolded).ok());
  REQUIRE(bench->Fold(w, bench.Put(copies, rows, w.window_elements()), folded).ok());

  Values wanted;
  Doubles sums(x.size());
  for (uint64_t sample = 0; sample < samples; ++sample) {
    for (size_t i = 0; i < sources.size(); ++i) {
      const uint64_t at = sample * w.sample_elements() + static_cast<uint64_t>(sources[i]);
      wanted.push_back(sources[i] < 0 ? 0 : x[at]);
      if (sources[i] >= 0) sums[at] += copies[sample * sources.size() + i];
    }
  }
  CHECK(bench.Get(unfolded) == wanted);
  CheckClose(bench.Get(folded), sums, 1e-5);
}

TEST_CASE("pools give the largest and the mean of every window, and their gradients") {
  Bench bench(GENERATE(from_range(AvailableBackends())));
  Windows w = MakeWindows(AnyWindows());
  w.padding_height = w.padding_width = 0;
  const std::vector<int64_t> sources = Sources(w);
  const uint64_t samples = 2, outputs = w.positions() * w.channels;
  const Values x = Random(samples * w.sample_elements(), "x");
  const Values weights = Random(samples * outputs, "weights");
  const ConstMatrix input = bench.Put(x, samples, w.sample_elements());
  const ConstMatrix gradient = bench.Put(weights, samples, outputs);
  const Matrix largest = bench.Room(samples, outputs), mean = bench.Room(samples, outputs);
  const Array winners = bench.Room(samples * outputs);
  const Matrix by_largest = bench.Put(Values(x.size(), kNan), samples, w.sample_elements());
  const Matrix by_mean = bench.Put(Values(x.size(), kNan), samples, w.sample_elements());

  REQUIRE(bench->MaxPool(w, input, largest, winners).ok());
  REQUIRE(bench->MaxPoolBackward(w, winners, gradient, by_largest).ok());
  REQUIRE(bench->AveragePool(w, input, mean).ok());
  REQUIRE(bench->AveragePoolBackward(w, gradient, by_mean).ok());

  const uint64_t places = w.window_height * w.window_width;
  Doubles wanted_largest, wanted_mean, wanted_by_largest(x.size()), wanted_by_mean(x.size());
  for (uint64_t i = 0; i < samples * outputs; ++i) {
    const uint64_t begin = i / outputs * w.sample_elements();
    const uint64_t first = i % outputs / w.channels * w.window_elements() + i % w.channels;
    size_t best = begin + static_cast<size_t>(sources[first]);
    double sum = 0;
    for (uint64_t place = 0; place < places; ++place) {
      const size_t at = begin + static_cast<size_t>(sources[first + place * w.channels]);
      if (x[at] > x[best]) best = at;
      sum += x[at];
      wanted_by_mean[at] += double{weights[i]} / static_cast<double>(places);
    }
    wanted_largest.push_back(x[best]);
    wanted_mean.push_back(sum / static_cast<double>(places));
    wanted_by_largest[best] += weights[i];
  }
  CheckClose(bench.Get(largest), wanted_largest, 0);
  CheckClose(bench.Get(mean), wanted_mean, 1e-6);
  CheckClose(bench.Get(by_largest), wanted_by_largest, 1e-6);
  CheckClose(bench.Get(by_mean), wanted_by_mean, 1e-6);
}

TEST_CASE("of equal numbers the first is a pool's largest, and NaN is larger than any") {
  Bench bench(GENERATE(from_range(AvailableBackends())));
  const Windows w = {1, 6, 1, 1, 3, 1, 3, 0, 0};
  const Matrix output = bench.Room(1, 2);
  const Array winners = bench.Room(2);

  REQUIRE(bench->MaxPool(w, bench.Put({1, 4, 4, 5, kNan, 9}, 1, 6), output, winners).ok());

  CHECK(bench.Get(output)[0] == 4);
  CHECK(std::isnan(bench.Get(output)[1]));
  CHECK(bench.Get(winners) == Values{1, 1});
}

TEST_CASE(
    "rows are gathered by id and summed by id in their order; other ids are NaN and nowhere") {
  Bench bench(GENERATE(from_range(AvailableBackends())));
  const Values ids = {2, 0, 2, 5, -1, 0.5f, kNan, 2};
  const ConstMatrix table = bench.Put({1, 2, 3, 4, 5, 6}, 3, 2);
  const Matrix rows = bench.Room(8, 2);
  const Matrix sums = bench.Put(Values(6, kNan), 3, 2);
  // In another order than 2^24 + 1 - 2^24 the 1 would be lost, or stay.
  const ConstMatrix values =
      bench.Put({16777216, 1, 7, 8, 1, 2, 9, 9, 9, 9, 9, 9, 9, 9, -16777216, 3}, 8, 2);

  REQUIRE(bench->GatherRows(table, bench.Put(ids), rows).ok());
  REQUIRE(bench->SumRowsById(values, bench.Put(ids), sums).ok());

  const Values seen = bench.Get(rows);
  CHECK(Values(seen.begin(), seen.begin() + 6) == Values{5, 6, 1, 2, 5, 6});
  for (size_t i = 6; i < 14; ++i) CHECK(std::isnan(seen[i]));
  CHECK(Values(seen.begin() + 14, seen.end()) == Values{5, 6});
  CHECK(bench.Get(sums) == Values{7, 8, 0, 0, 0, 6});
}

Doubles AttentionOf(const AttentionShape& s, const Doubles& qkv) {
  const uint64_t stride = 3 * s.width();
  Doubles output(s.samples * s.length * s.width());
  for (uint64_t at = 0; at < s.samples * s.heads * s.length; ++at) {
    const uint64_t i = at % s.length, head = at / s.length % s.heads;
    const uint64_t sample = at / s.length / s.heads;
    const double* in = qkv.data() + sample * s.length * stride + head * s.head_width;
    const uint64_t seen = s.causal ? i + 1 : s.length;
    Doubles scores(seen);
    for (uint64_t j = 0; j < seen; ++j) {
      for (uint64_t c = 0; c < s.head_width; ++c) {
        scores[j] += in[i * stride + c] * in[j * stride + s.width() + c];
      }
      scores[j] /= std::sqrt(static_cast<double>(s.head_width));
    }
    const Doubles shares = SoftmaxOf(scores, seen);
    for (uint64_t j = 0; j < seen; ++j) {
      for (uint64_t c = 0; c < s.head_width; ++c) {
        output[(sample * s.length + i) * s.width() + head * s.head_width + c] +=
            shares[j] * in[j * stride + 2 * s.width() + c];
      }
    }
  }
  return output;
}

TEST_CASE("attention and its gradient are right, causal or not, with the same bits every time") {
  Bench bench(GENERATE(from_range(AvailableBackends())));
  const bool causal = GENERATE(false, true);
  const AttentionShape s =
      GENERATE(AttentionShape{1, 1, 1, 1, false}, AttentionShape{2, 5, 3, 2, false},
               AttentionShape{1, 19, 2, 4, false});
  const AttentionShape shape = {s.samples, s.length, s.heads, s.head_width, causal};
  const uint64_t rows = s.samples * s.length;
  Values x = Random(rows * 3 * s.width(), "qkv");
  for (float& value : x) value *= 2;
  const Values weights = Random(rows * s.width(), "weights");
  const ConstMatrix qkv = bench.Put(x, rows, 3 * s.width());
  const Array probabilities = bench.Put(Values(s.probabilities(), kNan));
  const Array scratch = bench.Put(Values(s.probabilities(), kNan));
  const Matrix output = bench.Room(rows, s.width());
  const Matrix back = bench.Room(rows, 3 * s.width());
  const ConstMatrix gradient = bench.Put(weights, rows, s.width());

  REQUIRE(bench->Attention(shape, qkv, probabilities, output).ok());
  REQUIRE(bench->AttentionBackward(shape, qkv, probabilities, gradient, scratch, back).ok());

  const auto f = [&](const Doubles& v) { return AttentionOf(shape, v); };
  CheckClose(bench.Get(output), f(AsDoubles(x)), 1e-5);
  CheckClose(bench.Get(back), Differences(f, AsDoubles(x), weights), 1e-5);
  const Values first = bench.Get(output), first_back = bench.Get(back);
  REQUIRE(bench->Attention(shape, qkv, probabilities, output).ok());
  REQUIRE(bench->AttentionBackward(shape, qkv, probabilities, gradient, scratch, back).ok());
  CHECK(SameBits(bench.Get(output), first));
  CHECK(SameBits(bench.Get(back), first_back));
}

TEST_CASE("label smoothing mixes the loss with the mean over all classes, and so its gradient") {
  Bench bench(GENERATE(from_range(AvailableBackends())));
  const uint64_t width = GENERATE(2, 40);
  const Values x = Random(2 * width, "outputs");
  const Values ones = {1, 1};
  LossArguments loss;
  loss.outputs = bench.Put(x, 2, width);
  loss.labels = bench.Put({0, 1});
  loss.losses = bench.Room(2);
  loss.correct = bench.Room(2);
  loss.gradient = bench.Room(2, width);
  loss.label_smoothing = 0.25f;

  REQUIRE(bench->ComputeLoss(Loss::kSoftmaxCrossEntropy, loss).ok());

  const auto f = [width](const Doubles& v) {
    const Doubles p = SoftmaxOf(v, width);
    Doubles losses(2);
    for (uint64_t i = 0; i < 2 * width; ++i) {
      const double share = 0.25 / static_cast<double>(width) + (i % width == i / width ? 0.75 : 0);
      losses[i / width] -= share * std::log(p[i]);
    }
    return losses;
  };
  CheckClose(bench.Get(loss.losses), f(AsDoubles(x)), 1e-6);
  CheckClose(bench.Get(loss.gradient), Differences(f, AsDoubles(x), ones), 1e-6);
}

TEST_CASE("copies are exact") {
  Bench bench(GENERATE(from_range(AvailableBackends())));
  const Values x = Random(100, "x");
  const Array copy = bench.Room(100);

  REQUIRE(bench->Copy(bench.Put(x), copy).ok());

  CHECK(SameBits(bench.Get(copy), x));
}

TEST_CASE("operands of layers that do not fit are refused and nothing is written") {
  Bench bench(GENERATE(from_range(AvailableBackends())));
  const Values before = Random(48, "before");
  const Array all = bench.Put(before);
  const Matrix six_by_two{all.Slice(0, 12), 6, 2};
  const Matrix two_by_six{all.Slice(12, 12), 2, 6};
  const Array twelve = all.Slice(24, 12), two = all.Slice(46, 2);
  const Windows w = {2, 3, 1, 2, 2, 1, 1, 0, 0};
  Windows wide = w, padded = w, none = w;
  wide.window_width = 4;
  padded.padding_width = 1;
  none.stride_height = 0;
  LayerNormBackwardArguments norm;
  norm.input = norm.output_gradient = six_by_two;
  norm.scale = two;
  norm.statistics = {twelve, 6, 2};
  norm.scale_gradient = norm.bias_gradient = two;

  for (const absl::Status& status : {
           bench->Gelu(twelve, two),
           bench->Gelu(all.Slice(0, 4), all.Slice(1, 4)),
           bench->GeluBackward(twelve, two, twelve),
           bench->Softmax(six_by_two, two_by_six),
           bench->SoftmaxBackward(six_by_two, two_by_six, six_by_two),
           bench->Dropout({1, 1.0f}, two, two),
           bench->Dropout({1, kNan}, two, two),
           bench->Dropout({1, 0.5f}, two, twelve),
           bench->LayerNorm(1, six_by_two, two, two, two_by_six, {twelve, 6, 2}),
           bench->LayerNorm(1, six_by_two, two, two, six_by_two, {twelve, 6, 2}),
           bench->LayerNormBackward(norm),
           bench->Unfold(wide, two_by_six, {twelve, 1, 12}),
           bench->Unfold(none, two_by_six, {twelve, 1, 12}),
           bench->Unfold(w, six_by_two, {twelve, 4, 3}),
           bench->Fold(w, {twelve, 4, 3}, two_by_six),
           bench->MaxPool(padded, two_by_six, six_by_two, twelve),
           bench->MaxPool(w, two_by_six, {all.Slice(0, 4), 2, 2}, two),
           bench->AveragePool(w, two_by_six, six_by_two),
           bench->GatherRows(six_by_two, two, two_by_six),
           bench->SumRowsById(six_by_two, two, two_by_six),
           bench->Attention({1, 2, 1, 2, false}, two_by_six, two, {twelve, 2, 2}),
           bench->Attention({1, 2, 1, 0, false}, two_by_six, twelve.Slice(0, 4), {all, 2, 2}),
           bench->Copy(all.Slice(0, 4), all.Slice(1, 4)),
       }) {
    INFO(status.ToString());
    CHECK(absl::IsInvalidArgument(status));
  }

  CHECK(bench.Get(all) == before);
}

}  // namespace
}  // namespace paceline::kernels
