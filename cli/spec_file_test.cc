#include "cli/spec_file.h"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace paceline::cli {
namespace {

std::string Write(const std::string& name, const std::string& text) {
  const std::string path = std::string(std::getenv("TEST_TMPDIR")) + "/" + name;
  std::ofstream(path) << text;
  return path;
}

constexpr char kSpec[] = R"(
name: numbers
data:
  format: csv
  train: {path: numbers/train.csv}
  eval: {path: /far/eval.csv}
model: {layers: [{linear: 1}], loss: mse}
)";

TEST_CASE("a spec's paths are relative to its own folder") {
  const std::string path = Write("job.yaml", kSpec);

  const auto spec = LoadSpec(path, {});

  REQUIRE(spec.ok());
  const std::string folder = std::filesystem::path(path).parent_path().string();
  CHECK(spec->data().train().path() == folder + "/numbers/train.csv");
  CHECK(spec->data().eval().path() == "/far/eval.csv");
}

TEST_CASE("a relative path of the spec itself makes its paths absolute, too") {
  Write("job.yaml", kSpec);
  std::filesystem::current_path(std::getenv("TEST_TMPDIR"));

  const auto spec = LoadSpec("job.yaml", {});

  REQUIRE(spec.ok());
  CHECK(spec->data().train().path() ==
        (std::filesystem::current_path() / "numbers/train.csv").string());
}

TEST_CASE("an override replaces the file's value, and what nobody wrote is not there") {
  const auto spec = LoadSpec(Write("job.yaml", kSpec), {"train.epochs=7", "consistency={ssp: 3}"});

  REQUIRE(spec.ok());
  CHECK(spec->train().epochs() == 7);
  CHECK(spec->consistency().ssp().staleness() == 3);
  CHECK_FALSE(spec->fleet().has_workers());
}

TEST_CASE("no file, no spec, and a file far too large are told apart, each with its path") {
  const auto missing = LoadSpec("/no/such/job.yaml", {});
  CHECK(absl::IsNotFound(missing.status()));
  CHECK(std::string(missing.status().message()).find("/no/such/job.yaml") != std::string::npos);

  const std::string wrong = Write("wrong.yaml", "name: [");
  CHECK(absl::IsInvalidArgument(LoadSpec(wrong, {}).status()));

  const std::string large = Write("large.yaml", std::string((1 << 20) + 1, '#'));
  const auto refused = LoadSpec(large, {});
  CHECK(absl::IsInvalidArgument(refused.status()));
  CHECK(refused.status().message() == large + " is no spec: it has more than 1048576 bytes");
}

}  // namespace
}  // namespace paceline::cli
