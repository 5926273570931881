#include "cli/checkpoint_choice.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/status_macros.h"
#include "common/job/folder_path.h"
#include "server/checkpoint/manifest.h"

namespace paceline::cli {
namespace {

using StorePtr = std::unique_ptr<CheckpointStore>;

absl::StatusOr<CheckpointChoice> ChooseIn(StorePtr store, uint64_t checkpoint) {
  CheckpointChoice choice;
  choice.store = std::move(store);
  ASSIGN_OR_RETURN(choice.hold, HoldIfPossible(choice.store.get()));
  ASSIGN_OR_RETURN(const std::vector<uint64_t> all, choice.store->List());
  if (all.empty()) {
    return absl::NotFoundError(absl::StrCat("no checkpoints in \"", choice.store->folder(), "\""));
  }
  choice.newest = all.back();
  const uint64_t chosen = checkpoint == 0 ? choice.newest : checkpoint;
  ASSIGN_OR_RETURN(choice.manifest, choice.store->VerifyOrOffer(chosen));
  return choice;
}

}  // namespace

absl::StatusOr<std::vector<StorePtr>> CheckpointStoresIn(FileSystem* files,
                                                         const std::string& folder) {
  std::vector<StorePtr> stores;
  auto own = CheckpointStore::Open(files, folder);
  if (own.ok()) {
    stores.push_back(*std::move(own));
    return stores;
  }
  ASSIGN_OR_RETURN(const std::vector<std::string> names, files->List(folder));
  for (const std::string& name : names) {
    const std::string below = absl::StrCat(folder, "/", name);
    auto store = CheckpointStore::Open(files, below);
    if (store.ok()) {
      stores.push_back(*std::move(store));
      continue;
    }
    // A job whose folder was another's has one that is further down.
    const auto inner = files->List(below);
    if (!inner.ok()) continue;
    for (const std::string& job : *inner) {
      store = CheckpointStore::Open(files, absl::StrCat(below, "/", job));
      if (store.ok()) stores.push_back(*std::move(store));
    }
  }
  if (stores.empty()) return own.status();
  return stores;
}

absl::StatusOr<std::unique_ptr<FileLock>> HoldIfPossible(CheckpointStore* store) {
  auto hold = store->Hold();
  if (hold.ok() || absl::IsUnavailable(hold.status())) return hold;
  return std::unique_ptr<FileLock>();
}

absl::StatusOr<CheckpointName> ParseCheckpointName(const std::string& text) {
  RETURN_IF_ERROR(CheckFolderPath("the checkpoint's folder", text));
  CheckpointName name;
  name.folder = text;
  const size_t colon = text.rfind(':');
  const bool numbered =
      colon != std::string::npos && colon + 1 < text.size() &&
      std::all_of(text.begin() + static_cast<std::ptrdiff_t>(colon) + 1, text.end(),
                  [](unsigned char c) { return absl::ascii_isdigit(c); });
  if (numbered) {
    name.folder = text.substr(0, colon);
    if (!absl::SimpleAtoi(text.substr(colon + 1), &name.checkpoint) || name.checkpoint == 0 ||
        name.checkpoint > kMaxCheckpoint) {
      return absl::InvalidArgumentError(
          absl::StrCat("\"", text, "\" names checkpoint ", text.substr(colon + 1),
                       "; wanted a whole number in [1, ", kMaxCheckpoint, "]"));
    }
  }
  while (name.folder.size() > 1 && name.folder.back() == '/') name.folder.pop_back();
  if (!name.folder.empty()) return name;
  return absl::InvalidArgumentError(
      absl::StrCat("\"", text, "\" names no folder; wanted DIR or DIR:NUMBER"));
}

absl::StatusOr<CheckpointChoice> ChooseCheckpoint(FileSystem* files, const CheckpointName& name) {
  ASSIGN_OR_RETURN(StorePtr store, CheckpointStore::Open(files, name.folder));
  return ChooseIn(std::move(store), name.checkpoint);
}

absl::StatusOr<CheckpointChoice> ChooseToRestore(FileSystem* files, const CheckpointName& name) {
  ASSIGN_OR_RETURN(std::vector<StorePtr> stores, CheckpointStoresIn(files, name.folder));
  if (stores.size() > 1) {
    const auto folder = [](std::string* out, const StorePtr& store) {
      absl::StrAppend(out, store->folder());
    };
    return absl::InvalidArgumentError(
        absl::StrCat("\"", name.folder, "\" holds the checkpoints of ", stores.size(),
                     " jobs; name one of ", absl::StrJoin(stores, ", ", folder)));
  }
  return ChooseIn(std::move(stores[0]), name.checkpoint);
}

absl::StatusOr<v1::RestoreOrigin> OriginOf(const v1::CheckpointManifest& manifest,
                                           const std::string& folder) {
  const std::filesystem::path path = std::filesystem::path(folder).lexically_normal();
  if (path.filename() != manifest.job()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "\"", folder, "\" holds checkpoints of ", manifest.job(),
        "; to restore one, the folder must have the job's name, as it had when it was written"));
  }
  v1::RestoreOrigin origin;
  origin.set_path(path.parent_path().string());
  origin.set_job(manifest.job());
  origin.set_id(manifest.checkpoint());
  return origin;
}

uint64_t VersionOf(const v1::CheckpointManifest& manifest) {
  uint64_t version = manifest.partitions(0).version();
  for (const auto& partition : manifest.partitions()) {
    version = std::min<uint64_t>(version, partition.version());
  }
  return version;
}

}  // namespace paceline::cli
