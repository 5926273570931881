// Prometheus's own judge of pages and rules, as far as it is installed.
#ifndef PACELINE_TESTS_METRICS_PROMTOOL_H_
#define PACELINE_TESTS_METRICS_PROMTOOL_H_

namespace paceline {

// Whether promtool can be run; says SKIPPED if not.
bool HasPromtool();

}  // namespace paceline

#endif  // PACELINE_TESTS_METRICS_PROMTOOL_H_
