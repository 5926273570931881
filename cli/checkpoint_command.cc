#include "cli/checkpoint_command.h"

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "cli/checkpoint_choice.h"
#include "cli/exit_code.h"
#include "cli/render.h"
#include "common/base/status_macros.h"
#include "common/job/parameters.h"
#include "proto/checkpoint.pb.h"
#include "server/checkpoint/checkpoint_store.h"
#include "server/checkpoint/manifest.h"
#include "server/checkpoint/model_file.h"

namespace paceline::cli {
namespace {

using Json = nlohmann::ordered_json;
using Manifest = v1::CheckpointManifest;
using StorePtr = std::unique_ptr<CheckpointStore>;

std::string Line(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

CheckpointOutcome Failed(const absl::Status& status) {
  return {"", absl::StrCat(Printable(std::string(status.message())), "\n"), ExitCodeOf(status)};
}

absl::StatusOr<std::vector<StorePtr>> Stores(FileSystem* files, const CheckpointFlags& flags) {
  std::vector<StorePtr> all;
  for (const std::string& folder : flags.folders) {
    ASSIGN_OR_RETURN(std::vector<StorePtr> stores, CheckpointStoresIn(files, folder));
    for (StorePtr& store : stores) all.push_back(std::move(store));
  }
  return all;
}

Json JsonOf(const std::string& folder, uint64_t checkpoint,
            const absl::StatusOr<Manifest>& manifest) {
  Json json = {{"folder", folder}, {"checkpoint", checkpoint}, {"usable", manifest.ok()}};
  if (!manifest.ok()) {
    json["error"] = std::string(manifest.status().message());
    return json;
  }
  json["job"] = manifest->job();
  json["created"] = manifest->created();
  json["version"] = VersionOf(*manifest);
  json["mode"] = manifest->mode();
  json["optimizer"] = manifest->optimizer();
  json["partitions"] = manifest->partitions_size();
  json["bytes"] = PayloadBytes(*manifest);
  json["release"] = manifest->release();
  json["spec_sha256"] = manifest->spec_sha256();
  return json;
}

std::vector<std::string> RowOf(uint64_t checkpoint, const Manifest& manifest,
                               const std::string& finding) {
  return {Printable(manifest.job()),     absl::StrCat(checkpoint),
          Printable(manifest.created()), absl::StrCat(VersionOf(manifest)),
          Printable(manifest.mode()),    Printable(manifest.optimizer()),
          Bytes(PayloadBytes(manifest)), finding};
}

// The checkpoints that flags.checkpoint names.
absl::StatusOr<std::vector<uint64_t>> Chosen(CheckpointStore* store, const CheckpointFlags& flags) {
  if (flags.checkpoint != 0) return std::vector<uint64_t>{flags.checkpoint};
  return store->List();
}

// What list and verify have in common: `look` at each checkpoint.
template <typename Look>
CheckpointOutcome LookAtAll(FileSystem* files, const CheckpointFlags& flags,
                            const std::string& finding, const Look& look) {
  const auto stores = Stores(files, flags);
  if (!stores.ok()) return Failed(stores.status());
  CheckpointOutcome outcome;
  std::vector<std::vector<std::string>> rows = {
      {"JOB", "CHECKPOINT", "CREATED", "VERSION", "MODE", "OPTIMIZER", "SIZE", "STATE"}};
  for (const StorePtr& store : *stores) {
    const auto hold = HoldIfPossible(store.get());
    if (!hold.ok()) return Failed(hold.status());
    const auto chosen = Chosen(store.get(), flags);
    if (!chosen.ok()) return Failed(chosen.status());
    for (const uint64_t checkpoint : *chosen) {
      const absl::StatusOr<Manifest> manifest = look(store.get(), checkpoint);
      if (flags.json) outcome.text += Line(JsonOf(store->folder(), checkpoint, manifest));
      if (manifest.ok()) {
        rows.push_back(RowOf(checkpoint, *manifest, finding));
        continue;
      }
      outcome.errors += absl::StrCat(Printable(std::string(manifest.status().message())), "\n");
      outcome.exit_code = std::max<int>(outcome.exit_code, ExitCodeOf(manifest.status()));
    }
  }
  if (flags.json) return outcome;
  if (rows.size() > 1) outcome.text = Table(rows);
  if (rows.size() == 1 && outcome.errors.empty()) outcome.text = "no checkpoints\n";
  return outcome;
}

}  // namespace

CheckpointOutcome ListCheckpoints(FileSystem* files, const CheckpointFlags& flags) {
  return LookAtAll(files, flags, "listed", [](CheckpointStore* store, uint64_t checkpoint) {
    return store->Read(checkpoint);
  });
}

CheckpointOutcome VerifyCheckpoints(FileSystem* files, const CheckpointFlags& flags) {
  return LookAtAll(files, flags, "whole", [](CheckpointStore* store, uint64_t checkpoint) {
    return store->VerifyOrOffer(checkpoint);
  });
}

CheckpointOutcome ExportCheckpoint(FileSystem* files, const CheckpointFlags& flags) {
  const auto source = ChooseCheckpoint(files, {flags.folders.at(0), flags.checkpoint});
  if (!source.ok()) return Failed(source.status());
  const Manifest& manifest = source->manifest;
  const absl::Status status = ExportModel(source->store.get(), manifest, files, flags.file);
  if (!status.ok()) return Failed(status);
  if (flags.json) {
    Json json = JsonOf(source->store->folder(), manifest.checkpoint(), manifest);
    json["file"] = flags.file;
    return {Line(json), "", kOk};
  }
  return {absl::StrCat("checkpoint ", manifest.checkpoint(), " of ", Printable(manifest.job()),
                       ", version ", VersionOf(manifest), ", is in ", flags.file, "\n"),
          "", kOk};
}

CheckpointOutcome ImportCheckpoint(FileSystem* files, const CheckpointFlags& flags,
                                   absl::Time now) {
  const auto source = ChooseCheckpoint(files, {flags.folders.at(0), flags.checkpoint});
  if (!source.ok()) return Failed(source.status());
  const std::vector<ParameterInfo> parameters = ParametersOf(source->manifest);
  const uint64_t bytes_max = TotalElements(parameters) * sizeof(float) + kModelFileHeaderMax;
  const auto flat = ImportModel(files, flags.file, parameters, bytes_max);
  if (!flat.ok()) return Failed(flat.status());
  const auto manifest =
      CommitWithParameters(source->store.get(), source->manifest, *flat, source->newest + 1, now);
  if (!manifest.ok()) return Failed(manifest.status());
  if (flags.json) {
    return {Line(JsonOf(source->store->folder(), manifest->checkpoint(), manifest)), "", kOk};
  }
  return {absl::StrCat("checkpoint ", manifest->checkpoint(), " is checkpoint ",
                       source->manifest.checkpoint(), " with the parameters of ", flags.file, "\n"),
          "", kOk};
}

}  // namespace paceline::cli
