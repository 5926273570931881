#include "server/checkpoint/message_json.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "proto/checkpoint.pb.h"

namespace paceline {
namespace {

template <typename M>
void CheckSame(const M& message) {
  M read;
  read.Clear();
  INFO(MessageToText(message));
  const absl::Status status = TextToMessage(MessageToText(message), &read);
  INFO(status);
  REQUIRE(status.ok());
  CHECK(read.SerializeAsString() == message.SerializeAsString());
}

TEST_CASE("own messages are written in full, others without what is 0, keys in order") {
  v1::CheckpointPartition partition;
  partition.set_index(uint64_t{1} << 63);
  partition.mutable_state()->set_version(2);
  CHECK(MessageToText(partition) == R"({
 "arrays": [],
 "elements": 0,
 "index": 9223372036854775808,
 "offset": 0,
 "partition": 0,
 "ranges": [],
 "state": {
  "version": 2
 },
 "term": 0,
 "version": 0
})");
  CheckSame(partition);
}

TEST_CASE("every number comes back bit for bit") {
  v1::PartitionState state;
  for (const double x :
       {0.0, -0.0, 1.0, 1.0 / 3, 1e300, 5e-324, std::nextafter(1.0, 2), -1e22,
        std::numeric_limits<double>::infinity(), -std::numeric_limits<double>::infinity(),
        std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::max()}) {
    state.add_square_norms(x);
  }
  state.mutable_tally()->set_loss_sum(-0.0);
  state.mutable_tally()->set_samples(std::numeric_limits<uint64_t>::max());
  state.add_workers()->set_clock(0);
  state.add_workers();
  CheckSame(state);
}

TEST_CASE("floats are as short as they can be, and the same again") {
  v1::AdamSpec adam;
  adam.set_learning_rate(0.1f);
  adam.set_beta1(std::nextafter(0.1f, 1.0f));
  adam.set_epsilon(1e-45f);
  CHECK(absl::StrContains(MessageToText(adam), "\"learning_rate\": 0.1\n"));
  CheckSame(adam);
}

TEST_CASE("maps, enums, oneofs without anything set, and odd texts") {
  v1::JobSpec spec;
  (*spec.mutable_merge()->mutable_worker_weights())["w\"\n\xc3\xa9"] = 0.25;
  spec.mutable_data()->set_format(v1::DataSpec::IDX);
  spec.mutable_consistency()->mutable_async();
  spec.mutable_train();
  CHECK(absl::StrContains(MessageToText(spec), "\"format\": \"IDX\""));
  CheckSame(spec);
}

TEST_CASE("what is not exactly such a text is refused, and the message stays as it was") {
  v1::CheckpointChunk chunk;
  chunk.set_bytes(7);
  for (const std::string& text :
       {std::string(), std::string("{"), std::string("[]"), std::string("{\"bytes\": 1} x"),
        std::string("{\"bytes\": 1, \"bytes\": 2}"), std::string("{\"bites\": 1}"),
        std::string("{\"bytes\": -1}"), std::string("{\"bytes\": 1.5}"),
        std::string("{\"bytes\": 18446744073709551616}"), std::string("{\"sha256\": 5}"),
        std::string("{\"sha256\": \"\xff\"}"), std::string(100000, '['),
        absl::StrCat("{\"sha256\":", std::string(40, '['), std::string(40, ']'), "}")}) {
    INFO(text.substr(0, 60));
    CHECK(absl::IsInvalidArgument(TextToMessage(text, &chunk)));
    CHECK(chunk.bytes() == 7);
  }
}

}  // namespace
}  // namespace paceline
