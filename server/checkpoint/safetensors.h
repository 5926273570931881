// The safetensors format: named tensors in one file that PyTorch's and other readers open.
//
// Shapes   A tensor has the product of its shape's dimensions elements (none: one), float32.
// Errors   Writing: InvalidArgument: a name that is empty, there twice or "__metadata__", a shape
// that
//          is too large. Reading: DataLoss: anything that the format does not allow, holes and
//          overlaps between tensors included; Unimplemented: another type than F32. With what was
//          seen and what was wanted.
// Threads  Pure functions.
// Source   github.com/huggingface/safetensors, "Format": 8 bytes little-endian length of a JSON
// header, the
//          header, the tensors.
#ifndef PACELINE_SERVER_CHECKPOINT_SAFETENSORS_H_
#define PACELINE_SERVER_CHECKPOINT_SAFETENSORS_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace paceline {

// The format's own bound on its header.
inline constexpr size_t kSafetensorsHeaderMax = 100'000'000;

struct SafetensorsTensor {
  std::string name;
  std::vector<uint64_t> shape;
};

using SafetensorsMetadata = std::map<std::string, std::string>;

// All of the file before the tensors' floats, which follow in the order of `tensors`.
absl::StatusOr<std::string> SafetensorsHeader(const std::vector<SafetensorsTensor>& tensors,
                                              const SafetensorsMetadata& metadata);

struct Safetensors {
  // A tensor and its floats' bytes, little-endian, in the file.
  struct Item {
    std::vector<uint64_t> shape;
    absl::string_view bytes;
  };
  std::map<std::string, Item> tensors;  // By name.
  SafetensorsMetadata metadata;
};

// Refers to `file`, which is all of it.
absl::StatusOr<Safetensors> ReadSafetensors(absl::string_view file);

}  // namespace paceline

#endif  // PACELINE_SERVER_CHECKPOINT_SAFETENSORS_H_
