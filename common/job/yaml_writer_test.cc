#include "common/job/yaml_writer.h"

#include <google/protobuf/util/message_differencer.h>

#include <catch2/catch.hpp>

#include "common/job/yaml_reader.h"
#include "proto/job.pb.h"

namespace paceline {
namespace {

TEST_CASE("fields are written in the order of the proto, choices and zeros included") {
  v1::JobSpec spec;
  spec.set_name("a");
  spec.mutable_model()->add_layers()->mutable_linear()->set_units(10);
  spec.mutable_model()->add_layers()->mutable_relu();
  spec.mutable_consistency()->mutable_ssp();

  CHECK(WriteYaml(spec) ==
        "name: a\n"
        "model:\n"
        "  layers:\n"
        "    - linear:\n"
        "        units: 10\n"
        "    - relu: {}\n"
        "consistency:\n"
        "  ssp:\n"
        "    staleness: 0\n");
}

TEST_CASE("whatever a spec holds is read back the same") {
  v1::JobSpec spec;
  spec.set_name("yes: \"no\" #");
  spec.set_seed(~uint64_t{0});
  spec.mutable_data()->set_format(v1::DataSpec::CSV);
  spec.mutable_data()->mutable_train()->set_path("/a b/gr\xc3\xbc\xc3\x9f\\'\".csv");
  spec.mutable_data()->mutable_train()->set_label("null");
  spec.mutable_data()->mutable_train()->set_header(v1::DataFiles::NO);
  spec.mutable_data()->mutable_eval()->set_path("~");
  spec.mutable_data()->mutable_eval()->set_label("");
  spec.mutable_data()->set_standardize(true);
  v1::ParameterSpec* parameter = spec.mutable_model()->add_parameters();
  parameter->set_name("1e5");
  parameter->add_shape(3);
  parameter->add_shape(4);
  parameter->set_initial(0.1f + 1e-8f);
  spec.mutable_model()->add_parameters();
  spec.mutable_optimizer()->mutable_schedule()->mutable_step()->set_gamma(1.0 / 3);
  spec.mutable_merge()->set_rule(v1::MergeSpec::HYBRID);
  (*spec.mutable_merge()->mutable_worker_weights())["w: 2"] = 1e-300;
  (*spec.mutable_merge()->mutable_worker_weights())["w1"] = 2;

  spec.mutable_checkpoint()->set_path("/c d/\"e");
  spec.mutable_checkpoint()->set_every_rounds(1000000000000);
  spec.mutable_checkpoint()->set_keep(1);
  spec.mutable_fleet()->set_layout_servers(3);

  const std::string text = WriteYaml(spec);
  INFO(text);
  v1::JobSpec again;
  YamlOrigins origins("spec.yaml");
  const absl::Status status = ReadYaml(text, "spec.yaml", &again, &origins);

  INFO(status.ToString());
  REQUIRE(status.ok());
  CHECK(google::protobuf::util::MessageDifferencer::Equals(spec, again));
}

}  // namespace
}  // namespace paceline
