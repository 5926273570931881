#include "common/job/layer_plan.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "common/base/status_macros.h"

namespace paceline {
namespace {

// A residual in a residual in ...; each is a call of this planner and of the model.
constexpr int kNestingMax = 4;
constexpr int kDimensionsMax = 4;
constexpr float kEmbeddingLimit = 0.05f;

// What one row of a matrix may have (kernels/kernels.h).
constexpr uint64_t kSampleElementsMax = std::numeric_limits<int32_t>::max();

template <typename... Parts>
absl::Status Invalid(const Parts&... parts) {
  return absl::InvalidArgumentError(absl::StrCat(parts...));
}

std::string ShapeText(const SampleShape& shape) {
  const auto dimension = [](std::string* out, uint64_t d) {
    absl::StrAppend(out, d == 0 ? "?" : absl::StrCat(d));
  };
  return absl::StrCat("[", absl::StrJoin(shape, ", ", dimension), "]");
}

// Two dimensions agree if one of them is not known.
bool Agree(const SampleShape& a, const SampleShape& b) {
  const auto same = [](uint64_t x, uint64_t y) { return x == y || x == 0 || y == 0; };
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), same);
}

ParameterInfo Constant(std::vector<uint64_t> shape, float value) {
  ParameterInfo parameter;
  parameter.shape = std::move(shape);
  parameter.initial_value = value;
  return parameter;
}

ParameterInfo Uniform(std::vector<uint64_t> shape, float limit) {
  ParameterInfo parameter = Constant(std::move(shape), limit);
  parameter.initial = ParameterInfo::Initial::kUniform;
  return parameter;
}

// Half the width of a weight's initial distribution.
float InitialLimit(uint64_t fan_in, uint64_t fan_out, bool before_relu) {
  const double fan =
      before_relu ? static_cast<double>(fan_in) : static_cast<double>(fan_in + fan_out);
  return static_cast<float>(std::sqrt(6.0 / fan));
}

std::vector<std::string> KindNames() {
  const google::protobuf::OneofDescriptor& kinds = *v1::LayerSpec::descriptor()->oneof_decl(0);
  std::vector<std::string> names;
  for (int i = 0; i < kinds.field_count(); ++i) names.push_back(kinds.field(i)->name());
  return names;
}

class Planner {
 public:
  // Layers `list`, which are `path`, on samples of `shape`; parameters are named `prefix`<index>.
  absl::StatusOr<std::vector<LayerPlan>> Plan(
      const google::protobuf::RepeatedPtrField<v1::LayerSpec>& list, const std::string& path,
      const std::string& prefix, int depth, SampleShape shape) {
    std::vector<LayerPlan> plans;
    for (int i = 0; i < list.size(); ++i) {
      LayerPlan plan;
      plan.spec = &list[i];
      plan.path = absl::StrCat(path, "[", i, "]");
      plan.input = shape;
      const bool before_relu = i + 1 < list.size() && list[i + 1].has_relu();
      const std::string name = absl::StrCat(prefix, i, ".");
      RETURN_IF_ERROR(PlanOne(before_relu, name, depth, &plan));
      shape = plan.output;
      is_input_ = is_input_ && IsView(list[i]);
      plans.push_back(std::move(plan));
    }
    return plans;
  }

  bool has_parameters() const { return total_ > 0; }

 private:
  absl::Status PlanOne(bool before_relu, const std::string& name, int depth, LayerPlan* plan) {
    plan->output = plan->input;
    switch (plan->spec->kind_case()) {
      case v1::LayerSpec::kLinear:
        RETURN_IF_ERROR(Linear(before_relu, name, plan));
        break;
      case v1::LayerSpec::kFlatten:
        plan->output = {ElementsOf(plan->input)};
        break;
      case v1::LayerSpec::kReshape:
        RETURN_IF_ERROR(Reshape(plan));
        break;
      case v1::LayerSpec::kLayerNorm:
        RETURN_IF_ERROR(Add(name, "weight", Constant({plan->input.back()}, 1), plan));
        RETURN_IF_ERROR(Add(name, "bias", Constant({plan->input.back()}, 0), plan));
        break;
      case v1::LayerSpec::kResidual:
        RETURN_IF_ERROR(Residual(name, depth, plan));
        break;
      case v1::LayerSpec::kConvolution:
        RETURN_IF_ERROR(Convolution(before_relu, name, plan));
        break;
      case v1::LayerSpec::kMaxPool:
        RETURN_IF_ERROR(Pool(".max_pool", plan->spec->max_pool(), plan));
        break;
      case v1::LayerSpec::kAveragePool:
        RETURN_IF_ERROR(Pool(".average_pool", plan->spec->average_pool(), plan));
        break;
      case v1::LayerSpec::kGlobalAveragePool:
        RETURN_IF_ERROR(RequirePositions(*plan));
        plan->output = {plan->input.back()};
        break;
      case v1::LayerSpec::kEmbedding:
        RETURN_IF_ERROR(Embedding(name, plan));
        break;
      case v1::LayerSpec::kPositionalEmbedding:
        RETURN_IF_ERROR(RequireSequence(*plan));
        RETURN_IF_ERROR(Add(name, "weight", Uniform(plan->input, kEmbeddingLimit), plan));
        break;
      case v1::LayerSpec::kAttention:
        RETURN_IF_ERROR(Attention(name, plan));
        break;
      case v1::LayerSpec::kRelu:
      case v1::LayerSpec::kTanh:
      case v1::LayerSpec::kSigmoid:
      case v1::LayerSpec::kGelu:
      case v1::LayerSpec::kSoftmax:
      case v1::LayerSpec::kDropout:
        break;
      case v1::LayerSpec::KIND_NOT_SET:
        return Invalid(plan->path, " is empty; wanted one of ", absl::StrJoin(KindNames(), ", "));
    }
    return CheckSize(*plan);
  }

  absl::Status Linear(bool before_relu, const std::string& name, LayerPlan* plan) {
    const uint64_t in = plan->input.back();
    const uint64_t units = plan->spec->linear().units();
    if (units == 0) {
      return Invalid(plan->path, ".linear.units is 0; wanted the width of the layer's output");
    }
    plan->output.back() = units;
    RETURN_IF_ERROR(
        Add(name, "weight", Uniform({in, units}, InitialLimit(in, units, before_relu)), plan));
    return Add(name, "bias", Constant({units}, 0), plan);
  }

  absl::Status Reshape(LayerPlan* plan) const {
    const auto& shape = plan->spec->reshape().shape();
    if (shape.empty() || shape.size() > kDimensionsMax) {
      return Invalid(plan->path, ".reshape.shape has ", shape.size(), " dimensions; wanted 1 to ",
                     kDimensionsMax);
    }
    if (std::find(shape.begin(), shape.end(), 0) != shape.end()) {
      return Invalid(plan->path, ".reshape.shape has a dimension of 0; wanted at least 1");
    }
    plan->output.assign(shape.begin(), shape.end());
    RETURN_IF_ERROR(CheckSize(*plan));
    const uint64_t elements = ElementsOf(plan->input);
    if (elements == 0 || elements == ElementsOf(plan->output)) return absl::OkStatus();
    return Invalid(plan->path, ".reshape.shape ", ShapeText(plan->output), " has ",
                   ElementsOf(plan->output), " numbers, but what comes before it gives ",
                   ShapeText(plan->input), ", which has ", elements);
  }

  absl::Status Convolution(bool before_relu, const std::string& name, LayerPlan* plan) {
    const v1::ConvolutionLayer& spec = plan->spec->convolution();
    const uint64_t kernel = KernelOf(spec);
    const uint64_t stride = StrideOf(spec);
    const uint64_t channels = spec.channels();
    if (channels < 1 || kernel < 1 || stride < 1 || spec.padding() >= kernel) {
      return Invalid(plan->path, ".convolution has ", channels, " channels, kernel ", kernel,
                     ", stride ", stride, " and padding ", spec.padding(),
                     "; wanted each but the padding at least 1, and the padding below the kernel");
    }
    RETURN_IF_ERROR(RequirePositions(*plan));
    RETURN_IF_ERROR(Windows(".convolution", kernel, stride, spec.padding(), plan));
    const uint64_t in = plan->input.back();
    plan->output.back() = channels;
    std::vector<uint64_t> shape(plan->input.size() - 1, kernel);
    const uint64_t window = ElementsOf(shape);
    shape.insert(shape.end(), {in, channels});
    const float limit = InitialLimit(window * in, window * channels, before_relu);
    RETURN_IF_ERROR(Add(name, "weight", Uniform(shape, limit), plan));
    return Add(name, "bias", Constant({channels}, 0), plan);
  }

  absl::Status Pool(absl::string_view kind, const v1::PoolLayer& spec, LayerPlan* plan) const {
    const uint64_t stride = StrideOf(spec);
    if (spec.size() < 1 || stride < 1) {
      return Invalid(plan->path, kind, " has size ", spec.size(), " and stride ", stride,
                     "; wanted both at least 1");
    }
    RETURN_IF_ERROR(RequirePositions(*plan));
    return Windows(kind, spec.size(), stride, 0, plan);
  }

  // The output's positions: one for each window that fits.
  static absl::Status Windows(absl::string_view kind, uint64_t side, uint64_t stride,
                              uint64_t padding, LayerPlan* plan) {
    for (size_t i = 0; i + 1 < plan->input.size(); ++i) {
      const uint64_t dimension = plan->input[i];
      if (dimension == 0) continue;
      if (side > dimension + 2 * padding) {
        return Invalid(plan->path, kind, "'s windows have side ", side,
                       ", but what comes before it gives ", ShapeText(plan->input),
                       padding > 0 ? absl::StrCat(", padded by ", padding) : "");
      }
      plan->output[i] = (dimension + 2 * padding - side) / stride + 1;
    }
    return absl::OkStatus();
  }

  absl::Status Embedding(const std::string& name, LayerPlan* plan) {
    const v1::EmbeddingLayer& spec = plan->spec->embedding();
    if (spec.vocabulary() < 1 || spec.width() < 1) {
      return Invalid(plan->path, ".embedding has vocabulary ", spec.vocabulary(), " and width ",
                     spec.width(), "; wanted both at least 1");
    }
    if (!is_input_) {
      return Invalid(plan->path,
                     ".embedding takes words, but a layer before it has computed with "
                     "them; wanted it to be the first layer");
    }
    if (plan->input.size() != 1) {
      return Invalid(plan->path, ".embedding takes [length], but what comes before it gives ",
                     ShapeText(plan->input));
    }
    plan->output.push_back(spec.width());
    return Add(name, "weight", Uniform({spec.vocabulary(), spec.width()}, kEmbeddingLimit), plan);
  }

  absl::Status Attention(const std::string& name, LayerPlan* plan) {
    const v1::AttentionLayer& spec = plan->spec->attention();
    const uint64_t heads = HeadsOf(spec);
    RETURN_IF_ERROR(RequireSequence(*plan));
    const uint64_t width = plan->input.back();
    if (heads < 1 || width % heads != 0) {
      return Invalid(plan->path, ".attention.heads is ", heads, "; wanted a divisor of the width, ",
                     width);
    }
    // Q, K and V are three layers of the same size, side by side.
    const float limit = InitialLimit(width, width, false);
    RETURN_IF_ERROR(Add(name, "qkv.weight", Uniform({width, 3 * width}, limit), plan));
    RETURN_IF_ERROR(Add(name, "qkv.bias", Constant({3 * width}, 0), plan));
    RETURN_IF_ERROR(Add(name, "out.weight", Uniform({width, width}, limit), plan));
    return Add(name, "out.bias", Constant({width}, 0), plan);
  }

  static absl::Status RequireSequence(const LayerPlan& plan) {
    if (plan.input.size() == 2) return absl::OkStatus();
    return Invalid(plan.path, " takes [length, width], but what comes before it gives ",
                   ShapeText(plan.input));
  }

  static absl::Status RequirePositions(const LayerPlan& plan) {
    if (plan.input.size() == 2 || plan.input.size() == 3) return absl::OkStatus();
    return Invalid(
        plan.path,
        " takes [height, width, channels] or [length, channels], but what comes before it "
        "gives ",
        ShapeText(plan.input), plan.input.size() == 1 ? "; a reshape may name them" : "");
  }

  absl::Status Residual(const std::string& name, int depth, LayerPlan* plan) {
    const auto& layers = plan->spec->residual().layers();
    if (depth == kNestingMax) {
      return Invalid(plan->path, ".residual is inside ", depth, " others; wanted at most ",
                     kNestingMax - 1);
    }
    if (std::all_of(layers.begin(), layers.end(), IsView)) {
      return Invalid(plan->path, ".residual.layers computes nothing; wanted at least one layer");
    }
    is_input_ = false;  // It is added to what the layers make of it.
    ASSIGN_OR_RETURN(plan->inner, Plan(layers, absl::StrCat(plan->path, ".residual.layers"),
                                       absl::StrCat(name, "layers."), depth + 1, plan->input));
    const SampleShape& inner = plan->inner.back().output;
    if (Agree(inner, plan->input)) return absl::OkStatus();
    return Invalid(plan->path, ".residual.layers makes ", ShapeText(inner), " of ",
                   ShapeText(plan->input), "; wanted the same shape, to add them");
  }

  absl::Status Add(const std::string& name, absl::string_view part, ParameterInfo parameter,
                   LayerPlan* plan) {
    parameter.name = absl::StrCat("layers.", name, part);
    for (uint64_t& dimension : parameter.shape) dimension = std::max<uint64_t>(dimension, 1);
    RETURN_IF_ERROR(PlaceParameter(&parameter, &total_));
    plan->parameters.push_back(std::move(parameter));
    return absl::OkStatus();
  }

  static absl::Status CheckSize(const LayerPlan& plan) {
    uint64_t elements = 1;
    for (const uint64_t dimension : plan.output) {
      if (dimension == 0) return absl::OkStatus();
      if (dimension > kSampleElementsMax / elements) {
        return Invalid(plan.path, " gives ", ShapeText(plan.output), "; wanted at most ",
                       kSampleElementsMax, " numbers a sample");
      }
      elements *= dimension;
    }
    return absl::OkStatus();
  }

  uint64_t total_ = 0;
  bool is_input_ = true;  // Whether what comes next is the data's own numbers.
};

absl::Status CheckLoss(const v1::ModelSpec& model, const std::vector<LayerPlan>& plans) {
  const SampleShape& shape = plans.back().output;
  const std::string loss = absl::AsciiStrToLower(v1::ModelSpec::Loss_Name(model.loss()));
  if (shape.size() != 1) {
    return Invalid(plans.back().path, " gives ", ShapeText(shape), ", but model.loss ", loss,
                   " wants one dimension: flatten it, or pool it");
  }
  const bool one_output =
      model.loss() == v1::ModelSpec::MSE || model.loss() == v1::ModelSpec::SIGMOID_CROSS_ENTROPY;
  if (!one_output || shape[0] == 1 || shape[0] == 0) return absl::OkStatus();
  // What a person would change: the layer that last set the width.
  const auto linear = std::find_if(plans.rbegin(), plans.rend(),
                                   [](const LayerPlan& plan) { return plan.spec->has_linear(); });
  const bool is_linear = linear != plans.rend() && linear->output == shape;
  return Invalid(is_linear ? absl::StrCat(linear->path, ".linear.units is ", shape[0])
                           : absl::StrCat(plans.back().path, " gives ", ShapeText(shape)),
                 ", but model.loss ", loss, " wants a last layer of width 1");
}

}  // namespace

uint64_t ElementsOf(const SampleShape& shape) {
  uint64_t elements = 1;
  for (const uint64_t dimension : shape) elements *= dimension;
  return elements;
}

bool IsView(const v1::LayerSpec& spec) { return spec.has_flatten() || spec.has_reshape(); }

uint64_t KernelOf(const v1::ConvolutionLayer& spec) {
  return spec.has_kernel() ? spec.kernel() : 3;
}

uint64_t StrideOf(const v1::ConvolutionLayer& spec) {
  return spec.has_stride() ? spec.stride() : 1;
}

uint64_t StrideOf(const v1::PoolLayer& spec) {
  return spec.has_stride() ? spec.stride() : spec.size();
}

uint64_t HeadsOf(const v1::AttentionLayer& spec) { return spec.has_heads() ? spec.heads() : 1; }

absl::StatusOr<std::vector<LayerPlan>> PlanLayers(const v1::ModelSpec& model, uint64_t features) {
  Planner planner;
  ASSIGN_OR_RETURN(std::vector<LayerPlan> plans,
                   planner.Plan(model.layers(), "model.layers", "", 0, {features}));
  if (!planner.has_parameters()) {
    return absl::InvalidArgumentError(
        "model.layers has no layer with parameters; wanted at least one, or nothing can be "
        "trained");
  }
  RETURN_IF_ERROR(CheckLoss(model, plans));
  return plans;
}

}  // namespace paceline
