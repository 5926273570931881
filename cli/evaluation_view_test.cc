#include "cli/evaluation_view.h"

#include <catch2/catch.hpp>
#include <limits>
#include <nlohmann/json.hpp>

namespace paceline::cli {
namespace {

v1::Evaluation Evaluation() {
  v1::Evaluation evaluation;
  evaluation.set_macro_f1(0.75);
  evaluation.set_perplexity(std::numeric_limits<double>::infinity());
  for (const uint64_t count : {3, 1, 0, 4}) evaluation.add_confusion(count);
  return evaluation;
}

TEST_CASE("metrics that are there are told, for people and as JSON that has no infinity") {
  nlohmann::ordered_json json = nlohmann::ordered_json::object();

  AddMetrics(Evaluation(), &json);

  CHECK(MetricsText(Evaluation()) == "macro-F1 0.7500, perplexity inf");
  CHECK(json.dump() == R"({"accuracy":null,"macro_f1":0.75,"perplexity":null})");
  CHECK(MetricsText({}).empty());
}

TEST_CASE("the confusion is a list for each label, and left out if it is none") {
  nlohmann::ordered_json json = nlohmann::ordered_json::object();
  v1::Evaluation broken = Evaluation();
  broken.add_confusion(1);

  AddConfusion({}, &json);
  AddConfusion(broken, &json);
  CHECK(json.empty());
  AddConfusion(Evaluation(), &json);

  CHECK(json.dump() == R"({"confusion":[[3,1],[0,4]]})");
}

}  // namespace
}  // namespace paceline::cli
