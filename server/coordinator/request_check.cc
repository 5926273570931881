#include "server/coordinator/request_check.h"

#include <algorithm>
#include <cstdint>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"

namespace paceline {
namespace {

constexpr size_t kIdBytesMax = 64;
constexpr size_t kTextBytesMax = 256;
constexpr int kReportsMax = 1 << 16;
constexpr int kExtentsMax = 1 << 16;
constexpr int kBucketsMax = 65;
constexpr int kBackupsMax = 64;
constexpr int kConfusionMax = 32 * 32;
constexpr uint64_t kFeaturesMax = uint64_t{1} << 32;
constexpr uint64_t kSamplesMax = uint64_t{1} << 40;
constexpr size_t kFingerprintBytesMax = 64;
constexpr size_t kSignatureBytesMax = 256;

absl::Status CheckText(absl::string_view field, absl::string_view text, bool required) {
  if (text.size() <= kTextBytesMax && (!required || !text.empty())) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(field, " has ", text.size(), " bytes; wanted ",
                                                 required ? 1 : 0, "..", kTextBytesMax));
}

absl::Status CheckCount(absl::string_view field, int count, int most) {
  if (count <= most) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(field, " has ", count, " elements; at most ", most, " are taken"));
}

absl::Status CheckExtents(const v1::PartitionReport& report) {
  uint64_t from = report.applied_below();
  for (const v1::ShardExtent& extent : report.applied()) {
    if (extent.count() == 0 || extent.first() < from || extent.count() > UINT64_MAX - extent.first()) {
      return absl::InvalidArgumentError(
          absl::StrCat("partitions.applied of ", report.job(), ", partition ", report.partition(),
                       ": extent of ", extent.count(), " from ", extent.first(), " after ", from,
                       "; wanted ascending extents that do not overlap"));
    }
    from = extent.first() + extent.count();
  }
  return absl::OkStatus();
}

absl::Status CheckAddress(absl::string_view address) {
  RETURN_IF_ERROR(CheckText("address", address, true));
  const bool plain = std::all_of(address.begin(), address.end(),
                                 [](char c) { return absl::ascii_isgraph(c); });
  const size_t colon = address.rfind(':');
  const bool has_port = colon != absl::string_view::npos && colon > 0 && colon + 1 < address.size();
  if (plain && has_port) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("address is '", absl::CHexEscape(address), "'; wanted host:port"));
}

}  // namespace

absl::Status CheckId(absl::string_view field, absl::string_view id) {
  const bool fits = !id.empty() && id.size() <= kIdBytesMax;
  const bool plain = std::all_of(id.begin(), id.end(), [](char c) {
    return absl::ascii_isalnum(c) || c == '.' || c == '_' || c == '-';
  });
  if (fits && plain) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(field, " is '", absl::CHexEscape(id.substr(0, kIdBytesMax)), "' (", id.size(),
                   " bytes); wanted 1..", kIdBytesMax, " of letters, digits, '.', '_' and '-'"));
}

absl::Status CheckWorkerSync(const v1::WorkerSyncRequest& request) {
  RETURN_IF_ERROR(CheckId("worker.id", request.worker().id()));
  RETURN_IF_ERROR(CheckText("host", request.host(), false));
  RETURN_IF_ERROR(CheckText("join_job", request.join_job(), false));
  RETURN_IF_ERROR(CheckCount("jobs", request.jobs_size(), kReportsMax));
  if (request.slots() > 64) {
    return absl::InvalidArgumentError(
        absl::StrCat("slots is ", request.slots(), "; wanted 0..64"));
  }
  if ((request.slots() == 0) == request.join_job().empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("slots is ", request.slots(), " and join_job is '", request.join_job(),
                     "'; wanted slots (a worker) or join_job (a library client)"));
  }
  for (const v1::WorkerJobReport& report : request.jobs()) {
    for (const v1::Evaluation& evaluation : report.evaluations()) {
      RETURN_IF_ERROR(
          CheckCount("evaluations.confusion", evaluation.confusion_size(), kConfusionMax));
      const std::string& hash = evaluation.weights_sha256();
      const bool is_hex = hash.size() == 64 && std::all_of(hash.begin(), hash.end(), [](char c) {
                            return absl::ascii_isxdigit(c);
                          });
      if (evaluation.final() ? is_hex : hash.empty()) continue;
      return absl::InvalidArgumentError(
          absl::StrCat("evaluations.weights_sha256 has ", hash.size(),
                       " characters; wanted 64 hex digits with `final`, none without"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckServerSync(const v1::ServerSyncRequest& request) {
  RETURN_IF_ERROR(CheckId("server.id", request.server().id()));
  if (!request.leaving()) RETURN_IF_ERROR(CheckAddress(request.address()));
  RETURN_IF_ERROR(CheckText("zone", request.zone(), false));
  RETURN_IF_ERROR(CheckCount("partitions", request.partitions_size(), kReportsMax));
  for (const v1::PartitionReport& report : request.partitions()) {
    RETURN_IF_ERROR(CheckCount("partitions.applied", report.applied_size(), kExtentsMax));
    RETURN_IF_ERROR(CheckCount("partitions.staleness", report.staleness_size(), kBucketsMax));
    RETURN_IF_ERROR(CheckCount("partitions.backups", report.backups_size(), kBackupsMax));
    RETURN_IF_ERROR(CheckExtents(report));
  }
  return absl::OkStatus();
}

absl::Status CheckFacts(absl::string_view what, const v1::DatasetFacts& facts) {
  const bool in_bounds = facts.features() >= 1 && facts.features() <= kFeaturesMax &&
                         facts.train_samples() >= 1 && facts.train_samples() <= kSamplesMax &&
                         facts.eval_samples() <= kSamplesMax &&
                         facts.fingerprint().size() <= kFingerprintBytesMax &&
                         facts.kernel_signature().size() <= kSignatureBytesMax;
  if (in_bounds) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(what, " have ", facts.train_samples(), " training samples of ",
                   facts.features(), " features; wanted at least one of each"));
}

absl::Status CheckRelease(absl::string_view who, absl::string_view theirs, absl::string_view ours) {
  if (theirs == ours) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(who, " runs release ", Clip(theirs, 64),
                                                    ", the coordinator ", ours,
                                                    ": install the same one on both"));
}

std::string Clip(absl::string_view text, size_t bytes) {
  if (text.size() <= bytes) return std::string(text);
  while (bytes > 0 && (static_cast<unsigned char>(text[bytes]) & 0xc0) == 0x80) --bytes;
  return std::string(text.substr(0, bytes));
}

}  // namespace paceline
