// A model in one file that PyTorch's and other safetensors readers open.
//
// Shapes   `flat` holds every element of `parameters`, end to end.
// Errors   The system's, with the path; the file is whole or absent.
// Source   github.com/huggingface/safetensors, "Format": 8 bytes little-endian length of a JSON
//          header, the header, the tensors.
#ifndef PACELINE_CLI_SAFETENSORS_H_
#define PACELINE_CLI_SAFETENSORS_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "common/job/parameters.h"

namespace paceline::cli {

absl::Status WriteSafetensors(const std::string& path,
                              const std::vector<ParameterInfo>& parameters,
                              absl::Span<const float> flat,
                              const std::map<std::string, std::string>& metadata);

}  // namespace paceline::cli

#endif  // PACELINE_CLI_SAFETENSORS_H_
