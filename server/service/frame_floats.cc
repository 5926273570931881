#include "server/service/frame_floats.h"

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"

namespace paceline {

absl::StatusOr<std::shared_ptr<Block>> TakeFloats(const DecodedFrame& frame, uint64_t arrays,
                                                  uint64_t elements,
                                                  absl::FunctionRef<std::string()> who) {
  // A header is bounded and so is a partition: the product comes nowhere near an overflow.
  const uint64_t wanted = arrays * elements;
  if (frame.payload_bytes() != wanted * sizeof(float)) {
    return absl::InvalidArgumentError(
        absl::StrCat(who(), ": ", frame.payload_bytes(), " bytes of numbers; wanted ",
                     wanted * sizeof(float), " (", arrays, " times ", elements, " float32)"));
  }
  auto block = std::make_shared<Block>(wanted);
  RETURN_IF_ERROR(frame.CopyPayload(block->floats()));
  return block;
}

}  // namespace paceline
