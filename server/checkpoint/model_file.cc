#include "server/checkpoint/model_file.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "common/base/status_macros.h"
#include "server/checkpoint/manifest.h"
#include "server/checkpoint/partition_image.h"
#include "server/checkpoint/safetensors.h"

namespace paceline {
namespace {

SafetensorsMetadata MetadataOf(const v1::CheckpointManifest& manifest) {
  return {{"job", manifest.job()},
          {"checkpoint", absl::StrCat(manifest.checkpoint())},
          {"version", absl::StrCat(manifest.partitions(0).version())},
          {"release", manifest.release()},
          {"spec_sha256", manifest.spec_sha256()}};
}

absl::Status At(const std::string& path, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat("\"", path, "\": ", status.message()));
}

std::string ShapeText(const std::vector<uint64_t>& shape) {
  return absl::StrCat("[", absl::StrJoin(shape, ", "), "]");
}

// Tensors that are no parameters, parameters that are no tensors, other shapes.
absl::Status CheckMatch(const Safetensors& file, const std::vector<ParameterInfo>& parameters) {
  for (const ParameterInfo& parameter : parameters) {
    const auto found = file.tensors.find(parameter.name);
    if (found == file.tensors.end()) {
      return absl::InvalidArgumentError(
          absl::StrCat("no tensor \"", parameter.name, "\", which is a parameter"));
    }
    if (found->second.shape != parameter.shape) {
      return absl::InvalidArgumentError(
          absl::StrCat("tensor \"", parameter.name, "\" has the shape ",
                       ShapeText(found->second.shape), ", wanted ", ShapeText(parameter.shape)));
    }
  }
  if (file.tensors.size() == parameters.size()) return absl::OkStatus();
  for (const auto& [name, tensor] : file.tensors) {
    const bool is_known = std::any_of(parameters.begin(), parameters.end(),
                                      [&name = name](const auto& p) { return p.name == name; });
    if (!is_known) {
      return absl::InvalidArgumentError(absl::StrCat("tensor \"", name, "\" is no parameter"));
    }
  }
  return absl::InvalidArgumentError("a parameter is named twice");
}

}  // namespace

absl::Status ExportModel(CheckpointStore* store, const v1::CheckpointManifest& manifest,
                         FileSystem* files, const std::string& path) {
  std::vector<SafetensorsTensor> tensors;
  for (const ParameterInfo& parameter : ParametersOf(manifest)) {
    tensors.push_back({parameter.name, parameter.shape});
  }
  ASSIGN_OR_RETURN(const std::string header, SafetensorsHeader(tensors, MetadataOf(manifest)));
  // Partitions follow one another in flat order, and so do tensors.
  std::vector<BlockRef> blocks;
  std::vector<absl::string_view> pieces = {header};
  for (const v1::CheckpointPartition& partition : manifest.partitions()) {
    ASSIGN_OR_RETURN(BlockRef block, store->ReadParameters(manifest, partition.partition()));
    const absl::Span<const float> floats = block->floats();
    pieces.emplace_back(reinterpret_cast<const char*>(floats.data()),
                        floats.size() * sizeof(float));
    blocks.push_back(std::move(block));
  }
  ASSIGN_OR_RETURN(const std::string temporary, files->WriteTemporary(path, pieces));
  const absl::Status status = files->Rename(temporary, path);
  if (!status.ok()) {
    files->Remove(temporary).IgnoreError();
    return status;
  }
  return files->SyncFolder(FolderAbove(path));
}

absl::StatusOr<BlockRef> ImportModel(FileSystem* files, const std::string& path,
                                     const std::vector<ParameterInfo>& parameters,
                                     uint64_t bytes_max) {
  ASSIGN_OR_RETURN(const std::string bytes, files->Read(path, bytes_max));
  const absl::StatusOr<Safetensors> file = ReadSafetensors(bytes);
  if (!file.ok()) return At(path, file.status());
  const absl::Status match = CheckMatch(*file, parameters);
  if (!match.ok()) return At(path, match);
  const auto flat = std::make_shared<Block>(TotalElements(parameters));
  for (const ParameterInfo& parameter : parameters) {
    const absl::string_view from = file->tensors.at(parameter.name).bytes;
    std::memcpy(flat->floats().data() + parameter.offset, from.data(), from.size());
  }
  return BlockRef(flat);
}

absl::StatusOr<v1::CheckpointManifest> CommitWithParameters(CheckpointStore* store,
                                                            const v1::CheckpointManifest& base,
                                                            const BlockRef& flat,
                                                            uint64_t checkpoint,
                                                            absl::Time created) {
  const uint64_t elements = TotalElements(ParametersOf(base));
  if (flat->elements() != elements) {
    return absl::InvalidArgumentError(
        absl::StrCat("checkpoint: ", flat->elements(), " elements for parameters of ", elements));
  }
  ASSIGN_OR_RETURN(const std::unique_ptr<FileLock> hold, store->Hold());
  v1::CheckpointManifest manifest = base;
  manifest.set_checkpoint(checkpoint);
  SetOrigin(created, &manifest);
  for (v1::CheckpointPartition& partition : *manifest.mutable_partitions()) {
    ASSIGN_OR_RETURN(PartitionImage image, store->ReadPartition(base, partition.partition()));
    const auto block = std::make_shared<Block>(partition.elements());
    std::copy_n(flat->floats().begin() + partition.offset(), partition.elements(),
                block->floats().begin());
    image.parameters = block;
    // Nobody may read the version before beside it: it is another model's.
    if (image.previous != nullptr) image.previous = block;
    ASSIGN_OR_RETURN(v1::CheckpointPartition entry, store->WritePartition(image));
    partition.mutable_arrays()->Swap(entry.mutable_arrays());
  }
  RETURN_IF_ERROR(store->Commit(manifest));
  return manifest;
}

}  // namespace paceline
