#include "server/checkpoint/example_checkpoint.h"

#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "common/base/check.h"
#include "common/base/random.h"
#include "common/base/status_macros.h"
#include "common/job/job_spec.h"

namespace paceline {
namespace {

constexpr char kSpec[] = R"(
name: example
seed: 7
model:
  parameters:
    - {name: layers.0.weight, shape: [3, 4]}
    - {name: layers.0.bias, shape: [4]}
    - {name: scale, shape: []}
optimizer: {adam: {learning_rate: 0.1}}
consistency: async
)";

BlockRef Floats(const std::string& purpose, size_t elements) {
  const RandomStream stream(1, purpose);
  const auto block = std::make_shared<Block>(elements);
  for (size_t i = 0; i < elements; ++i) block->floats()[i] = stream.Uniform(i) - 0.5f;
  return block;
}

PartitionImage Image(uint64_t checkpoint, uint32_t partition, size_t elements) {
  const auto floats = [&](absl::string_view array, uint64_t of) {
    return Floats(absl::StrCat(array, "/", partition, "/", of), elements);
  };
  PartitionImage image;
  image.partition = partition;
  image.version = 10 * checkpoint;
  image.index = image.version + 1;
  image.term = 3;
  image.parameters = floats("parameters", checkpoint);
  image.previous = floats("previous", checkpoint);
  image.slots = {floats("first moment", checkpoint), floats("second moment", 0)};
  image.state.set_version(image.version);
  image.state.set_applied_below(17);
  v1::ShardExtent* extent = image.state.add_applied();
  extent->set_first(20);
  extent->set_count(4);
  v1::WorkerClock* worker = image.state.add_workers();
  worker->mutable_worker()->set_id("w1");
  worker->mutable_worker()->set_incarnation(uint64_t{1} << 60);
  worker->set_clock(0);
  image.state.mutable_tally()->set_loss_sum(-0.0);
  image.state.mutable_tally()->set_samples(33);
  image.state.add_square_norms(1.0 / 3);
  return image;
}

void AddParameter(const std::string& name, std::vector<uint64_t> shape, uint64_t elements,
                  ManifestHead* head) {
  ParameterInfo info;
  info.name = name;
  info.shape = std::move(shape);
  info.elements = elements;
  info.offset = TotalElements(head->parameters);
  head->parameters.push_back(std::move(info));
}

}  // namespace

ExampleCheckpoint MakeExampleCheckpoint(uint64_t checkpoint) {
  ExampleCheckpoint example;
  ManifestHead& head = example.head;
  head.checkpoint = checkpoint;
  head.job = "example-1";
  head.created = absl::FromUnixMillis(1700000000000);
  const auto spec = ParseJobSpec(kSpec, "example", {});
  PACELINE_CHECK(spec.ok());
  head.spec = *spec;
  head.segment.set_index(1);
  head.segment.mutable_consistency()->mutable_async();
  AddParameter("layers.0.weight", {3, 4}, 12, &head);
  AddParameter("layers.0.bias", {4}, 4, &head);
  AddParameter("scale", {}, 1, &head);
  head.partitions = {{0, {{0, 0, 12}, {1, 0, 4}}, 0, 16}, {1, {{2, 0, 1}}, 16, 1}};
  example.images = {Image(checkpoint, 0, 16), Image(checkpoint, 1, 1)};
  return example;
}

absl::StatusOr<v1::CheckpointManifest> WriteExampleCheckpoint(CheckpointStore* store,
                                                              uint64_t checkpoint) {
  const ExampleCheckpoint example = MakeExampleCheckpoint(checkpoint);
  ASSIGN_OR_RETURN(const std::unique_ptr<FileLock> hold, store->Hold());
  std::vector<v1::CheckpointPartition> held;
  for (const PartitionImage& image : example.images) {
    ASSIGN_OR_RETURN(v1::CheckpointPartition entry, store->WritePartition(image));
    held.push_back(std::move(entry));
  }
  ASSIGN_OR_RETURN(v1::CheckpointManifest manifest, MakeManifest(example.head, std::move(held)));
  RETURN_IF_ERROR(store->Commit(manifest));
  return manifest;
}

bool SameBits(const BlockRef& a, const BlockRef& b) {
  return a->elements() == b->elements() &&
         std::memcmp(a->floats().data(), b->floats().data(), a->elements() * sizeof(float)) == 0;
}

bool HoldsExampleCheckpoint(CheckpointStore* store, uint64_t checkpoint) {
  const auto manifest = store->Verify(checkpoint);
  if (!manifest.ok()) return false;
  const ExampleCheckpoint example = MakeExampleCheckpoint(checkpoint);
  for (const PartitionImage& wrote : example.images) {
    const auto read = store->ReadPartition(*manifest, wrote.partition);
    const bool same = read.ok() && read->version == wrote.version && read->index == wrote.index &&
                      read->term == wrote.term &&
                      read->state.SerializeAsString() == wrote.state.SerializeAsString() &&
                      SameBits(read->parameters, wrote.parameters) &&
                      SameBits(read->previous, wrote.previous) && read->slots.size() == 2 &&
                      SameBits(read->slots[0], wrote.slots[0]) &&
                      SameBits(read->slots[1], wrote.slots[1]);
    if (!same) return false;
  }
  return true;
}

}  // namespace paceline
