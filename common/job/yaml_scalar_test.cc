#include "common/job/yaml_scalar.h"

#include <google/protobuf/descriptor.h>

#include <catch2/catch.hpp>
#include <cmath>

#include "proto/job.pb.h"

namespace paceline {
namespace {

template <typename Message>
bool Store(absl::string_view text, const char* field, Message* message, bool quoted = false) {
  return StoreScalar(text, quoted, *Message::descriptor()->FindFieldByName(field), message);
}

TEST_CASE("a whole number is decimal digits in its type's range, and nothing else") {
  v1::TrainSpec train;
  CHECK(Store("4294967295", "epochs", &train));
  CHECK(train.epochs() == 4294967295u);
  for (const char* text : {"4294967296", "-1", "1.5", "1e3", "0x10", "010", "+1", "1_000", "", "-",
                           " 1", "true", "1 2"}) {
    INFO(text);
    CHECK_FALSE(Store(text, "epochs", &train));
  }
  CHECK_FALSE(Store("10", "epochs", &train, true));
  CHECK(train.epochs() == 4294967295u);

  v1::JobSpec spec;
  CHECK(Store("18446744073709551615", "seed", &spec));
  CHECK_FALSE(Store("18446744073709551616", "seed", &spec));
}

TEST_CASE("a number is what float32 can hold; infinity and NaN pass to the range checks") {
  v1::AdamSpec adam;
  CHECK(Store("1e-3", "learning_rate", &adam));
  CHECK(adam.learning_rate() == 0.001f);
  CHECK(Store("-.5", "learning_rate", &adam));
  CHECK(adam.learning_rate() == -0.5f);
  for (const char* text :
       {"1e39", "-1e39", "1e-60", "1e999", "0x1p3", "one", "1,5", "infinity", ""}) {
    INFO(text);
    CHECK_FALSE(Store(text, "learning_rate", &adam));
  }
  CHECK(adam.learning_rate() == -0.5f);
  CHECK(Store("0e9", "learning_rate", &adam));
  CHECK(adam.learning_rate() == 0);
  CHECK(Store(".nan", "learning_rate", &adam));
  CHECK(std::isnan(adam.learning_rate()));
  CHECK(Store("-.inf", "learning_rate", &adam));
  CHECK(adam.learning_rate() < 0);
}

TEST_CASE("words are lower case, true and false are the only truth values") {
  v1::DataSpec samples;
  CHECK(Store("csv", "format", &samples));
  CHECK(samples.format() == v1::DataSpec::CSV);
  CHECK_FALSE(Store("CSV", "format", &samples));
  CHECK_FALSE(Store("format_unspecified", "format", &samples));
  CHECK(Store("true", "standardize", &samples));
  CHECK_FALSE(Store("yes", "standardize", &samples));
  CHECK_FALSE(Store("true", "standardize", &samples, true));
}

TEST_CASE("text has no control characters") {
  v1::DataFiles files;
  CHECK(Store("a b", "path", &files));
  CHECK_FALSE(Store(absl::string_view("a\0b", 3), "path", &files, true));
  CHECK_FALSE(Store("a\nb", "path", &files, true));
  CHECK(files.path() == "a b");
}

TEST_CASE("a number is written as short as it reads back") {
  CHECK(FloatText(0.001f) == "0.001");
  CHECK(FloatText(16777217.0f) == "16777216");
  CHECK(FloatText(0.1f + 0.2f) == "0.3");
  CHECK(FloatText(std::nextafter(0.1f, 1.0f)) == "0.10000001");
  CHECK(DoubleText(0.1 + 0.2) == "0.30000000000000004");
  CHECK(DoubleText(65536) == "65536");
}

TEST_CASE("a long scalar is cut between characters") {
  const std::string quoted = QuoteScalar(std::string(79, 'a') + "\xc3\xbc tail", false);
  CHECK(quoted == "'" + std::string(79, 'a') + "...'");
  CHECK(QuoteScalar("a\nb", true) == "\"a\\nb\"");
}

}  // namespace
}  // namespace paceline
