// What a program tells Prometheus at one moment: samples of metrics, and their text.
//
// Shapes   A metric has a fixed list of labels; each sample gives their values in that order. A
//          second sample with the same values replaces the first: Prometheus refuses a whole page
//          for one that is there twice.
// Units    As the metric's name says, in base units: seconds, bytes.
// Threads  One object, one thread.
// Source   Prometheus text format 0.0.4:
// https://prometheus.io/docs/instrumenting/exposition_formats/
#ifndef PACELINE_COMMON_TELEMETRY_METRIC_SET_H_
#define PACELINE_COMMON_TELEMETRY_METRIC_SET_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/optional.h"

namespace paceline {

enum class MetricType { kCounter, kGauge, kHistogram };

// "counter", "gauge", "histogram".
absl::string_view MetricTypeName(MetricType type);

// A metric's name and meaning. Lives as long as the program.
struct MetricSpec {
  absl::string_view name;
  MetricType type = MetricType::kGauge;
  absl::string_view labels;  // "job_name,partition"; empty: none.
  absl::string_view help;    // One line.
};

// A metric's labels one by one.
std::vector<std::string> LabelNames(const MetricSpec& spec);

class MetricSet {
 public:
  using LabelValues = std::vector<std::string>;  // As many as the metric has labels.

  // Of a counter or gauge.
  void Add(const MetricSpec& spec, double value, LabelValues labels = {});

  // Of a histogram: counts[i] observations are above bounds[i - 1] and at most bounds[i]; the last
  // one, without a bound, counts the rest. Bounds ascend. It has no sum.
  void AddHistogram(const MetricSpec& spec, const std::vector<double>& bounds,
                    const std::vector<uint64_t>& counts, LabelValues labels = {});

  // The value of a counter or gauge; nothing: there is no such sample.
  absl::optional<double> Find(absl::string_view name, const LabelValues& labels = {}) const;

  // Of all metrics that have a sample, ascending.
  std::vector<std::string> Names() const;

  // The page: metrics by name, samples by their labels.
  std::string Text() const;

 private:
  // One line of the page.
  struct Line {
    absl::string_view suffix;  // "", "_bucket", "_count".
    std::string bound;         // Of a bucket.
    double value = 0;
  };
  struct Family {
    MetricSpec spec;
    std::map<LabelValues, std::vector<Line>> samples;
  };

  std::vector<Line>& At(const MetricSpec& spec, LabelValues labels);

  std::map<std::string, Family> families_;
};

}  // namespace paceline

#endif  // PACELINE_COMMON_TELEMETRY_METRIC_SET_H_
