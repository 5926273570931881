// deploy/prometheus: every query of the dashboard, the rules and the alerts parses, and names only
// metrics and labels that there are.
#include <yaml-cpp/yaml.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "tests/metrics/metrics_reference.h"
#include "tests/metrics/promtool.h"

namespace paceline {
namespace {

using Json = nlohmann::json;

constexpr char kFolder[] = "deploy/prometheus/";

struct Query {
  std::string where;
  std::string text;
};

std::vector<Query> DashboardQueries() {
  std::ifstream file(absl::StrCat(kFolder, "dashboard.json"));
  const Json dashboard = Json::parse(file);
  std::vector<Query> queries;
  for (const Json& panel : dashboard["panels"]) {
    for (const Json& target : panel.value("targets", Json::array())) {
      queries.push_back({"dashboard: " + panel["title"].get<std::string>(), target["expr"]});
    }
  }
  for (const Json& variable : dashboard["templating"]["list"]) {
    // "label_values(METRIC, LABEL)" is Grafana's own; it asks for what this does.
    std::smatch match;
    const std::string text = variable["query"];
    if (!std::regex_match(text, match, std::regex("label_values\\((\\w+), (\\w+)\\)"))) continue;
    queries.push_back({"dashboard: variable " + variable["name"].get<std::string>(),
                       absl::StrCat("count by (", match.str(2), ") (", match.str(1), ")")});
  }
  return queries;
}

// Of a file's rules, by their names.
std::vector<std::pair<std::string, Query>> Rules(const std::string& name) {
  std::vector<std::pair<std::string, Query>> rules;
  for (const YAML::Node& group : YAML::LoadFile(kFolder + name)["groups"]) {
    for (const YAML::Node& rule : group["rules"]) {
      const auto id = (rule["alert"] ? rule["alert"] : rule["record"]).as<std::string>();
      rules.push_back({id, {name + ": " + id, rule["expr"].as<std::string>()}});
    }
  }
  return rules;
}

std::vector<Query> AllQueries() {
  std::vector<Query> queries = DashboardQueries();
  for (const char* name : {"recording.yaml", "alerts.yaml"}) {
    for (auto& [id, query] : Rules(name)) queries.push_back(std::move(query));
  }
  return queries;
}

// What a query may name, with the labels of each.
std::map<std::string, std::set<std::string>> Series() {
  std::map<std::string, std::set<std::string>> series;
  std::set<std::string> every = {"job", "instance"};
  for (const MetricSpec& metric : AllMetrics()) {
    std::set<std::string> labels = {"job", "instance"};
    for (const std::string& label : LabelNames(metric)) labels.insert(label);
    every.insert(labels.begin(), labels.end());
    const std::string name(metric.name);
    if (metric.type == MetricType::kHistogram) {
      series[name + "_count"] = labels;
      labels.insert("le");
      series[name + "_bucket"] = labels;
    } else {
      series[name] = labels;
    }
  }
  for (const auto& [record, query] : Rules("recording.yaml")) series[record] = every;
  return series;
}

std::vector<std::smatch> Matches(const std::string& text, const std::regex& pattern) {
  return {std::sregex_iterator(text.begin(), text.end(), pattern), std::sregex_iterator()};
}

// What is wrong with it; empty: nothing.
std::string Unknown(const Query& query,
                    const std::map<std::string, std::set<std::string>>& series) {
  static const std::regex kName("\\b([a-z_]+:)?(paceline|process)_[a-z0-9_:]*(\\{([^}]*)\\})?");
  static const std::regex kMatcher("([a-z_]+)[!=~]+\"");
  static const std::regex kGrouping("\\b(by|on|without|ignoring) *\\(([a-z_, ]*)\\)");
  std::set<std::string> labels;
  for (const auto& [name, of_series] : series) labels.insert(of_series.begin(), of_series.end());
  for (const std::smatch& match : Matches(query.text, kName)) {
    const std::string all = match.str(0);
    const std::string name = all.substr(0, all.find('{'));
    // A label's value, such as a scrape job's name.
    if (match.position(0) > 0 && query.text[match.position(0) - 1] == '"') continue;
    const auto found = series.find(name);
    if (found == series.end()) return "no metric " + name;
    const std::string matchers = match.str(4);
    for (const std::smatch& matcher : Matches(matchers, kMatcher)) {
      if (found->second.count(matcher.str(1)) == 0) {
        return absl::StrCat(name, " has no label ", matcher.str(1));
      }
    }
  }
  for (const std::smatch& match : Matches(query.text, kGrouping)) {
    const std::vector<std::string> grouped =
        absl::StrSplit(match.str(2), absl::ByAnyChar(", "), absl::SkipEmpty());
    for (const std::string& label : grouped) {
      if (labels.count(label) == 0) return "no label " + label;
    }
  }
  return "";
}

TEST_CASE("every query names metrics and labels that there are") {
  const auto series = Series();
  const std::vector<Query> queries = AllQueries();
  CHECK(queries.size() > 60);
  for (const Query& query : queries) {
    INFO(query.where << ": " << query.text);
    CHECK(Unknown(query, series) == "");
  }
}

TEST_CASE("a wrong name or label in a query is found") {
  const auto series = Series();
  CHECK(Unknown({"", "sum by (job_name) (paceline_job_loss{job_name=\"a\"})"}, series) == "");
  CHECK(Unknown({"", "paceline_job_los"}, series) == "no metric paceline_job_los");
  CHECK(Unknown({"", "rate(paceline_partition_push_staleness[1m])"}, series) ==
        "no metric paceline_partition_push_staleness");
  CHECK(Unknown({"", "job_name:paceline_job_loss:rate1m"}, series) ==
        "no metric job_name:paceline_job_loss:rate1m");
  CHECK(Unknown({"", "paceline_job_loss{worker=\"a\"}"}, series) ==
        "paceline_job_loss has no label worker");
  CHECK(Unknown({"", "sum by (jobname) (paceline_job_loss)"}, series) == "no label jobname");
}

TEST_CASE("every query parses, and the rules do what their tests say") {
  if (!HasPromtool()) return;
  const auto succeeds = [](const std::string& arguments) {
    INFO("promtool " << arguments);
    CHECK(std::system(absl::StrCat("promtool ", arguments).c_str()) == 0);
  };
  succeeds("check config deploy/prometheus/prometheus.yaml");
  succeeds(
      "check rules --lint-fatal deploy/prometheus/recording.yaml deploy/prometheus/alerts.yaml");
  succeeds("test rules deploy/prometheus/rules_test.yaml");

  // The dashboard's, as the rules of a file.
  YAML::Node rules;
  for (const Query& query : DashboardQueries()) {
    YAML::Node rule;
    rule["record"] = absl::StrCat("dashboard:query", rules.size());
    rule["expr"] = absl::StrReplaceAll(query.text, {{"$__rate_interval", "1m"}});
    rules.push_back(rule);
  }
  YAML::Node group;
  group["name"] = "dashboard";
  group["rules"] = rules;
  YAML::Node file;
  file["groups"].push_back(group);
  const std::string path = absl::StrCat(std::getenv("TEST_TMPDIR"), "/dashboard.yaml");
  std::ofstream(path) << file;
  succeeds("check rules --lint-fatal " + path);
}

TEST_CASE("docs/metrics.md says what to do about each alert") {
  std::ifstream page("docs/metrics.md", std::ios::binary);
  const std::string text(std::istreambuf_iterator<char>(page), {});
  for (const auto& [id, query] : Rules("alerts.yaml")) {
    INFO(id);
    CHECK(absl::StrContains(text, absl::StrCat("| `", id, "` |")));
  }
}

}  // namespace
}  // namespace paceline
