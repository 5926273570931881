#include "server/checkpoint/manifest.h"

#include <algorithm>
#include <limits>
#include <set>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/base/sha256.h"
#include "common/base/status_macros.h"
#include "common/base/version.h"
#include "common/job/job_spec.h"
#include "common/job/job_work.h"
#include "server/checkpoint/chunk.h"
#include "server/checkpoint/message_json.h"

namespace paceline {
namespace {

constexpr size_t kHexDigits = 64;
constexpr char kChecksumBegin[] = "{\n \"checksum\": \"";
constexpr char kChecksumEnd[] = "\",\n";
constexpr char kTextEnd[] = "\n}\n";
constexpr char kFormatBegin[] = "\n \"format_version\": ";

// What CheckManifest says of anything.
template <typename... Parts>
absl::Status Wrong(const Parts&... parts) {
  return absl::DataLossError(absl::StrCat("manifest: ", parts...));
}

std::string ModeWord(const v1::ConsistencySpec& consistency) {
  switch (consistency.mode_case()) {
    case v1::ConsistencySpec::kSsp:
      return absl::StrCat("ssp(", consistency.ssp().staleness(), ")");
    case v1::ConsistencySpec::kAsync:
      return "async";
    case v1::ConsistencySpec::kQuorum:
      return "quorum";
    default:
      return "sync";
  }
}

std::string OptimizerWord(const v1::OptimizerSpec& optimizer) {
  const auto* rule = optimizer.GetDescriptor()->FindFieldByNumber(optimizer.rule_case());
  return rule == nullptr ? "" : rule->name();
}

// Elements of a shape; none if there are more than any job may have.
absl::StatusOr<uint64_t> ElementsOf(const v1::CheckpointParameter& parameter) {
  uint64_t elements = 1;
  for (const uint64_t size : parameter.shape()) {
    if (size == 0 || size > kMaxJobElements / elements) {
      return Wrong("parameter \"", parameter.name(), "\" has a dimension of ", size,
                   "; wanted 1 or more, and at most ", kMaxJobElements, " elements in all");
    }
    elements *= size;
  }
  return elements;
}

absl::StatusOr<std::vector<uint64_t>> CheckParameters(const v1::CheckpointManifest& manifest) {
  std::set<std::string> names;
  std::vector<uint64_t> sizes;
  uint64_t total = 0;
  for (const v1::CheckpointParameter& parameter : manifest.parameters()) {
    if (parameter.name().empty()) return Wrong("parameter ", sizes.size(), " has no name");
    if (!names.insert(parameter.name()).second) {
      return Wrong("parameter \"", parameter.name(), "\" is there twice");
    }
    ASSIGN_OR_RETURN(const uint64_t elements, ElementsOf(parameter));
    total += elements;
    if (total > kMaxJobElements) {
      return Wrong("more than ", kMaxJobElements, " elements in all parameters");
    }
    sizes.push_back(elements);
  }
  if (sizes.empty()) return Wrong("no parameters");
  return sizes;
}

absl::Status CheckChunks(const v1::CheckpointArray& array, uint64_t bytes,
                         const std::string& where) {
  uint64_t left = bytes;
  for (const v1::CheckpointChunk& chunk : array.chunks()) {
    const uint64_t wanted = std::min(left, kChunkBytes);
    if (wanted == 0 || chunk.bytes() != wanted) {
      return Wrong(where, " has a chunk of ", chunk.bytes(), " bytes, wanted ", wanted);
    }
    const std::string& hash = chunk.sha256();
    const bool is_hash = hash.size() == kHexDigits &&
                         hash.find_first_not_of("0123456789abcdef") == std::string::npos;
    if (!is_hash) {
      return Wrong(where, " names a chunk \"", absl::CHexEscape(hash.substr(0, 80)),
                   "\", wanted 64 lower-case hex digits");
    }
    left -= wanted;
  }
  if (left == 0) return absl::OkStatus();
  return Wrong(where, " has ", bytes - left, " bytes, wanted ", bytes);
}

// PARAMETERS, then at most one PREVIOUS, then slots 0, 1, ...
absl::Status CheckArrays(const v1::CheckpointPartition& partition, uint32_t slots) {
  uint32_t slot = 0;
  for (int i = 0; i < partition.arrays_size(); ++i) {
    const v1::CheckpointArray& array = partition.arrays(i);
    const std::string where = absl::StrCat("partition ", partition.partition(), ", array ", i);
    bool is_expected = false;
    if (array.kind() == v1::CheckpointArray::SLOT) {
      is_expected = i > 0 && array.slot() == slot++;
    } else {
      is_expected = array.slot() == 0 &&
                    array.kind() == (i == 0 ? v1::CheckpointArray::PARAMETERS
                                            : v1::CheckpointArray::PREVIOUS) &&
                    i < 2;
    }
    if (!is_expected) {
      return Wrong(where, " is ", v1::CheckpointArray::Kind_Name(array.kind()), " ", array.slot(),
                   ", out of order");
    }
    RETURN_IF_ERROR(CheckChunks(array, partition.elements() * sizeof(float), where));
  }
  if (partition.arrays().empty()) {
    return Wrong("partition ", partition.partition(), " has no arrays");
  }
  if (slot == slots) return absl::OkStatus();
  return Wrong("partition ", partition.partition(), " has ", slot, " slots, partition 0 ", slots);
}

// Where the flat vector is covered up to.
struct Place {
  size_t parameter = 0;
  uint64_t element = 0;  // Of that parameter.
  uint64_t offset = 0;   // In the flat vector.
};

absl::Status CheckRanges(const v1::CheckpointPartition& partition,
                         const std::vector<uint64_t>& sizes, Place* place) {
  const uint32_t id = partition.partition();
  if (partition.offset() != place->offset) {
    return Wrong("partition ", id, " begins at ", partition.offset(), ", wanted ", place->offset);
  }
  for (const v1::CheckpointRange& range : partition.ranges()) {
    if (place->parameter == sizes.size() || range.parameter() != place->parameter ||
        range.begin() != place->element || range.end() <= range.begin() ||
        range.end() > sizes[place->parameter]) {
      return Wrong("partition ", id, " has the range [", range.begin(), ", ", range.end(),
                   ") of parameter ", range.parameter(), ", wanted one from ", place->element,
                   " on in parameter ", place->parameter);
    }
    place->offset += range.end() - range.begin();
    place->element = range.end();
    if (range.end() < sizes[place->parameter]) continue;
    ++place->parameter;
    place->element = 0;
  }
  const uint64_t elements = place->offset - partition.offset();
  if (elements > 0 && elements == partition.elements()) return absl::OkStatus();
  return Wrong("partition ", id, " has ", partition.elements(), " elements, its ranges ", elements);
}

uint32_t SlotsOf(const v1::CheckpointPartition& partition) {
  return static_cast<uint32_t>(
      std::count_if(partition.arrays().begin(), partition.arrays().end(),
                    [](const auto& array) { return array.kind() == v1::CheckpointArray::SLOT; }));
}

absl::Status CheckPartitions(const v1::CheckpointManifest& manifest,
                             const std::vector<uint64_t>& sizes) {
  if (manifest.partitions().empty()) return Wrong("no partitions");
  const bool has_rounds = HasRounds(manifest.segment().consistency());
  const v1::CheckpointPartition& first = manifest.partitions(0);
  Place place;
  for (int i = 0; i < manifest.partitions_size(); ++i) {
    const v1::CheckpointPartition& partition = manifest.partitions(i);
    if (partition.partition() != static_cast<uint32_t>(i)) {
      return Wrong("partition ", partition.partition(), " in the place of partition ", i);
    }
    RETURN_IF_ERROR(CheckRanges(partition, sizes, &place));
    RETURN_IF_ERROR(CheckArrays(partition, SlotsOf(first)));
    if (partition.state().version() != partition.version()) {
      return Wrong("partition ", i, " has version ", partition.version(), ", its state ",
                   partition.state().version());
    }
    if (has_rounds && partition.version() != first.version()) {
      return Wrong("partition ", i, " has version ", partition.version(), ", partition 0 ",
                   first.version(), "; in rounds they are equal");
    }
  }
  if (place.parameter == sizes.size()) return absl::OkStatus();
  return Wrong("no partition holds element ", place.element, " of parameter ", place.parameter);
}

void AddLayout(const ManifestHead& head, v1::CheckpointManifest* manifest) {
  for (const ParameterInfo& info : head.parameters) {
    v1::CheckpointParameter* parameter = manifest->add_parameters();
    parameter->set_name(info.name);
    parameter->mutable_shape()->Add(info.shape.begin(), info.shape.end());
  }
}

// Puts into `held` where the partition lies.
absl::Status PlacePartition(const Partition& partition, v1::CheckpointPartition* held) {
  if (held->elements() != partition.elements) {
    return absl::InvalidArgumentError(absl::StrCat("checkpoint: partition ", partition.id,
                                                   " was written with ", held->elements(),
                                                   " elements, wanted ", partition.elements));
  }
  held->set_offset(partition.offset);
  held->clear_ranges();
  for (const Partition::Range& range : partition.ranges) {
    v1::CheckpointRange* added = held->add_ranges();
    added->set_parameter(static_cast<uint32_t>(range.parameter));
    added->set_begin(range.begin);
    added->set_end(range.end);
  }
  return absl::OkStatus();
}

absl::Status AddPartitions(const ManifestHead& head, std::vector<v1::CheckpointPartition> held,
                           v1::CheckpointManifest* manifest) {
  std::sort(held.begin(), held.end(),
            [](const auto& a, const auto& b) { return a.partition() < b.partition(); });
  for (size_t i = 0; i < held.size() || i < head.partitions.size(); ++i) {
    if (i >= held.size() || i >= head.partitions.size() || held[i].partition() != i) {
      return absl::InvalidArgumentError(
          absl::StrCat("checkpoint: ", held.size(), " partitions were written, wanted 0..",
                       static_cast<int64_t>(head.partitions.size()) - 1, ", each once"));
    }
    RETURN_IF_ERROR(PlacePartition(head.partitions[i], &held[i]));
    *manifest->add_partitions() = std::move(held[i]);
  }
  return absl::OkStatus();
}

// The text without its second line, which holds its checksum; DataLoss if it is not whole.
absl::StatusOr<std::string> CheckedBody(absl::string_view text) {
  const absl::string_view begin = kChecksumBegin;
  const size_t line_end = begin.size() + kHexDigits + sizeof(kChecksumEnd) - 1;
  if (text.size() < line_end || !absl::StartsWith(text, begin) ||
      text.substr(begin.size() + kHexDigits, sizeof(kChecksumEnd) - 1) != kChecksumEnd) {
    return absl::DataLossError(
        absl::StrCat("it does not begin as a manifest does (", text.size(), " bytes)"));
  }
  if (!absl::EndsWith(text, kTextEnd)) {
    return absl::DataLossError(
        absl::StrCat("it is cut off: its ", text.size(), " bytes do not end as a manifest does"));
  }
  std::string body = absl::StrCat("{\n", text.substr(line_end));
  const absl::string_view wanted = text.substr(begin.size(), kHexDigits);
  const std::string seen = Sha256Hex(body);
  if (absl::string_view(seen) == wanted) return body;
  return absl::DataLossError(
      absl::StrCat("it is damaged: its SHA-256 is ", seen, ", wanted ", absl::CHexEscape(wanted)));
}

absl::Status CheckFormat(absl::string_view body) {
  const size_t at = body.find(kFormatBegin);
  if (at == absl::string_view::npos) return Wrong("no format_version");
  absl::string_view number = body.substr(at + sizeof(kFormatBegin) - 1);
  number = number.substr(0, number.find_first_of(",\n"));
  uint64_t format = 0;
  if (!absl::SimpleAtoi(number, &format) || format == 0) return Wrong("no valid format_version");
  if (format <= kManifestFormat) return absl::OkStatus();
  return absl::UnimplementedError(absl::StrCat("it has format ", format, ", release ", kRelease,
                                               " reads formats up to ", kManifestFormat));
}

}  // namespace

absl::Status CheckManifest(const v1::CheckpointManifest& manifest) {
  if (manifest.checkpoint() < 1 || manifest.checkpoint() > kMaxCheckpoint) {
    return Wrong("checkpoint ", manifest.checkpoint(), ", wanted [1, ", kMaxCheckpoint, "]");
  }
  if (manifest.job().empty()) return Wrong("no job");
  ASSIGN_OR_RETURN(const std::vector<uint64_t> sizes, CheckParameters(manifest));
  return CheckPartitions(manifest, sizes);
}

void SetOrigin(absl::Time created, v1::CheckpointManifest* manifest) {
  manifest->set_format_version(kManifestFormat);
  manifest->set_release(kRelease);
  manifest->set_created(absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", created, absl::UTCTimeZone()));
}

absl::StatusOr<v1::CheckpointManifest> MakeManifest(const ManifestHead& head,
                                                    std::vector<v1::CheckpointPartition> held) {
  v1::CheckpointManifest manifest;
  SetOrigin(head.created, &manifest);
  manifest.set_checkpoint(head.checkpoint);
  manifest.set_job(head.job);
  *manifest.mutable_spec() = head.spec;
  manifest.set_spec_sha256(SpecSha256(head.spec));
  *manifest.mutable_facts() = head.facts;
  *manifest.mutable_segment() = head.segment;
  manifest.set_mode(ModeWord(head.segment.consistency()));
  manifest.set_optimizer(OptimizerWord(head.spec.optimizer()));
  AddLayout(head, &manifest);
  RETURN_IF_ERROR(AddPartitions(head, std::move(held), &manifest));
  const absl::Status status = CheckManifest(manifest);
  if (!status.ok()) return absl::InvalidArgumentError(status.message());
  return manifest;
}

std::string WithChecksum(absl::string_view text) {
  std::string body(text);
  const size_t line_end = sizeof(kChecksumBegin) - 1 + kHexDigits + sizeof(kChecksumEnd) - 1;
  if (absl::StartsWith(text, kChecksumBegin) && text.size() >= line_end) {
    body = absl::StrCat("{\n", text.substr(line_end));
  }
  const std::string hash = Sha256Hex(body);
  const absl::string_view rest = absl::string_view(body).substr(std::min<size_t>(2, body.size()));
  return absl::StrCat(kChecksumBegin, hash, kChecksumEnd, rest);
}

std::string ManifestToText(const v1::CheckpointManifest& manifest) {
  return WithChecksum(absl::StrCat(MessageToText(manifest), "\n"));
}

absl::StatusOr<v1::CheckpointManifest> ManifestFromText(absl::string_view text) {
  ASSIGN_OR_RETURN(const std::string body, CheckedBody(text));
  RETURN_IF_ERROR(CheckFormat(body));
  v1::CheckpointManifest manifest;
  const absl::Status status = TextToMessage(body, &manifest);
  if (!status.ok()) return Wrong(status.message());
  RETURN_IF_ERROR(CheckManifest(manifest));
  return manifest;
}

std::vector<ParameterInfo> ParametersOf(const v1::CheckpointManifest& manifest) {
  std::vector<ParameterInfo> parameters;
  uint64_t offset = 0;
  for (const v1::CheckpointParameter& parameter : manifest.parameters()) {
    ParameterInfo& info = parameters.emplace_back();
    info.name = parameter.name();
    info.shape.assign(parameter.shape().begin(), parameter.shape().end());
    info.elements = 1;
    for (const uint64_t size : info.shape) info.elements *= size;
    info.offset = offset;
    offset += info.elements;
  }
  return parameters;
}

uint64_t PayloadBytes(const v1::CheckpointManifest& manifest) {
  uint64_t bytes = 0;
  for (const auto& partition : manifest.partitions()) {
    bytes += partition.arrays_size() * partition.elements() * sizeof(float);
  }
  return bytes;
}

}  // namespace paceline
