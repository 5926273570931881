// Any bytes as a safetensors file: an error, or tensors that cover the file's end once.
#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "common/base/check.h"
#include "server/checkpoint/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t count) {
  const absl::string_view file(reinterpret_cast<const char*>(bytes), count);
  const auto read = paceline::ReadSafetensors(file);
  if (!read.ok()) return 0;
  size_t covered = 0;
  for (const auto& [name, tensor] : read->tensors) {
    uint64_t elements = 1;
    for (const uint64_t size : tensor.shape) elements *= size;
    PACELINE_CHECK(tensor.bytes.size() == elements * sizeof(float));
    if (tensor.bytes.empty()) continue;
    PACELINE_CHECK(tensor.bytes.data() >= file.data() + 8);
    PACELINE_CHECK(tensor.bytes.data() + tensor.bytes.size() <= file.data() + file.size());
    covered += tensor.bytes.size();
  }
  PACELINE_CHECK(covered + 8 <= file.size());
  return 0;
}
