#include "server/checkpoint/model_file.h"

#include <catch2/catch.hpp>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "server/checkpoint/example_checkpoint.h"
#include "server/checkpoint/manifest.h"
#include "server/checkpoint/memory_file_system.h"
#include "server/checkpoint/posix_file_system.h"

namespace paceline {
namespace {

using Fault = MemoryFileSystem::Fault;

// A store in memory with checkpoint 1.
struct Disk {
  MemoryFileSystem files;
  std::unique_ptr<CheckpointStore> store;
  v1::CheckpointManifest manifest;

  Disk() {
    REQUIRE(files.MakeFolder("checkpoints").ok());
    REQUIRE(files.MakeFolder("out").ok());
    store = *CheckpointStore::Create(&files, "checkpoints/example-1");
    manifest = *WriteExampleCheckpoint(store.get(), 1);
  }
};

TEST_CASE("exported parameters come back by name, bit for bit, wherever partitions were cut") {
  Disk disk;
  REQUIRE(ExportModel(disk.store.get(), disk.manifest, &disk.files, "out/model").ok());

  const auto flat = ImportModel(&disk.files, "out/model", ParametersOf(disk.manifest), 1 << 20);

  REQUIRE(flat.ok());
  const auto images = MakeExampleCheckpoint(1).images;
  REQUIRE((*flat)->elements() == 17);
  for (size_t i = 0; i < 16; ++i) {
    CHECK((*flat)->floats()[i] == images[0].parameters->floats()[i]);
  }
  CHECK((*flat)->floats()[16] == images[1].parameters->floats()[0]);
}

TEST_CASE("a file that is not exactly these parameters is refused, with the path") {
  Disk disk;
  REQUIRE(ExportModel(disk.store.get(), disk.manifest, &disk.files, "out/model").ok());
  const auto message = [&](const std::vector<ParameterInfo>& parameters) {
    const absl::Status status = ImportModel(&disk.files, "out/model", parameters, 1 << 20).status();
    CHECK(absl::IsInvalidArgument(status));
    return std::string(status.message());
  };
  auto parameters = ParametersOf(disk.manifest);

  parameters[0].shape = {4, 3};
  CHECK(message(parameters) ==
        "\"out/model\": tensor \"layers.0.weight\" has the shape [3, 4], wanted [4, 3]");
  parameters[0].name = "layers.1.weight";
  CHECK(message(parameters) ==
        "\"out/model\": no tensor \"layers.1.weight\", which is a parameter");
  CHECK(message({ParametersOf(disk.manifest)[1]}) ==
        "\"out/model\": tensor \"layers.0.weight\" is no parameter");
  CHECK(absl::IsResourceExhausted(
      ImportModel(&disk.files, "out/model", ParametersOf(disk.manifest), 50).status()));
  REQUIRE(disk.files.Truncate("out/model", 60).ok());
  CHECK(absl::IsDataLoss(
      ImportModel(&disk.files, "out/model", ParametersOf(disk.manifest), 1 << 20).status()));
}

TEST_CASE("imported parameters make a checkpoint that is the old one in all else") {
  Disk disk;
  const auto flat = std::make_shared<Block>(17);
  for (size_t i = 0; i < 17; ++i) flat->floats()[i] = static_cast<float>(i);

  const auto manifest =
      CommitWithParameters(disk.store.get(), disk.manifest, flat, 5, absl::UnixEpoch());

  REQUIRE(manifest.ok());
  REQUIRE(disk.store->Verify(5).ok());
  CHECK(manifest->created() == "1970-01-01T00:00:00.000Z");
  const auto images = MakeExampleCheckpoint(1).images;
  const auto image = disk.store->ReadPartition(*manifest, 1);
  REQUIRE(image.ok());
  CHECK(image->parameters->floats()[0] == 16);
  CHECK(image->previous->floats()[0] == 16);
  CHECK(SameBits(image->slots[0], images[1].slots[0]));
  CHECK(image->version == 10);
  CHECK(image->state.SerializeAsString() == images[1].state.SerializeAsString());
  CHECK(HoldsExampleCheckpoint(disk.store.get(), 1));

  CHECK(absl::IsInvalidArgument(CommitWithParameters(disk.store.get(), disk.manifest,
                                                     std::make_shared<Block>(16), 6,
                                                     absl::UnixEpoch())
                                    .status()));
  CHECK(*disk.store->List() == std::vector<uint64_t>{1, 5});
}

TEST_CASE("no space, or power lost, at any operation of an export: the old file or the new one") {
  for (const Fault fault : {Fault::kNoSpace, Fault::kCrash}) {
    // Two chunks are read; then created, written, synced, renamed; the folder synced.
    for (uint64_t k = 0; k < 9; ++k) {
      INFO("operation " << k);
      Disk disk;
      REQUIRE(ExportModel(disk.store.get(), disk.manifest, &disk.files, "out/model").ok());
      const std::string old = *disk.files.Read("out/model", 1 << 20);
      const auto next = WriteExampleCheckpoint(disk.store.get(), 2);
      REQUIRE(next.ok());

      disk.files.FailAt(k, fault);
      const absl::Status status = ExportModel(disk.store.get(), *next, &disk.files, "out/model");
      if (fault == Fault::kCrash) {
        CHECK_FALSE(status.ok());
        disk.files.Restart(k % 3);
      }
      if (!disk.files.Read("out/model", 1 << 20).ok()) {
        // The folder's own name was never synced here.
        CHECK(fault == Fault::kCrash);
        continue;
      }
      const std::string now = *disk.files.Read("out/model", 1 << 20);
      if (now == old) continue;
      REQUIRE(ExportModel(disk.store.get(), *next, &disk.files, "out/whole").ok());
      CHECK(now == *disk.files.Read("out/whole", 1 << 20));
    }
  }
}

// What a command prints.
std::string OutputOf(const std::string& command) {
  FILE* const pipe = popen(command.c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::string output;
  char buffer[4096];
  while (const size_t count = fread(buffer, 1, sizeof(buffer), pipe)) output.append(buffer, count);
  CHECK(pclose(pipe) == 0);
  return output;
}

TEST_CASE("a program that knows only the published format reads names, shapes and numbers") {
  const std::string folder = std::getenv("TEST_TMPDIR");
  PosixFileSystem files;
  const auto store = CheckpointStore::Create(&files, folder + "/example-1");
  REQUIRE(store.ok());
  const auto manifest = WriteExampleCheckpoint(store->get(), 1);
  REQUIRE(manifest.ok());
  const std::string path = folder + "/model.safetensors";
  REQUIRE(ExportModel(store->get(), *manifest, &files, path).ok());
  if (std::system("command -v python3 > /dev/null") != 0) {
    WARN("there is no python3 here");
    return;
  }

  const std::string output =
      OutputOf("python3 server/checkpoint/read_safetensors.py '" + path + "'");

  const std::vector<std::string> lines = absl::StrSplit(output, '\n');
  REQUIRE(lines.size() == 5 + 3 + 1);
  CHECK(lines[0] == "# checkpoint 1");
  CHECK(lines[1] == "# job example-1");
  CHECK(lines[3] == "# spec_sha256 " + manifest->spec_sha256());
  CHECK(lines[4] == "# version 10");
  CHECK(absl::StartsWith(lines[5], "layers.0.weight [3, 4] "));
  CHECK(absl::StartsWith(lines[6], "layers.0.bias [4] "));
  REQUIRE(absl::StartsWith(lines[7], "scale [] "));
  const float scale = MakeExampleCheckpoint(1).images[1].parameters->floats()[0];
  CHECK(std::strtof(lines[7].c_str() + 9, nullptr) == scale);
}

}  // namespace
}  // namespace paceline
