"""Prints pytorch_layers.h: small models of every kind of layer and what PyTorch computes for them.

Run: /usr/bin/python3 worker/model/pytorch_layers.py > worker/model/pytorch_layers.h
(Debian package python3-torch 1.13, in float64; any later PyTorch gives the same numbers.)
"""
import math
import textwrap

import torch
from torch.nn import functional as F

from pytorch_numbers import braces, rounded

HEADER = """// PyTorch's losses and gradients for small models of every kind of layer: written by
// pytorch_layers.py.
//
// Shapes   features: [samples, features]; parameters and gradient: the job's flat vector.
#ifndef PACELINE_WORKER_MODEL_PYTORCH_LAYERS_H_
#define PACELINE_WORKER_MODEL_PYTORCH_LAYERS_H_

#include <vector>

namespace paceline {

struct PytorchLayers {
  const char* model;  // As in a spec.
  std::vector<float> features;
  std::vector<float> labels;
  std::vector<float> parameters;
  double loss_sum;
  std::vector<double> gradient_sum;
};

inline std::vector<PytorchLayers> PytorchLayersFixtures() {
  return {"""
FOOTER = """  };
}

}  // namespace paceline

#endif  // PACELINE_WORKER_MODEL_PYTORCH_LAYERS_H_"""


class Parameters:
    """Hands out a model's parameters in the order of its layers."""

    def __init__(self):
        self.all = []

    def new(self, *shape, scale=0.5):
        self.all.append(rounded(*shape, scale=scale).requires_grad_())
        return self.all[-1]


# Layers over [samples, ...positions, channels], as the spec has them.
def linear(p, x, units):
    return x @ p.new(x.shape[-1], units) + p.new(units)


def layer_norm(p, x, epsilon=1e-5):
    weight, bias = p.new(x.shape[-1]), p.new(x.shape[-1])
    return F.layer_norm(x, x.shape[-1:], weight, bias, epsilon)


def convolution(p, x, channels, kernel, stride=1, padding=0):
    weight = p.new(kernel, kernel, x.shape[-1], channels)
    y = F.conv2d(x.permute(0, 3, 1, 2), weight.permute(3, 2, 0, 1), p.new(channels), stride, padding)
    return y.permute(0, 2, 3, 1)


def convolution_1d(p, x, channels, kernel, stride=1, padding=0):
    weight = p.new(kernel, x.shape[-1], channels)
    y = F.conv1d(x.permute(0, 2, 1), weight.permute(2, 1, 0), p.new(channels), stride, padding)
    return y.permute(0, 2, 1)


def pool(x, function, size, stride):
    return function(x.permute(0, 3, 1, 2), size, stride).permute(0, 2, 3, 1)


def attention(p, x, heads, causal):
    n, length, width = x.shape
    qkv = x @ p.new(width, 3 * width) + p.new(3 * width)
    q, k, v = (t.view(n, length, heads, width // heads).transpose(1, 2) for t in qkv.chunk(3, -1))
    scores = q @ k.transpose(-1, -2) / math.sqrt(width // heads)
    if causal:
        scores = scores.masked_fill(torch.ones(length, length).triu(1).bool(), -math.inf)
    heads_out = (scores.softmax(-1) @ v).transpose(1, 2).reshape(n, length, width)
    return heads_out @ p.new(width, width) + p.new(width)


def fixture(text, features, labels, forward, smoothing=0.0):
    p = Parameters()
    t = torch.tensor(labels)
    total = F.cross_entropy(forward(p, features), t, reduction="sum", label_smoothing=smoothing)
    total.backward()
    flat = torch.cat([w.detach().flatten() for w in p.all])
    gradient = torch.cat([w.grad.flatten() for w in p.all])
    short = lambda v: f"{v.item():.2f}f"
    lines = textwrap.wrap(text, 84, break_long_words=False, drop_whitespace=False)
    print("      {" + "\n       ".join(f'"{line}"' for line in lines) + ",")
    print(f"       {braces(features.flatten(), short)},")
    print(f"       {braces(t.double(), short)},")
    print(f"       {braces(flat, short)},")
    print(f"       {total.item():.12g},")
    print(f"       {braces(gradient, lambda v: f'{v.item():.12g}')}}},")


def transformer(heads, causal):
    def forward(p, x):
        y = p.new(5, 4)[x.long()]
        y = y + p.new(3, 4)
        inner = layer_norm(p, y)
        y = y + attention(p, inner, heads, causal)
        inner = linear(p, layer_norm(p, y), 6)
        y = y + linear(p, F.gelu(inner), 4)
        return linear(p, y.mean(1), 2)

    return forward


def convolutions(p, x):
    y = convolution(p, x.view(-1, 5, 5, 1), 3, 3, padding=1)
    y = pool(F.relu(y), F.max_pool2d, 2, 1)
    y = convolution(p, y, 2, 2, stride=2)
    y = pool(y, F.avg_pool2d, 2, 2)
    return linear(p, y.flatten(1), 3)


def sequence(p, x):
    y = convolution_1d(p, x.view(-1, 6, 2), 3, 3, stride=2, padding=2)
    return linear(p, torch.tanh(y).mean(1), 2)


torch.manual_seed(21)
print(HEADER)
fixture("{layers: [{linear: 4}, gelu, {layer_norm: 0.001}, {residual: [{linear: 4}, softmax]}, "
        "{linear: 3}], loss: softmax_cross_entropy, label_smoothing: 0.1}",
        rounded(3, 5), [0, 2, 1],
        lambda p, x: linear(p, (lambda y: y + linear(p, y, 4).softmax(-1))(
            layer_norm(p, F.gelu(linear(p, x, 4)), 1e-3)), 3), 0.1)
fixture("{layers: [{reshape: [5, 5, 1]}, {convolution: {channels: 3, padding: 1}}, relu, "
        "{max_pool: {size: 2, stride: 1}}, {convolution: {channels: 2, kernel: 2, stride: 2}}, "
        "{average_pool: 2}, flatten, {linear: 3}], loss: softmax_cross_entropy}",
        rounded(2, 25), [1, 2], convolutions)
fixture("{layers: [{reshape: [6, 2]}, {convolution: {channels: 3, stride: 2, padding: 2}}, tanh, "
        "global_average_pool, {linear: 2}], loss: softmax_cross_entropy}",
        rounded(3, 12), [1, 0, 1], sequence)
TRANSFORMER = ("{layers: [{embedding: {vocabulary: 5, width: 4}}, positional_embedding, "
               "{residual: [layer_norm, {attention: {heads: 2, causal: CAUSAL}}]}, "
               "{residual: [layer_norm, {linear: 6}, gelu, {linear: 4}]}, global_average_pool, "
               "{linear: 2}], loss: softmax_cross_entropy}")
WORDS = torch.tensor([[0, 4, 2], [1, 1, 4]], dtype=torch.float64)
fixture(TRANSFORMER.replace("CAUSAL", "false"), WORDS, [1, 0], transformer(2, False))
fixture(TRANSFORMER.replace("CAUSAL", "true"), WORDS, [0, 1], transformer(2, True))
print(FOOTER)
