#include "server/checkpoint/checkpoint_store.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/types/span.h"
#include "common/base/sha256.h"
#include "common/base/status_macros.h"
#include "server/checkpoint/chunk.h"
#include "server/checkpoint/manifest.h"

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "chunks are little-endian");

namespace paceline {
namespace {

using LockKind = FileSystem::LockKind;

constexpr size_t kHashDigits = 64;
constexpr size_t kNumberDigits = 10;
constexpr char kManifestSuffix[] = ".json";

bool IsHashDigit(char c) { return absl::ascii_isdigit(c) || (c >= 'a' && c <= 'f'); }

bool IsHash(absl::string_view name) {
  return name.size() == kHashDigits && std::all_of(name.begin(), name.end(), IsHashDigit);
}

// The number in a manifest's name; 0: it is not one.
uint64_t NumberOf(absl::string_view name) {
  uint64_t number = 0;
  const absl::string_view digits = name.substr(0, kNumberDigits);
  const bool is_manifest = name.size() == kNumberDigits + sizeof(kManifestSuffix) - 1 &&
                           absl::EndsWith(name, kManifestSuffix) &&
                           std::all_of(digits.begin(), digits.end(), absl::ascii_isdigit);
  return is_manifest && absl::SimpleAtoi(digits, &number) ? number : 0;
}

// Whatever in a manifest's text may name a chunk. No parser: the chunks of a damaged manifest, and
// of one of a newer format, are kept as well.
void AddReferences(absl::string_view text, std::set<std::string>* references) {
  size_t begin = 0;
  while (begin < text.size()) {
    size_t end = begin;
    while (end < text.size() && IsHashDigit(text[end])) ++end;
    if (end - begin == kHashDigits) references->emplace(text.substr(begin, kHashDigits));
    begin = end + 1;
  }
}

absl::Status At(const std::string& path, const absl::Status& status) {
  if (status.ok()) return status;
  return absl::Status(status.code(), absl::StrCat("\"", path, "\": ", status.message()));
}

absl::Status LostChunk(const std::string& path, absl::string_view what) {
  return absl::DataLossError(absl::StrCat("chunk \"", path, "\" ", what));
}

absl::string_view BytesOf(const Block& block) {
  const absl::Span<const float> floats = block.floats();
  return {reinterpret_cast<const char*>(floats.data()), floats.size() * sizeof(float)};
}

absl::Status CheckImage(const PartitionImage& image) {
  const auto refuse = [&](absl::string_view what) {
    return absl::InvalidArgumentError(
        absl::StrCat("checkpoint: partition ", image.partition, " ", what));
  };
  if (image.parameters == nullptr || image.parameters->elements() == 0) {
    return refuse("has no parameters");
  }
  std::vector<BlockRef> others = image.slots;
  if (image.previous != nullptr) others.push_back(image.previous);
  for (const BlockRef& block : others) {
    if (block == nullptr || block->elements() != image.parameters->elements()) {
      return refuse("has an array that is not as long as its parameters");
    }
  }
  if (image.state.version() == image.version) return absl::OkStatus();
  return refuse(absl::StrCat("has version ", image.version, ", its state ", image.state.version()));
}

// A disk that says OK and did not write shows before anything is listed.
absl::Status RequireContents(FileSystem& files, const std::string& path, absl::string_view text) {
  ASSIGN_OR_RETURN(const std::string seen, files.Read(path, text.size()));
  if (absl::string_view(seen) == text) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat("\"", path, "\" does not hold the ", text.size(),
                                          " bytes that were written to it"));
}

absl::Status RequirePartition(const v1::CheckpointManifest& manifest, uint32_t partition) {
  if (partition < static_cast<uint32_t>(manifest.partitions_size())) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("checkpoint ", manifest.checkpoint(), " has ",
                                                 manifest.partitions_size(),
                                                 " partitions, not one numbered ", partition));
}

}  // namespace

absl::StatusOr<std::unique_ptr<CheckpointStore>> CheckpointStore::Create(
    FileSystem* files, const std::string& folder) {
  std::unique_ptr<CheckpointStore> store(new CheckpointStore(files, folder));
  RETURN_IF_ERROR(store->MakeFolders());
  return store;
}

absl::StatusOr<std::unique_ptr<CheckpointStore>> CheckpointStore::Open(FileSystem* files,
                                                                       const std::string& folder) {
  std::unique_ptr<CheckpointStore> store(new CheckpointStore(files, folder));
  const absl::Status status = store->List().status();
  if (absl::IsNotFound(status)) {
    return absl::NotFoundError(
        absl::StrCat("no checkpoints in \"", folder, "\": it has no folder \"manifests\""));
  }
  RETURN_IF_ERROR(status);
  return store;
}

// All chunk folders at once, so that no writer ever depends on a folder that another has not
// synced.
absl::Status CheckpointStore::MakeFolders() {
  RETURN_IF_ERROR(files_.MakeFolder(folder_));
  RETURN_IF_ERROR(files_.MakeFolder(ManifestFolder()));
  const std::string chunks = folder_ + "/chunks";
  RETURN_IF_ERROR(files_.MakeFolder(chunks));
  ASSIGN_OR_RETURN(const std::vector<std::string> there, files_.List(chunks));
  for (int i = 0; i < 256; ++i) {
    const std::string name = absl::StrFormat("%02x", i);
    if (std::binary_search(there.begin(), there.end(), name)) continue;
    RETURN_IF_ERROR(files_.MakeFolder(absl::StrCat(chunks, "/", name)));
  }
  RETURN_IF_ERROR(files_.SyncFolder(chunks));
  RETURN_IF_ERROR(files_.SyncFolder(folder_));
  return files_.SyncFolder(FolderAbove(folder_));
}

std::string CheckpointStore::ManifestPath(uint64_t checkpoint) const {
  return absl::StrFormat("%s/%0*d%s", ManifestFolder(), static_cast<int>(kNumberDigits), checkpoint,
                         kManifestSuffix);
}

std::string CheckpointStore::ChunkFolder(absl::string_view sha256) const {
  return absl::StrCat(folder_, "/chunks/", sha256.substr(0, 2));
}

std::string CheckpointStore::ChunkPath(absl::string_view sha256) const {
  return absl::StrCat(ChunkFolder(sha256), "/", sha256);
}

absl::StatusOr<std::unique_ptr<FileLock>> CheckpointStore::Hold() {
  return files_.TryLock(LockPath(), LockKind::kShared);
}

absl::StatusOr<v1::CheckpointChunk> CheckpointStore::PutChunk(absl::string_view bytes) {
  ASSIGN_OR_RETURN(const std::unique_ptr<FileLock> hold, Hold());
  std::set<std::string> folders;
  ASSIGN_OR_RETURN(v1::CheckpointChunk chunk, PutUnsynced(bytes, &folders));
  RETURN_IF_ERROR(SyncFolders(folders));
  return chunk;
}

absl::StatusOr<v1::CheckpointChunk> CheckpointStore::PutUnsynced(absl::string_view bytes,
                                                                 std::set<std::string>* folders) {
  if (bytes.empty() || bytes.size() > kChunkBytes) {
    return absl::InvalidArgumentError(absl::StrCat("checkpoint: a chunk of ", bytes.size(),
                                                   " bytes, wanted [1, ", kChunkBytes, "]"));
  }
  v1::CheckpointChunk chunk;
  chunk.set_sha256(Sha256Hex(bytes));
  chunk.set_bytes(bytes.size());
  const std::string path = ChunkPath(chunk.sha256());
  // Comparing costs less than writing, and what has rotted is mended while its bytes are at hand.
  const auto there = files_.Read(path, bytes.size());
  if (!there.ok() || *there != bytes) RETURN_IF_ERROR(WriteChunk(path, bytes));
  folders->insert(ChunkFolder(chunk.sha256()));
  return chunk;
}

absl::Status CheckpointStore::WriteChunk(const std::string& path, absl::string_view bytes) {
  ASSIGN_OR_RETURN(const std::string temporary, files_.WriteTemporary(path, {bytes}));
  const absl::Status status = files_.Rename(temporary, path);
  if (status.ok()) {
    bytes_written_.fetch_add(bytes.size());
  } else {
    files_.Remove(temporary).IgnoreError();
  }
  return status;
}

absl::Status CheckpointStore::SyncFolders(const std::set<std::string>& folders) {
  for (const std::string& folder : folders) RETURN_IF_ERROR(files_.SyncFolder(folder));
  return absl::OkStatus();
}

absl::StatusOr<std::string> CheckpointStore::GetChunk(const v1::CheckpointChunk& chunk) {
  if (!IsHash(chunk.sha256())) return absl::InvalidArgumentError("checkpoint: no chunk's name");
  const std::string path = ChunkPath(chunk.sha256());
  absl::StatusOr<std::string> bytes = files_.Read(path, chunk.bytes());
  if (absl::IsNotFound(bytes.status())) return LostChunk(path, "is missing");
  if (absl::IsResourceExhausted(bytes.status())) {
    return LostChunk(path, absl::StrCat("is longer than the ", chunk.bytes(), " bytes wanted"));
  }
  RETURN_IF_ERROR(bytes.status());
  if (bytes->size() != chunk.bytes()) {
    return LostChunk(path, absl::StrCat("has ", bytes->size(), " bytes, wanted ", chunk.bytes()));
  }
  const std::string seen = Sha256Hex(*bytes);
  if (seen == chunk.sha256()) return bytes;
  return LostChunk(path, absl::StrCat("is damaged: its SHA-256 is ", seen));
}

absl::Status CheckpointStore::PutArray(v1::CheckpointArray::Kind kind, uint32_t slot,
                                       const BlockRef& block, v1::CheckpointPartition* entry,
                                       std::set<std::string>* folders) {
  v1::CheckpointArray* array = entry->add_arrays();
  array->set_kind(kind);
  array->set_slot(slot);
  absl::string_view left = BytesOf(*block);
  while (!left.empty()) {
    const absl::string_view bytes = left.substr(0, kChunkBytes);
    ASSIGN_OR_RETURN(*array->add_chunks(), PutUnsynced(bytes, folders));
    left.remove_prefix(bytes.size());
  }
  return absl::OkStatus();
}

absl::StatusOr<v1::CheckpointPartition> CheckpointStore::WritePartition(
    const PartitionImage& image) {
  RETURN_IF_ERROR(CheckImage(image));
  ASSIGN_OR_RETURN(const std::unique_ptr<FileLock> hold, Hold());
  v1::CheckpointPartition entry;
  entry.set_partition(image.partition);
  entry.set_elements(image.parameters->elements());
  entry.set_version(image.version);
  entry.set_index(image.index);
  entry.set_term(image.term);
  *entry.mutable_state() = image.state;
  std::set<std::string> folders;
  RETURN_IF_ERROR(PutArray(v1::CheckpointArray::PARAMETERS, 0, image.parameters, &entry, &folders));
  if (image.previous != nullptr) {
    RETURN_IF_ERROR(PutArray(v1::CheckpointArray::PREVIOUS, 0, image.previous, &entry, &folders));
  }
  for (size_t i = 0; i < image.slots.size(); ++i) {
    RETURN_IF_ERROR(PutArray(v1::CheckpointArray::SLOT, static_cast<uint32_t>(i), image.slots[i],
                             &entry, &folders));
  }
  RETURN_IF_ERROR(SyncFolders(folders));
  return entry;
}

absl::StatusOr<std::string> CheckpointStore::PutPart(const v1::CheckpointPartition& part) {
  ASSIGN_OR_RETURN(const v1::CheckpointChunk chunk, PutChunk(part.SerializeAsString()));
  return chunk.sha256();
}

absl::StatusOr<v1::CheckpointPartition> CheckpointStore::GetPart(const std::string& sha256) {
  if (!IsHash(sha256)) return absl::InvalidArgumentError("checkpoint: no part's name");
  const std::string path = ChunkPath(sha256);
  const absl::StatusOr<uint64_t> bytes = files_.Size(path);
  if (absl::IsNotFound(bytes.status())) return LostChunk(path, "is missing");
  RETURN_IF_ERROR(bytes.status());
  v1::CheckpointChunk chunk;
  chunk.set_sha256(sha256);
  chunk.set_bytes(std::min(*bytes, kChunkBytes));
  ASSIGN_OR_RETURN(const std::string text, GetChunk(chunk));
  v1::CheckpointPartition part;
  if (part.ParseFromString(text)) return part;
  return LostChunk(path, "holds no part of a checkpoint");
}

absl::Status CheckpointStore::RequireChunkSize(const v1::CheckpointChunk& chunk) {
  const std::string path = ChunkPath(chunk.sha256());
  const auto bytes = files_.Size(path);
  if (absl::IsNotFound(bytes.status())) return LostChunk(path, "is missing");
  RETURN_IF_ERROR(bytes.status());
  if (*bytes == chunk.bytes()) return absl::OkStatus();
  return LostChunk(path, absl::StrCat("has ", *bytes, " bytes, wanted ", chunk.bytes()));
}

absl::Status CheckpointStore::Commit(const v1::CheckpointManifest& manifest) {
  const absl::Status fits = CheckManifest(manifest);
  if (!fits.ok()) return absl::InvalidArgumentError(fits.message());
  // From here to the end nothing is removed, so what is there stays there.
  ASSIGN_OR_RETURN(const std::unique_ptr<FileLock> hold, Hold());
  for (const v1::CheckpointPartition& partition : manifest.partitions()) {
    for (const v1::CheckpointArray& array : partition.arrays()) {
      for (const auto& chunk : array.chunks()) RETURN_IF_ERROR(RequireChunkSize(chunk));
    }
  }
  const std::string text = ManifestToText(manifest);
  RETURN_IF_ERROR(ManifestFromText(text).status());  // What is written can be read.
  const std::string path = ManifestPath(manifest.checkpoint());
  ASSIGN_OR_RETURN(const std::string temporary,
                   files_.WriteTemporary(path, {absl::string_view(text)}));
  absl::Status status = RequireContents(files_, temporary, text);
  if (status.ok()) status = files_.RenameNew(temporary, path);
  if (!status.ok()) {
    files_.Remove(temporary).IgnoreError();
    return status;
  }
  return files_.SyncFolder(ManifestFolder());
}

absl::StatusOr<std::vector<uint64_t>> CheckpointStore::List() {
  ASSIGN_OR_RETURN(const std::vector<std::string> names, files_.List(ManifestFolder()));
  std::vector<uint64_t> checkpoints;
  for (const std::string& name : names) {
    const uint64_t number = NumberOf(name);
    if (number > 0) checkpoints.push_back(number);
  }
  return checkpoints;  // Ascending, because the names are.
}

absl::StatusOr<v1::CheckpointManifest> CheckpointStore::Read(uint64_t checkpoint) {
  const std::string path = ManifestPath(checkpoint);
  const auto text = files_.Read(path, kManifestBytesMax);
  if (absl::IsNotFound(text.status())) {
    return absl::NotFoundError(
        absl::StrCat("there is no checkpoint ", checkpoint, " in \"", folder_, "\""));
  }
  if (absl::IsResourceExhausted(text.status())) {
    return absl::DataLossError(text.status().message());
  }
  RETURN_IF_ERROR(text.status());
  absl::StatusOr<v1::CheckpointManifest> manifest = ManifestFromText(*text);
  RETURN_IF_ERROR(At(path, manifest.status()));
  if (manifest->checkpoint() == checkpoint) return manifest;
  return absl::DataLossError(absl::StrCat("\"", path, "\": it is the manifest of checkpoint ",
                                          manifest->checkpoint(), ", wanted ", checkpoint));
}

absl::StatusOr<v1::CheckpointManifest> CheckpointStore::Verify(uint64_t checkpoint) {
  ASSIGN_OR_RETURN(v1::CheckpointManifest manifest, Read(checkpoint));
  std::set<std::string> seen;
  for (const v1::CheckpointPartition& partition : manifest.partitions()) {
    for (const v1::CheckpointArray& array : partition.arrays()) {
      for (const v1::CheckpointChunk& chunk : array.chunks()) {
        if (seen.insert(absl::StrCat(chunk.sha256(), chunk.bytes())).second) {
          RETURN_IF_ERROR(GetChunk(chunk).status());
        }
      }
    }
  }
  return manifest;
}

absl::StatusOr<uint64_t> CheckpointStore::WholeBefore(uint64_t checkpoint) {
  ASSIGN_OR_RETURN(const std::vector<uint64_t> all, List());
  for (auto it = all.rbegin(); it != all.rend(); ++it) {
    if (*it < checkpoint && Verify(*it).ok()) return *it;
  }
  return absl::NotFoundError("no earlier checkpoint is whole");
}

absl::StatusOr<v1::CheckpointManifest> CheckpointStore::VerifyOrOffer(uint64_t checkpoint) {
  absl::StatusOr<v1::CheckpointManifest> manifest = Verify(checkpoint);
  if (manifest.ok()) return manifest;
  const absl::StatusOr<uint64_t> whole = WholeBefore(checkpoint);
  const std::string offer = whole.ok() ? absl::StrCat("checkpoint ", *whole, " is whole")
                                       : std::string(whole.status().message());
  return absl::Status(manifest.status().code(),
                      absl::StrCat("checkpoint ", checkpoint,
                                   " cannot be used: ", manifest.status().message(), "; ", offer));
}

absl::StatusOr<v1::CheckpointManifest> CheckpointStore::NewestWhole() {
  ASSIGN_OR_RETURN(const uint64_t checkpoint, WholeBefore(kMaxCheckpoint + 1));
  return Verify(checkpoint);
}

absl::StatusOr<BlockRef> CheckpointStore::GetArray(const v1::CheckpointArray& array,
                                                   uint64_t elements) {
  // Before memory is taken for them.
  for (const auto& chunk : array.chunks()) RETURN_IF_ERROR(RequireChunkSize(chunk));
  const auto block = std::make_shared<Block>(elements);
  char* at = reinterpret_cast<char*>(block->floats().data());
  uint64_t left = elements * sizeof(float);
  for (const v1::CheckpointChunk& chunk : array.chunks()) {
    ASSIGN_OR_RETURN(const std::string bytes, GetChunk(chunk));
    if (bytes.size() > left) return absl::InvalidArgumentError("checkpoint: unchecked manifest");
    std::memcpy(at, bytes.data(), bytes.size());
    at += bytes.size();
    left -= bytes.size();
  }
  if (left > 0) return absl::InvalidArgumentError("checkpoint: unchecked manifest");
  return BlockRef(block);
}

absl::StatusOr<BlockRef> CheckpointStore::ReadParameters(const v1::CheckpointManifest& manifest,
                                                         uint32_t partition) {
  RETURN_IF_ERROR(RequirePartition(manifest, partition));
  const v1::CheckpointPartition& entry = manifest.partitions(static_cast<int>(partition));
  return GetArray(entry.arrays(0), entry.elements());
}

absl::StatusOr<PartitionImage> CheckpointStore::ReadPartition(
    const v1::CheckpointManifest& manifest, uint32_t partition) {
  RETURN_IF_ERROR(RequirePartition(manifest, partition));
  const v1::CheckpointPartition& entry = manifest.partitions(static_cast<int>(partition));
  PartitionImage image;
  image.partition = entry.partition();
  image.version = entry.version();
  image.index = entry.index();
  image.term = entry.term();
  image.state = entry.state();
  for (const v1::CheckpointArray& array : entry.arrays()) {
    ASSIGN_OR_RETURN(BlockRef block, GetArray(array, entry.elements()));
    switch (array.kind()) {
      case v1::CheckpointArray::PREVIOUS:
        image.previous = std::move(block);
        break;
      case v1::CheckpointArray::SLOT:
        image.slots.push_back(std::move(block));
        break;
      default:
        image.parameters = std::move(block);
    }
  }
  return image;
}

absl::StatusOr<CheckpointStore::Removed> CheckpointStore::Remove(uint64_t checkpoint) {
  ASSIGN_OR_RETURN(const auto lock, files_.TryLock(LockPath(), LockKind::kExclusive));
  return RemoveAlone({checkpoint});
}

absl::StatusOr<CheckpointStore::Removed> CheckpointStore::Retain(const Retention& retention) {
  ASSIGN_OR_RETURN(const auto lock, files_.TryLock(LockPath(), LockKind::kExclusive));
  ASSIGN_OR_RETURN(const std::vector<uint64_t> all, List());
  std::vector<uint64_t> readable;
  for (const uint64_t checkpoint : all) {
    if (Read(checkpoint).ok()) readable.push_back(checkpoint);
  }
  return RemoveAlone(NotKept(retention, readable));
}

absl::StatusOr<CheckpointStore::Removed> CheckpointStore::Collect() {
  ASSIGN_OR_RETURN(const auto lock, files_.TryLock(LockPath(), LockKind::kExclusive));
  return RemoveAlone({});
}

absl::StatusOr<CheckpointStore::Removed> CheckpointStore::RemoveAlone(
    std::vector<uint64_t> checkpoints) {
  Removed removed;
  for (const uint64_t checkpoint : checkpoints) {
    RETURN_IF_ERROR(files_.Remove(ManifestPath(checkpoint)));
    removed.checkpoints.push_back(checkpoint);
  }
  // A manifest that comes back after a power cut must not find its chunks gone.
  RETURN_IF_ERROR(files_.SyncFolder(ManifestFolder()));
  ASSIGN_OR_RETURN(const std::set<std::string> references, ReferencesAlone());
  RETURN_IF_ERROR(CollectAlone(ManifestFolder(), references, &removed));
  const std::string chunks = folder_ + "/chunks";
  ASSIGN_OR_RETURN(const std::vector<std::string> folders, files_.List(chunks));
  for (const std::string& folder : folders) {
    RETURN_IF_ERROR(CollectAlone(absl::StrCat(chunks, "/", folder), references, &removed));
  }
  return removed;
}

absl::StatusOr<std::set<std::string>> CheckpointStore::ReferencesAlone() {
  ASSIGN_OR_RETURN(const std::vector<uint64_t> all, List());
  std::set<std::string> references;
  for (const uint64_t checkpoint : all) {
    ASSIGN_OR_RETURN(const std::string text,
                     files_.Read(ManifestPath(checkpoint), kManifestBytesMax));
    AddReferences(text, &references);
  }
  return references;
}

absl::Status CheckpointStore::CollectAlone(const std::string& folder,
                                           const std::set<std::string>& references,
                                           Removed* removed) {
  ASSIGN_OR_RETURN(const std::vector<std::string> names, files_.List(folder));
  for (const std::string& name : names) {
    const bool is_left_over = absl::EndsWith(name, kTemporarySuffix);
    if (!is_left_over && (!IsHash(name) || references.count(name) > 0)) continue;
    RETURN_IF_ERROR(files_.Remove(absl::StrCat(folder, "/", name)));
    ++removed->files;
  }
  return absl::OkStatus();
}

}  // namespace paceline
