// What an evaluation says beside its loss, for people and as JSON.
//
// Threads  Pure functions.
#ifndef PACELINE_CLI_EVALUATION_VIEW_H_
#define PACELINE_CLI_EVALUATION_VIEW_H_

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "proto/control.pb.h"

namespace paceline::cli {

// Null for what JSON has no number for: NaN and infinity.
nlohmann::ordered_json Number(double value);

// "macro-F1 0.9012, calibration error 0.0123": the metrics there are; empty if there is none.
std::string MetricsText(const v1::Evaluation& evaluation);

// Adds `accuracy`, null if there is none, and the other metrics there are to an object.
void AddMetrics(const v1::Evaluation& evaluation, nlohmann::ordered_json* json);

// Adds `confusion`, a list of counts for each label, if there is one.
void AddConfusion(const v1::Evaluation& evaluation, nlohmann::ordered_json* json);

}  // namespace paceline::cli

#endif  // PACELINE_CLI_EVALUATION_VIEW_H_
