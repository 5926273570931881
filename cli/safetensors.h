// A model in one file that PyTorch's and other safetensors readers open.
//
// Shapes   `flat` holds every element of `parameters`, end to end.
// Errors   InvalidArgument: `flat` has more or fewer elements, or a parameter has the header's own
//          name, "__metadata__". The system's, with the path. In each case nothing is written.
// Source   github.com/huggingface/safetensors, "Format": 8 bytes little-endian length of a JSON
//          header, the header, the tensors.
#ifndef PACELINE_CLI_SAFETENSORS_H_
#define PACELINE_CLI_SAFETENSORS_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "common/job/parameters.h"

namespace paceline::cli {

// The file's bytes. Tensors are named after their parameters, float32 ("F32").
absl::StatusOr<std::string> SafetensorsBytes(const std::vector<ParameterInfo>& parameters,
                                             absl::Span<const float> flat,
                                             const std::map<std::string, std::string>& metadata);

// Replaces `path` by them, at once.
absl::Status WriteSafetensors(const std::string& path, const std::vector<ParameterInfo>& parameters,
                              absl::Span<const float> flat,
                              const std::map<std::string, std::string>& metadata);

}  // namespace paceline::cli

#endif  // PACELINE_CLI_SAFETENSORS_H_
