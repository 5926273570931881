#include "worker/model/metrics.h"

#include <algorithm>
#include <cmath>

namespace paceline {
namespace {

// More would be too much for every status of the job.
constexpr uint64_t kConfusionClassesMax = 32;

uint64_t ClassesOf(v1::ModelSpec::Loss loss, uint64_t width) {
  if (loss == v1::ModelSpec::SOFTMAX_CROSS_ENTROPY) return width;
  return loss == v1::ModelSpec::SIGMOID_CROSS_ENTROPY ? 2 : 0;
}

}  // namespace

Metrics::Metrics(v1::ModelSpec::Loss loss, uint64_t width)
    : loss_(loss),
      width_(width),
      classes_(ClassesOf(loss, width)),
      labelled_(classes_),
      predicted_(classes_),
      hit_(classes_),
      confusion_(classes_ <= kConfusionClassesMax ? classes_ * classes_ : 0) {}

void Metrics::Add(absl::Span<const float> outputs, absl::Span<const float> labels) {
  if (!Classifies()) return;
  for (size_t i = 0; i < labels.size(); ++i) {
    const auto label = static_cast<uint64_t>(labels[i]);
    const absl::Span<const float> row = outputs.subspan(i * width_, width_);
    if (loss_ == v1::ModelSpec::SIGMOID_CROSS_ENTROPY) {
      outputs_.push_back({row[0], label == 1});
      Count(label, row[0] > 0, 1 / (1 + std::exp(-std::abs(double{row[0]}))));
      continue;
    }
    const float* largest = std::max_element(row.begin(), row.end());
    double sum = 0;
    for (const float output : row) sum += std::exp(double{output} - *largest);
    Count(label, static_cast<uint64_t>(largest - row.begin()), 1 / sum);
  }
}

void Metrics::Count(uint64_t label, uint64_t predicted, double confidence) {
  ++samples_;
  ++labelled_[label];
  ++predicted_[predicted];
  if (label == predicted) ++hit_[label];
  if (!confusion_.empty()) ++confusion_[label * classes_ + predicted];
  // A confidence that is no number is in no bin; its loss tells of it.
  if (!(confidence >= 0 && confidence <= 1)) return;
  Bin& bin = bins_[std::min<size_t>(static_cast<size_t>(confidence * kBins), kBins - 1)];
  ++bin.samples;
  bin.hits += label == predicted;
  bin.confidence += confidence;
}

double Metrics::MacroF1() const {
  double sum = 0;
  uint64_t present = 0;
  for (uint64_t c = 0; c < classes_; ++c) {
    const uint64_t both = labelled_[c] + predicted_[c];
    if (both == 0) continue;
    ++present;
    sum += 2.0 * static_cast<double>(hit_[c]) / static_cast<double>(both);
  }
  return sum / static_cast<double>(present);
}

double Metrics::CalibrationError() const {
  double error = 0;
  for (const Bin& bin : bins_) error += std::abs(static_cast<double>(bin.hits) - bin.confidence);
  return error / static_cast<double>(samples_);
}

absl::optional<double> Metrics::Auc() const {
  if (labelled_[0] == 0 || labelled_[1] == 0) return absl::nullopt;
  for (const auto& [output, is_one] : outputs_) {
    if (std::isnan(output)) return absl::nullopt;
  }
  std::vector<std::pair<float, bool>> sorted = outputs_;
  std::sort(sorted.begin(), sorted.end());
  // Pairs of a 1 above a 0; those of equal outputs count half.
  double pairs = 0;
  uint64_t zeros_below = 0;
  for (size_t begin = 0; begin < sorted.size();) {
    size_t end = begin;
    uint64_t ones = 0;
    for (; end < sorted.size() && sorted[end].first == sorted[begin].first; ++end) {
      ones += sorted[end].second;
    }
    const uint64_t zeros = end - begin - ones;
    pairs += static_cast<double>(ones) *
             (static_cast<double>(zeros_below) + 0.5 * static_cast<double>(zeros));
    zeros_below += zeros;
    begin = end;
  }
  return pairs / (static_cast<double>(labelled_[0]) * static_cast<double>(labelled_[1]));
}

void Metrics::FillIn(v1::Evaluation* evaluation) const {
  if (loss_ == v1::ModelSpec::MSE) evaluation->set_rmse(std::sqrt(evaluation->loss()));
  if (samples_ == 0) return;
  evaluation->set_macro_f1(MacroF1());
  evaluation->set_calibration_error(CalibrationError());
  evaluation->mutable_confusion()->Assign(confusion_.begin(), confusion_.end());
  if (loss_ == v1::ModelSpec::SOFTMAX_CROSS_ENTROPY) {
    evaluation->set_perplexity(std::exp(evaluation->loss()));
    return;
  }
  if (const absl::optional<double> auc = Auc(); auc.has_value()) evaluation->set_auc(*auc);
}

}  // namespace paceline
