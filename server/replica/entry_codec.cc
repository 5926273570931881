#include "server/replica/entry_codec.h"

#include <cmath>
#include <limits>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace paceline {
namespace {

constexpr size_t kWorkerIdMax = 256;

absl::Status Check(const v1::EntryHeader& header) {
  const std::string entry = absl::StrCat("entry ", header.index(), ": ");
  if (header.index() == 0 || header.step() == 0 || header.term() == 0) {
    return absl::InvalidArgumentError(absl::StrCat(entry, "term ", header.term(), ", step ",
                                                   header.step(), "; each counts from 1"));
  }
  if (header.worker().id().size() > kWorkerIdMax) {
    return absl::InvalidArgumentError(absl::StrCat(
        entry, "a worker id of ", header.worker().id().size(), " bytes; at most ", kWorkerIdMax));
  }
  for (const auto* extents : {&header.shards(), &header.dropped(), &header.carried()}) {
    for (const v1::ShardExtent& extent : *extents) {
      if (extent.count() <= std::numeric_limits<uint64_t>::max() - extent.first()) continue;
      return absl::InvalidArgumentError(absl::StrCat(entry, extent.count(), " data shards from ",
                                                     extent.first(), " on do not exist"));
    }
  }
  if (!std::isfinite(header.weight()) || !std::isfinite(header.loss_sum())) {
    return absl::InvalidArgumentError(absl::StrCat(entry, "weight ", header.weight(), ", loss_sum ",
                                                   header.loss_sum(), "; wanted finite numbers"));
  }
  return absl::OkStatus();
}

using Extents = google::protobuf::RepeatedPtrField<v1::ShardExtent>;

void Encode(const std::vector<ShardExtent>& extents, Extents* out) {
  for (const ShardExtent& extent : extents) {
    v1::ShardExtent* const added = out->Add();
    added->set_first(extent.first);
    added->set_count(extent.count);
  }
}

std::vector<ShardExtent> Decode(const Extents& extents) {
  std::vector<ShardExtent> out;
  for (const v1::ShardExtent& extent : extents) out.push_back({extent.first(), extent.count()});
  return out;
}

}  // namespace

v1::EntryHeader EncodeEntry(const LogEntry& entry) {
  v1::EntryHeader header;
  header.set_term(entry.term);
  header.set_index(entry.index);
  header.set_is_push(entry.kind == LogEntry::Kind::kPush);
  if (header.is_push()) {
    header.mutable_worker()->set_id(entry.worker);
    header.mutable_worker()->set_incarnation(entry.incarnation);
  }
  header.set_clock(entry.clock);
  Encode(entry.shards, header.mutable_shards());
  header.set_base_version(entry.base_version);
  header.set_step(entry.step);
  header.set_gradient_scale(entry.gradient_scale);
  header.set_weight(entry.weight);
  header.set_samples(entry.samples);
  header.set_loss_sum(entry.loss_sum);
  header.set_correct(entry.correct);
  header.set_staleness(entry.staleness);
  header.set_pushes(entry.pushes);
  header.set_damped(entry.damped);
  header.mutable_square_norms()->Add(entry.square_norms.begin(), entry.square_norms.end());
  Encode(entry.dropped, header.mutable_dropped());
  Encode(entry.carried, header.mutable_carried());
  return header;
}

absl::StatusOr<LogEntry> DecodeEntry(const v1::EntryHeader& header) {
  const absl::Status status = Check(header);
  if (!status.ok()) return status;
  LogEntry entry;
  entry.term = header.term();
  entry.index = header.index();
  entry.kind = header.is_push() ? LogEntry::Kind::kPush : LogEntry::Kind::kRound;
  entry.worker = header.worker().id();
  entry.incarnation = header.worker().incarnation();
  entry.clock = header.clock();
  entry.shards = Decode(header.shards());
  entry.base_version = header.base_version();
  entry.step = header.step();
  entry.gradient_scale = header.gradient_scale();
  entry.weight = header.weight();
  entry.samples = header.samples();
  entry.loss_sum = header.loss_sum();
  entry.correct = header.correct();
  entry.staleness = header.staleness();
  entry.pushes = header.pushes();
  entry.damped = header.damped();
  entry.square_norms.assign(header.square_norms().begin(), header.square_norms().end());
  entry.dropped = Decode(header.dropped());
  entry.carried = Decode(header.carried());
  return entry;
}

}  // namespace paceline
