#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>

#include "kernels/cuda/windows.h"

namespace paceline::kernels::cuda {
namespace {

constexpr unsigned kThreads = 256;
constexpr unsigned kBlocksMax = 4096;

// Windows as a kernel takes them.
struct Grid {
  explicit Grid(const Windows& w)
      : w(w),
        rows(w.rows()),
        columns(w.columns()),
        positions(rows * columns),
        sample_elements(w.sample_elements()),
        window_elements(w.window_elements()) {}

  Windows w;
  uint64_t rows, columns, positions, sample_elements, window_elements;
};

// Where a number of the samples is.
struct Place {
  __device__ Place(const Grid& g, uint64_t index)
      : channel(index % g.w.channels),
        x(index / g.w.channels % g.w.width + g.w.padding_width),
        y(index / g.w.channels / g.w.width % g.w.height + g.w.padding_height),
        sample(index / g.sample_elements) {}

  uint64_t channel;
  uint64_t x, y;  // Counted from the padding's corner.
  uint64_t sample;
};

// Calls f(window, place) for each window that covers `p`, where `place` is p's place in it, in the
// order of the windows.
template <typename F>
__device__ void ForEachCovering(const Grid& g, const Place& p, F f) {
  const Windows& w = g.w;
  const uint64_t row_begin =
      p.y < w.window_height ? 0 : (p.y - w.window_height) / w.stride_height + 1;
  const uint64_t row_end = min(p.y / w.stride_height + 1, g.rows);
  const uint64_t column_begin =
      p.x < w.window_width ? 0 : (p.x - w.window_width) / w.stride_width + 1;
  const uint64_t column_end = min(p.x / w.stride_width + 1, g.columns);
  for (uint64_t row = row_begin; row < row_end; ++row) {
    const uint64_t window_row = p.y - row * w.stride_height;
    for (uint64_t column = column_begin; column < column_end; ++column) {
      f(row * g.columns + column, window_row * w.window_width + (p.x - column * w.stride_width));
    }
  }
}

template <typename F>
__global__ void EachKernel(uint64_t elements, F f) {
  const uint64_t stride = uint64_t{gridDim.x} * blockDim.x;
  for (uint64_t i = uint64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < elements; i += stride) {
    f(i);
  }
}

// f(i) for each i below `elements`.
template <typename F>
CudaCode Each(uint64_t elements, F f, Stream stream) {
  const uint64_t wanted = (elements + kThreads - 1) / kThreads;
  const auto blocks = static_cast<unsigned>(std::min<uint64_t>(wanted, kBlocksMax));
  EachKernel<<<blocks, kThreads, 0, stream>>>(elements, f);
  return cudaGetLastError();
}

struct UnfoldOne {
  Grid g;
  const float* samples;
  float* unfolded;

  __device__ void operator()(uint64_t i) const {
    const uint64_t place = i % g.window_elements / g.w.channels;
    const uint64_t window = i / g.window_elements % g.positions;
    const uint64_t sample = i / g.window_elements / g.positions;
    const uint64_t y = window / g.columns * g.w.stride_height + place / g.w.window_width;
    const uint64_t x = window % g.columns * g.w.stride_width + place % g.w.window_width;
    const bool inside = y >= g.w.padding_height && y < g.w.padding_height + g.w.height &&
                        x >= g.w.padding_width && x < g.w.padding_width + g.w.width;
    const uint64_t at =
        ((y - g.w.padding_height) * g.w.width + (x - g.w.padding_width)) * g.w.channels +
        i % g.w.channels;
    unfolded[i] = inside ? samples[sample * g.sample_elements + at] : 0.0f;
  }
};

struct FoldOne {
  Grid g;
  const float* unfolded;
  float* samples;

  __device__ void operator()(uint64_t i) const {
    const Place p(g, i);
    float sum = 0;
    ForEachCovering(g, p, [&](uint64_t window, uint64_t place) {
      sum += unfolded[(p.sample * g.positions + window) * g.window_elements + place * g.w.channels +
                      p.channel];
    });
    samples[i] = sum;
  }
};

// Calls f(place, number) for each place of output `i`'s window.
template <typename F>
__device__ void ForEachInWindow(const Grid& g, const float* samples, uint64_t i, F f) {
  const Windows& w = g.w;
  const uint64_t window = i / w.channels % g.positions;
  const uint64_t sample = i / w.channels / g.positions;
  const uint64_t y = window / g.columns * w.stride_height;
  const uint64_t x = window % g.columns * w.stride_width;
  const float* from = samples + sample * g.sample_elements + i % w.channels;
  for (uint64_t row = 0; row < w.window_height; ++row) {
    for (uint64_t column = 0; column < w.window_width; ++column) {
      f(row * w.window_width + column, from[((y + row) * w.width + x + column) * w.channels]);
    }
  }
}

struct MaxPoolOne {
  Grid g;
  const float* samples;
  float* output;
  float* winners;

  __device__ void operator()(uint64_t i) const {
    float largest = 0;
    uint64_t winner = 0;
    ForEachInWindow(g, samples, i, [&](uint64_t place, float x) {
      // NaN is taken, and nothing is larger than it.
      if (place != 0 && !(x > largest || x != x)) return;
      largest = x;
      winner = place;
    });
    output[i] = largest;
    winners[i] = static_cast<float>(winner);
  }
};

struct MaxPoolBackwardOne {
  Grid g;
  const float* winners;
  const float* output_gradient;
  float* input_gradient;

  __device__ void operator()(uint64_t i) const {
    const Place p(g, i);
    float sum = 0;
    ForEachCovering(g, p, [&](uint64_t window, uint64_t place) {
      const uint64_t at = (p.sample * g.positions + window) * g.w.channels + p.channel;
      if (winners[at] == static_cast<float>(place)) sum += output_gradient[at];
    });
    input_gradient[i] = sum;
  }
};

struct AveragePoolOne {
  Grid g;
  const float* samples;
  float* output;

  __device__ void operator()(uint64_t i) const {
    float sum = 0;
    ForEachInWindow(g, samples, i, [&](uint64_t, float x) { sum += x; });
    output[i] = sum * (1.0f / static_cast<float>(g.w.window_height * g.w.window_width));
  }
};

struct AveragePoolBackwardOne {
  Grid g;
  const float* output_gradient;
  float* input_gradient;

  __device__ void operator()(uint64_t i) const {
    const Place p(g, i);
    const float share = 1.0f / static_cast<float>(g.w.window_height * g.w.window_width);
    float sum = 0;
    ForEachCovering(g, p, [&](uint64_t window, uint64_t) {
      sum += output_gradient[(p.sample * g.positions + window) * g.w.channels + p.channel] * share;
    });
    input_gradient[i] = sum;
  }
};

}  // namespace

CudaCode Unfold(const Windows& windows, ConstMatrix input, Matrix unfolded, Stream stream) {
  return Each(unfolded.rows * unfolded.columns,
              UnfoldOne{Grid(windows), input.array.address, unfolded.array.address}, stream);
}

CudaCode Fold(const Windows& windows, ConstMatrix unfolded, Matrix samples, Stream stream) {
  return Each(samples.rows * samples.columns,
              FoldOne{Grid(windows), unfolded.array.address, samples.array.address}, stream);
}

CudaCode MaxPool(const Windows& windows, ConstMatrix input, Matrix output, Array winners,
                 Stream stream) {
  return Each(output.rows * output.columns,
              MaxPoolOne{Grid(windows), input.array.address, output.array.address, winners.address},
              stream);
}

CudaCode MaxPoolBackward(const Windows& windows, ConstArray winners, ConstMatrix output_gradient,
                         Matrix input_gradient, Stream stream) {
  return Each(input_gradient.rows * input_gradient.columns,
              MaxPoolBackwardOne{Grid(windows), winners.address, output_gradient.array.address,
                                 input_gradient.array.address},
              stream);
}

CudaCode AveragePool(const Windows& windows, ConstMatrix input, Matrix output, Stream stream) {
  return Each(output.rows * output.columns,
              AveragePoolOne{Grid(windows), input.array.address, output.array.address}, stream);
}

CudaCode AveragePoolBackward(const Windows& windows, ConstMatrix output_gradient,
                             Matrix input_gradient, Stream stream) {
  return Each(input_gradient.rows * input_gradient.columns,
              AveragePoolBackwardOne{Grid(windows), output_gradient.array.address,
                                     input_gradient.array.address},
              stream);
}

}  // namespace paceline::kernels::cuda
