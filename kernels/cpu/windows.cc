#include "kernels/cpu/windows.h"

#include <algorithm>
#include <cstdint>

namespace paceline::kernels::cpu {
namespace {

// One row of a window: where in the sample it begins, and how much of it lies inside.
struct Strip {
  uint64_t before = 0;  // Numbers of padding before the inside.
  uint64_t inside = 0;
  uint64_t begin = 0;  // Of the inside, in the sample.
};

// Calls f(window, window_row, strip) for each window of a sample and each row of it, in order.
template <typename F>
void ForEachStrip(const Windows& w, F f) {
  uint64_t window = 0;
  for (uint64_t row = 0; row < w.rows(); ++row) {
    for (uint64_t column = 0; column < w.columns(); ++column, ++window) {
      // From here on counted from the padding's corner.
      const uint64_t left = column * w.stride_width;
      const uint64_t first = std::max(left, w.padding_width);
      const uint64_t last = std::min(left + w.window_width, w.padding_width + w.width);
      for (uint64_t window_row = 0; window_row < w.window_height; ++window_row) {
        const uint64_t y = row * w.stride_height + window_row;
        Strip strip;
        if (y >= w.padding_height && y < w.padding_height + w.height && first < last) {
          strip.before = (first - left) * w.channels;
          strip.inside = (last - first) * w.channels;
          strip.begin = ((y - w.padding_height) * w.width + (first - w.padding_width)) * w.channels;
        }
        f(window, window_row, strip);
      }
    }
  }
}

// Calls f(window, place, begin) for each window of a sample and each place in it; `begin` is where
// the place's channels are in the sample. No padding.
template <typename F>
void ForEachPlace(const Windows& w, F f) {
  ForEachStrip(w, [&](uint64_t window, uint64_t window_row, const Strip& strip) {
    for (uint64_t x = 0; x < w.window_width; ++x) {
      f(window, window_row * w.window_width + x, strip.begin + x * w.channels);
    }
  });
}

}  // namespace

void Unfold(const Windows& w, ConstMatrix input, Matrix unfolded) {
  const uint64_t strip_elements = w.window_width * w.channels;
  for (uint64_t sample = 0; sample < input.rows; ++sample) {
    const float* from = input.array.address + sample * w.sample_elements();
    float* to = unfolded.array.address + sample * w.positions() * w.window_elements();
    ForEachStrip(w, [&](uint64_t window, uint64_t window_row, const Strip& strip) {
      float* out = to + (window * w.window_height + window_row) * strip_elements;
      float* const end = out + strip_elements;
      out = std::fill_n(out, strip.before, 0.0f);
      out = std::copy_n(from + strip.begin, strip.inside, out);
      std::fill(out, end, 0.0f);
    });
  }
}

void Fold(const Windows& w, ConstMatrix unfolded, Matrix samples) {
  const uint64_t strip_elements = w.window_width * w.channels;
  std::fill_n(samples.array.address, samples.rows * samples.columns, 0.0f);
  for (uint64_t sample = 0; sample < samples.rows; ++sample) {
    const float* from = unfolded.array.address + sample * w.positions() * w.window_elements();
    float* to = samples.array.address + sample * w.sample_elements();
    ForEachStrip(w, [&](uint64_t window, uint64_t window_row, const Strip& strip) {
      const float* in =
          from + (window * w.window_height + window_row) * strip_elements + strip.before;
      float* out = to + strip.begin;
      for (uint64_t i = 0; i < strip.inside; ++i) out[i] += in[i];
    });
  }
}

void MaxPool(const Windows& w, ConstMatrix input, Matrix output, Array winners) {
  for (uint64_t sample = 0; sample < input.rows; ++sample) {
    const float* from = input.array.address + sample * w.sample_elements();
    const uint64_t to = sample * output.columns;
    ForEachPlace(w, [&](uint64_t window, uint64_t place, uint64_t begin) {
      const float* x = from + begin;
      float* largest = output.array.address + to + window * w.channels;
      float* winner = winners.address + to + window * w.channels;
      const auto here = static_cast<float>(place);
      for (uint64_t c = 0; c < w.channels; ++c) {
        // NaN is taken, and nothing is larger than it.
        const bool takes = place == 0 || x[c] > largest[c] || x[c] != x[c];
        winner[c] = takes ? here : winner[c];
        largest[c] = takes ? x[c] : largest[c];
      }
    });
  }
}

void MaxPoolBackward(const Windows& w, ConstArray winners, ConstMatrix output_gradient,
                     Matrix input_gradient) {
  std::fill_n(input_gradient.array.address, input_gradient.rows * input_gradient.columns, 0.0f);
  for (uint64_t sample = 0; sample < input_gradient.rows; ++sample) {
    const uint64_t from = sample * output_gradient.columns;
    float* to = input_gradient.array.address + sample * w.sample_elements();
    ForEachPlace(w, [&](uint64_t window, uint64_t place, uint64_t begin) {
      const float* gradient = output_gradient.array.address + from + window * w.channels;
      const float* winner = winners.address + from + window * w.channels;
      const auto here = static_cast<float>(place);
      float* out = to + begin;
      for (uint64_t c = 0; c < w.channels; ++c) out[c] += winner[c] == here ? gradient[c] : 0.0f;
    });
  }
}

void AveragePool(const Windows& w, ConstMatrix input, Matrix output) {
  std::fill_n(output.array.address, output.rows * output.columns, 0.0f);
  const float share = 1.0f / static_cast<float>(w.window_height * w.window_width);
  for (uint64_t sample = 0; sample < input.rows; ++sample) {
    const float* from = input.array.address + sample * w.sample_elements();
    float* to = output.array.address + sample * output.columns;
    ForEachPlace(w, [&](uint64_t window, uint64_t /*place*/, uint64_t begin) {
      float* sum = to + window * w.channels;
      for (uint64_t c = 0; c < w.channels; ++c) sum[c] += from[begin + c];
    });
    for (uint64_t i = 0; i < output.columns; ++i) to[i] *= share;
  }
}

void AveragePoolBackward(const Windows& w, ConstMatrix output_gradient, Matrix input_gradient) {
  std::fill_n(input_gradient.array.address, input_gradient.rows * input_gradient.columns, 0.0f);
  const float share = 1.0f / static_cast<float>(w.window_height * w.window_width);
  for (uint64_t sample = 0; sample < input_gradient.rows; ++sample) {
    const float* from = output_gradient.array.address + sample * output_gradient.columns;
    float* to = input_gradient.array.address + sample * w.sample_elements();
    ForEachPlace(w, [&](uint64_t window, uint64_t /*place*/, uint64_t begin) {
      const float* gradient = from + window * w.channels;
      for (uint64_t c = 0; c < w.channels; ++c) to[begin + c] += gradient[c] * share;
    });
  }
}

}  // namespace paceline::kernels::cpu
