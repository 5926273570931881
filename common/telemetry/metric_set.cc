#include "common/telemetry/metric_set.h"

#include <charconv>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "common/base/check.h"

namespace paceline {
namespace {

// The shortest text that reads back as the same number.
std::string NumberText(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  char text[32];
  const std::to_chars_result result = std::to_chars(text, text + sizeof(text), value);
  return std::string(text, result.ptr);
}

std::string LabelText(absl::string_view name, absl::string_view value) {
  return absl::StrCat(name, "=\"",
                      absl::StrReplaceAll(value, {{"\\", "\\\\"}, {"\n", "\\n"}, {"\"", "\\\""}}),
                      "\"");
}

}  // namespace

absl::string_view MetricTypeName(MetricType type) {
  switch (type) {
    case MetricType::kCounter:
      return "counter";
    case MetricType::kGauge:
      return "gauge";
    case MetricType::kHistogram:
      return "histogram";
  }
  return "";
}

std::vector<std::string> LabelNames(const MetricSpec& spec) {
  return absl::StrSplit(spec.labels, ',', absl::SkipEmpty());
}

std::vector<MetricSet::Line>& MetricSet::At(const MetricSpec& spec, LabelValues labels) {
  PACELINE_CHECK(labels.size() == LabelNames(spec).size());
  Family& family = families_[std::string(spec.name)];
  family.spec = spec;
  std::vector<Line>& lines = family.samples[std::move(labels)];
  lines.clear();
  return lines;
}

void MetricSet::Add(const MetricSpec& spec, double value, LabelValues labels) {
  PACELINE_CHECK(spec.type != MetricType::kHistogram);
  At(spec, std::move(labels)).push_back({"", "", value});
}

void MetricSet::AddHistogram(const MetricSpec& spec, const std::vector<double>& bounds,
                             const std::vector<uint64_t>& counts, LabelValues labels) {
  PACELINE_CHECK(spec.type == MetricType::kHistogram);
  PACELINE_CHECK(counts.size() == bounds.size() + 1);
  std::vector<Line>& lines = At(spec, std::move(labels));
  double below = 0;
  for (size_t i = 0; i < counts.size(); ++i) {
    below += static_cast<double>(counts[i]);
    lines.push_back({"_bucket", i < bounds.size() ? NumberText(bounds[i]) : "+Inf", below});
  }
  lines.push_back({"_count", "", below});
}

absl::optional<double> MetricSet::Find(absl::string_view name, const LabelValues& labels) const {
  const auto family = families_.find(std::string(name));
  if (family == families_.end()) return absl::nullopt;
  const auto sample = family->second.samples.find(labels);
  if (sample == family->second.samples.end() || sample->second.size() != 1) return absl::nullopt;
  return sample->second[0].value;
}

std::vector<std::string> MetricSet::Names() const {
  std::vector<std::string> names;
  for (const auto& [name, family] : families_) names.push_back(name);
  return names;
}

std::string MetricSet::Text() const {
  std::string text;
  for (const auto& [name, family] : families_) {
    absl::StrAppend(&text, "# HELP ", name, " ",
                    absl::StrReplaceAll(family.spec.help, {{"\\", "\\\\"}, {"\n", "\\n"}}),
                    "\n# TYPE ", name, " ", MetricTypeName(family.spec.type), "\n");
    const std::vector<std::string> names = LabelNames(family.spec);
    for (const auto& [values, lines] : family.samples) {
      std::string labels;
      for (size_t i = 0; i < names.size(); ++i) {
        absl::StrAppend(&labels, i > 0 ? "," : "", LabelText(names[i], values[i]));
      }
      for (const Line& line : lines) {
        std::string all = labels;
        if (!line.bound.empty()) {
          absl::StrAppend(&all, all.empty() ? "" : ",", LabelText("le", line.bound));
        }
        absl::StrAppend(&text, name, line.suffix, all.empty() ? "" : "{", all,
                        all.empty() ? "" : "}", " ", NumberText(line.value), "\n");
      }
    }
  }
  return text;
}

}  // namespace paceline
