#include "cli/starting_point.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cli/checkpoint_choice.h"
#include "cli/render.h"
#include "common/base/status_macros.h"
#include "common/job/job_spec.h"
#include "common/job/parameters.h"
#include "common/job/partitioning.h"
#include "server/checkpoint/manifest.h"

namespace paceline::cli {
namespace {

using Manifest = v1::CheckpointManifest;

absl::Status DoesNotFit(const std::string& field, const std::string& seen,
                        const std::string& wanted) {
  return absl::InvalidArgumentError(absl::StrCat(
      "the spec does not go on from the checkpoint: ", field, " is ", seen, "; wanted ", wanted));
}

absl::Status RequireSame(const std::string& field, uint64_t seen, uint64_t checkpoint) {
  if (seen == checkpoint) return absl::OkStatus();
  return DoesNotFit(field, absl::StrCat(seen), absl::StrCat(checkpoint, ", as the checkpoint has"));
}

// "layers.0.weight [784, 128]".
std::string Shaped(const ParameterInfo& parameter) {
  return absl::StrCat(parameter.name, " [", absl::StrJoin(parameter.shape, ", "), "]");
}

absl::Status CheckParameters(const std::vector<ParameterInfo>& spec,
                             const std::vector<ParameterInfo>& checkpoint) {
  for (size_t i = 0; i < std::min(spec.size(), checkpoint.size()); ++i) {
    if (spec[i].name == checkpoint[i].name && spec[i].shape == checkpoint[i].shape) continue;
    return DoesNotFit(absl::StrCat("the model's parameter ", i), Shaped(spec[i]),
                      absl::StrCat(Shaped(checkpoint[i]), ", as the checkpoint has"));
  }
  return RequireSame("the count of the model's parameters", spec.size(), checkpoint.size());
}

// The rule decides which state is kept beside the parameters.
std::string RuleOf(const v1::OptimizerSpec& optimizer) {
  const auto* rule = optimizer.GetDescriptor()->FindFieldByNumber(optimizer.rule_case());
  return rule == nullptr ? "none" : rule->name();
}

// What decides which samples are in which data shard, round and push.
absl::Status CheckWork(const v1::JobSpec& spec, const v1::JobSpec& before) {
  RETURN_IF_ERROR(RequireSame("seed", spec.seed(), before.seed()));
  if (spec.model().parameters_size() > 0) return absl::OkStatus();
  RETURN_IF_ERROR(RequireSame("data.shard_samples", spec.data().shard_samples(),
                              before.data().shard_samples()));
  RETURN_IF_ERROR(RequireSame("train.shards_per_round", spec.train().shards_per_round(),
                              before.train().shards_per_round()));
  RETURN_IF_ERROR(RequireSame("train.shards_per_push", spec.train().shards_per_push(),
                              before.train().shards_per_push()));
  if (spec.train().epochs() >= before.train().epochs()) return absl::OkStatus();
  return DoesNotFit("train.epochs", absl::StrCat(spec.train().epochs()),
                    absl::StrCat(before.train().epochs(), ", as the checkpoint has, or more"));
}

absl::Status CheckMode(const v1::JobSpec& spec, const Manifest& manifest) {
  const std::string seen = ConsistencyName(spec.consistency());
  const std::string wanted = ConsistencyName(manifest.segment().consistency());
  if (seen == wanted) return absl::OkStatus();
  return DoesNotFit("consistency", seen,
                    absl::StrCat(wanted,
                                 ", in which the checkpoint was taken; paceline mode "
                                 "changes it once the job runs"));
}

bool SamePartitions(const std::vector<Partition>& cut, const Manifest& manifest) {
  if (static_cast<int>(cut.size()) != manifest.partitions_size()) return false;
  for (size_t p = 0; p < cut.size(); ++p) {
    const v1::CheckpointPartition& held = manifest.partitions(static_cast<int>(p));
    if (cut[p].offset != held.offset() || cut[p].elements != held.elements()) return false;
  }
  return true;
}

absl::Status TakeLayout(const Manifest& manifest, const std::vector<ParameterInfo>& parameters,
                        v1::JobSpec* spec) {
  const uint32_t servers = LayoutServers(manifest.spec().fleet());
  if (spec->fleet().has_layout_servers()) {
    RETURN_IF_ERROR(RequireSame("fleet.layout_servers", spec->fleet().layout_servers(), servers));
  }
  spec->mutable_fleet()->set_layout_servers(servers);
  if (servers >= 1 &&
      SamePartitions(PartitionsOf(parameters, servers, KeepsParametersWhole(spec->optimizer())),
                     manifest)) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "the checkpoint's ", manifest.partitions_size(), " partitions, written by release ",
      manifest.release(), ", are not as this release cuts them"));
}

// Its default follows from the count of workers, which is free.
void TakeShardsPerPush(const v1::JobSpec& before, v1::JobSpec* spec) {
  if (spec->train().has_shards_per_push()) return;
  spec->mutable_train()->set_shards_per_push(before.train().shards_per_push());
}

}  // namespace

absl::StatusOr<v1::JobSpec> SpecInCheckpoint(const Manifest& manifest,
                                             const std::vector<std::string>& overrides,
                                             const std::string& base_dir) {
  v1::JobSpec spec = manifest.spec();
  *spec.mutable_consistency() = manifest.segment().consistency();
  const absl::Status own = ResolveJobSpec(&spec);
  if (!own.ok()) {
    return absl::DataLossError(
        absl::StrCat("the checkpoint's spec is none: ", std::string(own.message())));
  }
  ASSIGN_OR_RETURN(spec, ReadJobSpec(SpecToYaml(spec), "the checkpoint's spec", overrides));
  MakePathsAbsolute(&spec, base_dir);
  return spec;
}

absl::Status StartFrom(const Manifest& manifest, const v1::RestoreOrigin& origin,
                       v1::SubmitJobRequest* request) {
  v1::JobSpec spec = request->spec();
  const v1::JobSpec& before = manifest.spec();
  TakeShardsPerPush(before, &spec);
  RETURN_IF_ERROR(ResolveJobSpec(&spec));
  ASSIGN_OR_RETURN(const std::vector<ParameterInfo> parameters,
                   ParametersOf(spec, manifest.facts()));
  RETURN_IF_ERROR(CheckParameters(parameters, ParametersOf(manifest)));
  if (RuleOf(spec.optimizer()) != RuleOf(before.optimizer())) {
    return DoesNotFit("optimizer", RuleOf(spec.optimizer()),
                      absl::StrCat(RuleOf(before.optimizer()), ", whose state the checkpoint has"));
  }
  RETURN_IF_ERROR(CheckWork(spec, before));
  RETURN_IF_ERROR(CheckMode(spec, manifest));
  RETURN_IF_ERROR(TakeLayout(manifest, parameters, &spec));

  request->mutable_spec()->Swap(&spec);
  v1::StartingPoint* const start = request->mutable_start();
  *start->mutable_origin() = origin;
  *start->mutable_segment() = manifest.segment();
  start->mutable_segment()->set_index(0);
  // Of a job with bare parameters nobody has any.
  const bool has_data = manifest.spec().model().parameters().empty();
  if (has_data && manifest.has_facts()) *start->mutable_facts() = manifest.facts();
  start->set_samples(manifest.partitions(0).state().tally().samples());
  for (const v1::CheckpointPartition& partition : manifest.partitions()) {
    start->set_samples(std::min<uint64_t>(start->samples(), partition.state().tally().samples()));
  }
  return absl::OkStatus();
}

std::string StartText(const Manifest& manifest, const v1::SubmitJobRequest& request) {
  const v1::JobSpec& spec = request.spec();
  const v1::RestoreOrigin& origin = request.start().origin();
  return Table({
      {"checkpoint", absl::StrCat(origin.id(), " of ", origin.job(), " in ", origin.path())},
      {"taken", absl::StrCat(manifest.created(), ", version ", VersionOf(manifest), ", ",
                             Bytes(static_cast<double>(PayloadBytes(manifest))))},
      {"goes on as", absl::StrCat("a new job ", spec.name(), ", ", RuleOf(spec.optimizer()), ", ",
                                  ConsistencyName(spec.consistency()))},
      {"fleet", absl::StrCat(Counted(spec.fleet().servers(), "server"), ", ",
                             Counted(spec.fleet().workers(), "worker"), ", replicas ",
                             spec.fleet().replicas())},
      {"partitions", absl::StrCat(manifest.partitions_size(), ", cut as for ",
                                  Counted(spec.fleet().layout_servers(), "server"))},
  });
}

std::string StartJson(const Manifest& manifest, const v1::SubmitJobRequest& request) {
  const v1::FleetSpec& fleet = request.spec().fleet();
  nlohmann::ordered_json json;
  json["path"] = request.start().origin().path();
  json["job"] = request.start().origin().job();
  json["checkpoint"] = request.start().origin().id();
  json["created"] = manifest.created();
  json["version"] = VersionOf(manifest);
  json["bytes"] = PayloadBytes(manifest);
  json["name"] = request.spec().name();
  json["mode"] = ConsistencyName(request.spec().consistency());
  json["optimizer"] = RuleOf(request.spec().optimizer());
  json["servers"] = fleet.servers();
  json["workers"] = fleet.workers();
  json["replicas"] = fleet.replicas();
  json["layout_servers"] = fleet.layout_servers();
  json["partitions"] = manifest.partitions_size();
  json["spec_sha256"] = SpecSha256(request.spec());
  return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace paceline::cli
