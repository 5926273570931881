#include "server/checkpoint_job.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/job/round_plan.h"
#include "common/tensor/block.h"

namespace paceline {
namespace {

constexpr absl::Time kCreated = absl::UnixEpoch();

// Data shards of 4 samples, 4 an epoch; two a round.
constexpr uint64_t kSamples = 15;
constexpr uint64_t kShardsPerEpoch = 4;
constexpr uint64_t kShardsPerRound = 2;
constexpr uint64_t kEpochs = kCheckpointJobRounds * kShardsPerRound / kShardsPerEpoch;

void FillIn(v1::JobSpec* spec) {
  spec->set_name("job");
  spec->set_seed(7);
  spec->mutable_data()->set_shard_samples(4);
  spec->mutable_model()->add_layers()->mutable_linear()->set_units(40);
  spec->mutable_model()->set_loss(v1::ModelSpec::SOFTMAX_CROSS_ENTROPY);
  spec->mutable_train()->set_epochs(kEpochs);
  spec->mutable_train()->set_shards_per_round(kShardsPerRound);
  spec->mutable_train()->set_shards_per_push(1);
  v1::OptimizerSpec* const optimizer = spec->mutable_optimizer();
  optimizer->mutable_adam()->set_learning_rate(0.01f);
  optimizer->mutable_adam()->set_beta1(0.9f);
  optimizer->mutable_adam()->set_beta2(0.99f);
  optimizer->mutable_adam()->set_epsilon(1e-6f);
  optimizer->set_weight_decay(0);
  optimizer->mutable_schedule()->set_warmup_steps(0);
  optimizer->mutable_schedule()->mutable_constant();
  spec->mutable_consistency()->mutable_sync();
  spec->mutable_fleet()->set_servers(2);
}

}  // namespace

v1::JobDirective CheckpointJob(const std::vector<std::string>& servers) {
  v1::JobDirective directive;
  directive.set_job("job-1");
  directive.set_state(v1::RUNNING);
  FillIn(directive.mutable_spec());
  directive.mutable_facts()->set_features(1000);
  directive.mutable_facts()->set_train_samples(kSamples);
  *directive.mutable_segment()->mutable_consistency() = directive.spec().consistency();
  directive.mutable_roster()->set_version(1);
  directive.set_granted_rounds(kCheckpointJobRounds);
  PACELINE_CHECK(servers.size() == 2);
  for (uint32_t i = 0; i < 2; ++i) {
    v1::PartitionPlacement* const placement = directive.add_placement();
    placement->set_partition(i);
    placement->set_term(1);
    placement->set_config(1);
    placement->set_server(servers[i]);
    placement->set_server_incarnation(1);
  }
  return directive;
}

CheckpointServer::CheckpointServer(std::string id, FileSystem* files)
    : id_(std::move(id)),
      files_({files, [] { return kCreated; }, nullptr, nullptr}),
      host_(
          [this] {
            PartitionHost::Options options;
            options.complain = [this](absl::string_view what) { complaints_.emplace_back(what); };
            options.checkpoint = [this](CheckpointWork work) {
              works_.push_back(work);
              host_.OnCheckpointDone(now_, work.job, work.partition, files_.Do(work));
            };
            options.restore = [this](const v1::RestoreOrigin& origin, const JobLayout& layout,
                                     uint32_t partition) {
              return files_.Restore(origin, layout, partition);
            };
            return options;
          }(),
          [this](Answer answer) { answers_.push_back(std::move(answer)); }) {}

void CheckpointServer::Direct(const v1::JobDirective& directive) {
  v1::ServerSyncReply reply;
  reply.mutable_server()->set_id(id_);
  reply.mutable_server()->set_incarnation(1);
  reply.set_changed(true);
  *reply.add_jobs() = directive;
  files_.Follow(reply);
  host_.OnDirectives(now_, reply);
}

absl::Status CheckpointServer::PushRound(uint32_t partition, uint64_t version, uint64_t term) {
  const v1::PartitionReport report = Report(partition);
  const WorkPlan plan(0, kShardsPerEpoch, kShardsPerEpoch * kEpochs, kShardsPerRound);
  const WorkPlan::Run run = plan.At(version);
  v1::PushHeader header;
  header.mutable_key()->set_job("job-1");
  header.mutable_key()->set_partition(partition);
  header.mutable_key()->set_term(term);
  header.mutable_key()->set_segment(report.segment());
  header.mutable_worker()->set_id("w1");
  header.mutable_worker()->set_incarnation(1);
  header.set_clock(version);
  header.set_base_version(version);
  header.set_dtype(v1::FLOAT32);
  v1::Piece* const piece = header.add_pieces();
  piece->set_first_shard(run.first_ordinal);
  piece->set_shards(static_cast<uint32_t>(run.count));
  piece->set_weight(static_cast<double>(run.count));
  piece->set_samples(run.count * 4);
  piece->set_loss_sum(1.0 / static_cast<double>(version + 3));
  const std::vector<float> parameters = Parameters(partition);
  auto gradients = std::make_shared<Block>(parameters.size());
  for (size_t i = 0; i < parameters.size(); ++i) {
    gradients->floats()[i] =
        parameters[i] * 0.5f + static_cast<float>((i + version) % 7) * 0.01f - 0.02f;
  }
  answers_.clear();
  host_.OnPush(now_, 1, header, std::move(gradients), false);
  PACELINE_CHECK(answers_.size() == 1);
  if (answers_[0].header.duplicate()) return absl::AlreadyExistsError("duplicate");
  return answers_[0].status;
}

v1::PartitionReport CheckpointServer::Report(uint32_t partition) const {
  for (v1::PartitionReport& report : host_.Report(now_)) {
    if (report.partition() == partition) return std::move(report);
  }
  return v1::PartitionReport();
}

std::vector<float> CheckpointServer::Parameters(uint32_t partition) const {
  const BlockRef block = host_.Parameters("job-1", partition);
  if (block == nullptr) return {};
  return {block->floats().begin(), block->floats().end()};
}

}  // namespace paceline
