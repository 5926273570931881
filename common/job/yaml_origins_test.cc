#include "common/job/yaml_origins.h"

#include <catch2/catch.hpp>

namespace paceline {
namespace {

// train: {epochs: ...} and two layers, a line each.
YamlOrigins Origins() {
  YamlOrigins origins("job.yaml");
  origins.SetLine("train", 2);
  origins.SetLine("train.epochs", 3);
  origins.SetLine("trained", 4);
  origins.SetLine("model.layers", 5);
  origins.SetLine("model.layers[0]", 6);
  origins.SetLine("model.layers[0].linear", 7);
  return origins;
}

TEST_CASE("a field has its own line, or that of the nearest field around it") {
  const YamlOrigins origins = Origins();

  CHECK(origins.Find("train.epochs") == "job.yaml:3");
  CHECK(origins.Find("train.shards_per_push") == "job.yaml:2");
  CHECK(origins.Find("model.layers[0].linear.units") == "job.yaml:7");
  CHECK(origins.Find("model.layers[1].linear.units") == "job.yaml:5");
  CHECK(origins.Find("fleet.workers") == "job.yaml");
  CHECK(origins.Find("") == "job.yaml");
}

TEST_CASE("what replaces a field takes the place of all below it, and of nothing beside it") {
  YamlOrigins origins = Origins();
  origins.Replace("train", "--set train");
  origins.Replace("model.layers", "--set model.layers");

  CHECK(origins.Find("train.epochs") == "--set train");
  CHECK(origins.Find("trained") == "job.yaml:4");
  CHECK(origins.Find("model.layers[0].linear.units") == "--set model.layers");
}

TEST_CASE("an error is looked up by the field that it begins with") {
  const YamlOrigins origins = Origins();

  CHECK(origins.FindFor("train.epochs is 0; wanted 1") == "job.yaml:3");
  CHECK(origins.FindFor("train: nothing") == "job.yaml:2");
  CHECK(origins.FindFor("the spec has no name") == "job.yaml");
  CHECK(origins.FindFor("") == "job.yaml");
}

}  // namespace
}  // namespace paceline
