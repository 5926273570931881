#include "cli/safetensors.h"

#include <cstdint>
#include <nlohmann/json.hpp>

#include "absl/strings/string_view.h"
#include "common/base/file.h"

namespace paceline::cli {

absl::Status WriteSafetensors(const std::string& path,
                              const std::vector<ParameterInfo>& parameters,
                              absl::Span<const float> flat,
                              const std::map<std::string, std::string>& metadata) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  header["__metadata__"] = metadata;
  for (const ParameterInfo& parameter : parameters) {
    const uint64_t begin = parameter.offset * sizeof(float);
    header[parameter.name] = {{"dtype", "F32"},
                              {"shape", parameter.shape},
                              {"data_offsets", {begin, begin + parameter.elements * sizeof(float)}}};
  }
  std::string json = header.dump();
  json.resize((json.size() + 7) / 8 * 8, ' ');  // Tensors begin on a multiple of eight.

  std::string file;
  file.reserve(8 + json.size() + flat.size() * sizeof(float));
  const uint64_t length = json.size();
  for (int i = 0; i < 8; ++i) file.push_back(static_cast<char>(length >> (8 * i)));
  file += json;
  file.append(reinterpret_cast<const char*>(flat.data()), flat.size() * sizeof(float));
  return WriteFileAtomically(path, file);
}

}  // namespace paceline::cli
