#include "cli/evaluation_view.h"

#include <cmath>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <vector>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"

namespace paceline::cli {
namespace {

using Json = nlohmann::ordered_json;

struct Metric {
  const char* key;
  const char* name;
  bool is_there;
  double value;
};

std::vector<Metric> MetricsOf(const v1::Evaluation& e) {
  return {
      {"macro_f1", "macro-F1", e.has_macro_f1(), e.macro_f1()},
      {"auc", "AUC", e.has_auc(), e.auc()},
      {"rmse", "RMSE", e.has_rmse(), e.rmse()},
      {"perplexity", "perplexity", e.has_perplexity(), e.perplexity()},
      {"calibration_error", "calibration error", e.has_calibration_error(), e.calibration_error()},
  };
}

}  // namespace

Json Number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

std::string MetricsText(const v1::Evaluation& evaluation) {
  std::vector<std::string> parts;
  for (const Metric& metric : MetricsOf(evaluation)) {
    if (metric.is_there) parts.push_back(absl::StrFormat("%s %.4f", metric.name, metric.value));
  }
  return absl::StrJoin(parts, ", ");
}

void AddMetrics(const v1::Evaluation& evaluation, Json* json) {
  (*json)["accuracy"] = evaluation.has_accuracy() ? Number(evaluation.accuracy()) : Json(nullptr);
  for (const Metric& metric : MetricsOf(evaluation)) {
    if (metric.is_there) (*json)[metric.key] = Number(metric.value);
  }
}

void AddConfusion(const v1::Evaluation& evaluation, Json* json) {
  const auto classes = static_cast<int>(std::lround(std::sqrt(evaluation.confusion_size())));
  if (classes == 0 || classes * classes != evaluation.confusion_size()) return;
  Json rows = Json::array();
  for (int label = 0; label < classes; ++label) {
    const auto row = evaluation.confusion().begin() + label * classes;
    rows.push_back(std::vector<uint64_t>(row, row + classes));
  }
  (*json)["confusion"] = rows;
}

}  // namespace paceline::cli
