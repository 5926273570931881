// What an evaluation says beside the loss and the share of hits, from every sample's outputs.
//
// Shapes   outputs: [samples, width]; labels: [samples].
// Units    As v1.Evaluation's fields say.
// Threads  One thread at a time. The same samples in the same order give the same bits.
// Source   Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, section 2
// (calibration
//          error); Hanley & McNeil, Radiology 143, 1982 (AUC as a rank sum).
//
// For AUC every output is kept until the end: 8 bytes a sample.
#ifndef PACELINE_WORKER_MODEL_METRICS_H_
#define PACELINE_WORKER_MODEL_METRICS_H_

#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/types/optional.h"
#include "absl/types/span.h"
#include "proto/control.pb.h"
#include "proto/job.pb.h"

namespace paceline {

class Metrics {
 public:
  // Of a model whose last layer has `width` outputs.
  Metrics(v1::ModelSpec::Loss loss, uint64_t width);

  // Labels are ones that the loss allows.
  void Add(absl::Span<const float> outputs, absl::Span<const float> labels);

  // Writes what there is to say of all samples added; evaluation->loss() is their mean loss.
  void FillIn(v1::Evaluation* evaluation) const;

 private:
  static constexpr size_t kBins = 15;

  struct Bin {
    uint64_t samples = 0;
    uint64_t hits = 0;
    double confidence = 0;  // Sum.
  };

  bool Classifies() const { return classes_ > 0; }
  // One sample of class `label` for which `predicted` is the likeliest class.
  void Count(uint64_t label, uint64_t predicted, double confidence);
  double MacroF1() const;
  double CalibrationError() const;
  // Absent without both labels, or with an output that is no number.
  absl::optional<double> Auc() const;

  const v1::ModelSpec::Loss loss_;
  const uint64_t width_;
  const uint64_t classes_;  // 0: the loss predicts none.

  uint64_t samples_ = 0;
  std::vector<uint64_t> labelled_;   // [classes]
  std::vector<uint64_t> predicted_;  // [classes]
  std::vector<uint64_t> hit_;        // [classes]
  std::vector<uint64_t> confusion_;  // [classes, classes], or empty: too many.
  std::array<Bin, kBins> bins_;
  std::vector<std::pair<float, bool>> outputs_;  // Sigmoid: output, whether the label is 1.
};

}  // namespace paceline

#endif  // PACELINE_WORKER_MODEL_METRICS_H_
