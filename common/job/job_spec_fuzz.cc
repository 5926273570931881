// No bytes crash the reading of a spec, as YAML, as an override or from the wire; and what is
// accepted is read back the same and gives parameters and partitions.
#include <google/protobuf/util/message_differencer.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "common/base/check.h"
#include "common/job/job_spec.h"
#include "common/job/parameters.h"
#include "common/job/partitioning.h"

namespace paceline {
namespace {

constexpr char kBase[] =
    "{name: a, data: {format: csv, train: {path: /t}}, model: {layers: [{linear: 1}], loss: mse}}";

// Beyond this the vectors would only take time.
constexpr uint64_t kElementsMax = uint64_t{1} << 32;

void CheckAccepted(const v1::JobSpec& spec) {
  v1::JobSpec again = spec;
  PACELINE_CHECK(ResolveJobSpec(&again).ok());
  PACELINE_CHECK(SpecSha256(again) == SpecSha256(spec));
  const auto read = ParseJobSpec(SpecToYaml(spec), "spec.yaml", {});
  PACELINE_CHECK(read.ok());
  PACELINE_CHECK(google::protobuf::util::MessageDifferencer::Equals(*read, spec));

  v1::DatasetFacts facts;
  facts.set_features(784);
  const auto parameters = ParametersOf(spec, facts);
  if (!parameters.ok() || TotalElements(*parameters) > kElementsMax) return;
  uint64_t elements = 0;
  for (const Partition& partition :
       PartitionsOf(*parameters, LayoutServers(spec.fleet()),
                    KeepsParametersWhole(spec.optimizer()))) {
    elements += partition.elements;
  }
  PACELINE_CHECK(elements == TotalElements(*parameters));
}

void Try(const absl::StatusOr<v1::JobSpec>& spec) {
  if (spec.ok()) CheckAccepted(*spec);
}

}  // namespace
}  // namespace paceline

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t count) {
  const std::string text(reinterpret_cast<const char*>(bytes), count);
  paceline::Try(paceline::ParseJobSpec(text, "job.yaml", {}));
  paceline::Try(paceline::ParseJobSpec(paceline::kBase, "job.yaml", {text}));
  paceline::v1::JobSpec spec;
  if (spec.ParseFromString(text) && paceline::ResolveJobSpec(&spec).ok()) {
    paceline::CheckAccepted(spec);
  }
  return 0;
}
