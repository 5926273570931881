// How long a checkpoint stands in the way of training: the time that a partition's lock is held for
// its image, against that of one push; and what writing it to a disk and reading it back takes
// beside that.
//
//   bazel run //bench:checkpoint -- DIRECTORY
//
// Estimate: an image copies Adam's two slots, 8 bytes read and 8 written an element: 1 Mi elements
// are 16 MiB, so 2 to 4 ms at 4 to 8 GiB/s, about what one push (gradient, parameters and slots
// read, parameters and slots written: 28 bytes an element) takes. Writing is bound by SHA-256 and
// the disk: 16 MiB an image at that many elements.
#include <stdlib.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/base/check.h"
#include "common/tensor/block.h"
#include "proto/control.pb.h"
#include "proto/parameter.pb.h"
#include "server/checkpoint/posix_file_system.h"
#include "server/checkpoint_files.h"
#include "server/partition/partition_host.h"

namespace paceline {
namespace {

constexpr int kRepetitions = 15;

v1::JobDirective JobOf(uint64_t elements) {
  v1::JobDirective directive;
  directive.set_job(absl::StrCat("bench-", elements));
  directive.set_state(v1::RUNNING);
  v1::ParameterSpec* const parameter = directive.mutable_spec()->mutable_model()->add_parameters();
  parameter->set_name("p");
  parameter->add_shape(elements);
  v1::OptimizerSpec* const optimizer = directive.mutable_spec()->mutable_optimizer();
  optimizer->mutable_adam()->set_learning_rate(0.001f);
  optimizer->mutable_adam()->set_beta1(0.9f);
  optimizer->mutable_adam()->set_beta2(0.999f);
  optimizer->mutable_adam()->set_epsilon(1e-8f);
  optimizer->set_weight_decay(0);
  optimizer->mutable_schedule()->set_warmup_steps(0);
  optimizer->mutable_schedule()->mutable_constant();
  directive.mutable_spec()->mutable_fleet()->set_servers(1);
  directive.mutable_segment()->mutable_consistency()->mutable_async();
  directive.mutable_roster()->set_version(1);
  v1::PartitionPlacement* const placement = directive.add_placement();
  placement->set_term(1);
  placement->set_server("s1");
  placement->set_server_incarnation(1);
  return directive;
}

v1::ServerSyncReply ReplyOf(const v1::JobDirective& directive) {
  v1::ServerSyncReply reply;
  reply.mutable_server()->set_id("s1");
  reply.mutable_server()->set_incarnation(1);
  reply.set_changed(true);
  *reply.add_jobs() = directive;
  return reply;
}

double Milliseconds(absl::Time since) { return absl::ToDoubleMilliseconds(absl::Now() - since); }

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void Measure(uint64_t elements, const std::string& directory) {
  PosixFileSystem disk;
  CheckpointFiles files({&disk, [] { return absl::Now(); }, nullptr, nullptr});
  std::vector<CheckpointWork> works;
  PartitionHost::Options options;
  options.checkpoint = [&](CheckpointWork work) { works.push_back(std::move(work)); };
  PartitionHost host(std::move(options),
                     [](const Answer& answer) { PACELINE_CHECK(answer.status.ok()); });
  v1::JobDirective directive = JobOf(elements);
  host.OnDirectives(absl::Now(), ReplyOf(directive));

  v1::PushHeader header;
  header.mutable_key()->set_job(directive.job());
  header.mutable_key()->set_term(1);
  header.mutable_worker()->set_id("w1");
  header.mutable_worker()->set_incarnation(1);
  header.set_dtype(v1::FLOAT32);
  header.add_pieces()->set_weight(1);
  std::vector<double> push_ms, image_ms, write_ms;
  for (uint64_t i = 0; i < kRepetitions; ++i) {
    header.set_clock(i);
    header.set_base_version(i);
    auto gradients = std::make_shared<Block>(elements);
    std::fill(gradients->floats().begin(), gradients->floats().end(), 0.5f);
    absl::Time begin = absl::Now();
    host.OnPush(begin, i, header, std::move(gradients), false);
    push_ms.push_back(Milliseconds(begin));

    // All of this event, nearly all of which is under the partition's lock.
    v1::CheckpointOrder* const order = directive.mutable_checkpoint();
    order->set_id(i + 1);
    order->set_path(directory);
    order->set_keep(1);
    const v1::ServerSyncReply reply = ReplyOf(directive);
    works.clear();
    begin = absl::Now();
    host.OnDirectives(begin, reply);
    image_ms.push_back(Milliseconds(begin));
    PACELINE_CHECK(works.size() == 1);

    begin = absl::Now();
    const v1::CheckpointReport part = files.Do(works[0]);
    works[0].order.add_parts(part.part());
    const v1::CheckpointReport manifest = files.Do(works[0]);
    write_ms.push_back(Milliseconds(begin));
    if (!manifest.committed()) {
      std::fprintf(stderr, "%s%s\n", part.error().c_str(), manifest.error().c_str());
      exit(1);
    }
    PACELINE_CHECK(files.Tidy());
  }
  const double mib = static_cast<double>(elements) * 4 * sizeof(float) / (1 << 20);
  const double write = Median(write_ms);
  std::printf("%10llu elements   push %8.3f ms   image %8.3f ms   written %8.1f ms (%.0f MiB/s)\n",
              static_cast<unsigned long long>(elements), Median(push_ms), Median(image_ms), write,
              mib / write * 1000);
}

}  // namespace
}  // namespace paceline

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: checkpoint DIRECTORY\n");
    return 2;
  }
  for (const uint64_t elements : {uint64_t{1} << 14, uint64_t{1} << 17, uint64_t{1} << 20}) {
    paceline::Measure(elements, argv[1]);
  }
  return 0;
}
