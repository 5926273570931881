#include "cli/safetensors.h"

#include <cstdint>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/base/file.h"
#include "common/base/status_macros.h"

namespace paceline::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr char kMetadata[] = "__metadata__";

absl::Status Validate(const std::vector<ParameterInfo>& parameters, absl::Span<const float> flat) {
  if (TotalElements(parameters) != flat.size()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "safetensors: ", flat.size(), " elements for parameters of ", TotalElements(parameters)));
  }
  for (const ParameterInfo& parameter : parameters) {
    if (parameter.name != kMetadata) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("safetensors: no tensor can be named ", kMetadata));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> SafetensorsBytes(const std::vector<ParameterInfo>& parameters,
                                             absl::Span<const float> flat,
                                             const std::map<std::string, std::string>& metadata) {
  RETURN_IF_ERROR(Validate(parameters, flat));
  Json header = Json::object();
  header[kMetadata] = metadata;
  for (const ParameterInfo& parameter : parameters) {
    const uint64_t begin = parameter.offset * sizeof(float);
    const uint64_t end = begin + parameter.elements * sizeof(float);
    header[parameter.name] = {
        {"dtype", "F32"}, {"shape", parameter.shape}, {"data_offsets", {begin, end}}};
  }
  std::string json = header.dump(-1, ' ', false, Json::error_handler_t::replace);
  json.resize((json.size() + 7) / 8 * 8, ' ');  // Tensors begin on a multiple of eight.

  std::string file;
  file.reserve(8 + json.size() + flat.size() * sizeof(float));
  const uint64_t length = json.size();
  for (int i = 0; i < 8; ++i) file.push_back(static_cast<char>(length >> (8 * i)));
  file += json;
  file.append(reinterpret_cast<const char*>(flat.data()), flat.size() * sizeof(float));
  return file;
}

absl::Status WriteSafetensors(const std::string& path, const std::vector<ParameterInfo>& parameters,
                              absl::Span<const float> flat,
                              const std::map<std::string, std::string>& metadata) {
  ASSIGN_OR_RETURN(const std::string bytes, SafetensorsBytes(parameters, flat, metadata));
  return WriteFileAtomically(path, bytes);
}

}  // namespace paceline::cli
