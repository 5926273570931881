"""Prints pytorch_fixture.h: two-layer networks and what PyTorch computes for them, in float64.

Run: /usr/bin/python3 worker/model/pytorch_fixture.py > worker/model/pytorch_fixture.h
(Debian package python3-torch 1.13; any later PyTorch gives the same numbers).
"""
import torch
from torch.nn import functional as F

from pytorch_numbers import braces, rounded

SAMPLES, FEATURES, HIDDEN = 4, 3, 5
HEADER = """// PyTorch's losses and gradients for two-layer networks: written by pytorch_fixture.py.
//
// Shapes   features: [4, 3]; parameters and gradient: layers.0.weight [3, 5], layers.0.bias [5],
//          layers.2.weight [5, units], layers.2.bias [units], flat.
#ifndef PACELINE_WORKER_MODEL_PYTORCH_FIXTURE_H_
#define PACELINE_WORKER_MODEL_PYTORCH_FIXTURE_H_

#include <vector>

namespace paceline {

struct PytorchFixture {
  const char* activation;
  const char* loss;
  unsigned units;
  std::vector<float> features;
  std::vector<float> labels;
  std::vector<float> parameters;
  double loss_sum;
  std::vector<double> gradient_sum;
};

inline std::vector<PytorchFixture> PytorchFixtures() {
  return {"""
FOOTER = """  };
}

}  // namespace paceline

#endif  // PACELINE_WORKER_MODEL_PYTORCH_FIXTURE_H_"""
LOSSES = {
    "softmax_cross_entropy": lambda y, t: F.cross_entropy(y, t.long(), reduction="sum"),
    "sigmoid_cross_entropy": lambda y, t: F.binary_cross_entropy_with_logits(
        y[:, 0], t, reduction="sum"),
    "mse": lambda y, t: F.mse_loss(y[:, 0], t, reduction="sum"),
}


def fixture(activation, loss, units, labels):
    x = rounded(SAMPLES, FEATURES)
    shapes = [(FEATURES, HIDDEN), (HIDDEN,), (HIDDEN, units), (units,)]
    w0, b0, w1, b1 = parameters = [rounded(*s).requires_grad_() for s in shapes]
    t = torch.tensor(labels, dtype=torch.float64)
    y = getattr(torch, activation)(x @ w0 + b0) @ w1 + b1
    total = LOSSES[loss](y, t)
    total.backward()
    flat = torch.cat([p.detach().flatten() for p in parameters])
    gradient = torch.cat([p.grad.flatten() for p in parameters])
    short = lambda v: f"{v.item():.2f}f"
    print(f'      {{"{activation}", "{loss}", {units},')
    print(f"       {braces(x.flatten(), short)},")
    print(f"       {braces(t, short)},")
    print(f"       {braces(flat, short)},")
    print(f"       {total.item():.12g},")
    print(f"       {braces(gradient, lambda v: f'{v.item():.12g}')}}},")


torch.manual_seed(20)
print(HEADER)
fixture("relu", "softmax_cross_entropy", 3, [0, 2, 1, 2])
fixture("tanh", "softmax_cross_entropy", 3, [1, 1, 0, 2])
fixture("sigmoid", "sigmoid_cross_entropy", 1, [0, 1, 1, 0])
fixture("tanh", "mse", 1, [0.5, -1.25, 2, 0])
print(FOOTER)
