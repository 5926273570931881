#include "server/service/frame_floats.h"

#include "absl/strings/str_cat.h"

namespace paceline {

absl::StatusOr<std::shared_ptr<Block>> RoomForFloats(uint64_t payload_bytes, uint64_t arrays,
                                                     uint64_t elements,
                                                     absl::FunctionRef<std::string()> who) {
  // A header is bounded and so is a partition: the product comes nowhere near an overflow.
  const uint64_t wanted = arrays * elements;
  if (payload_bytes == wanted * sizeof(float)) return std::make_shared<Block>(wanted);
  return absl::InvalidArgumentError(
      absl::StrCat(who(), ": ", payload_bytes, " bytes of numbers; wanted ", wanted * sizeof(float),
                   " (", arrays, " times ", elements, " float32)"));
}

absl::Span<char> BytesOf(Block* block) {
  const absl::Span<float> floats = block->floats();
  return {reinterpret_cast<char*>(floats.data()), floats.size() * sizeof(float)};
}

}  // namespace paceline
