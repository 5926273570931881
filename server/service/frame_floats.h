// Where the numbers of a received frame go: a block of their own, if their count is what it must
// be.
//
// Shapes   [arrays * elements] float32, array after array.
// Errors   InvalidArgument, in a sentence that begins with `who` and names both counts.
// Threads  Pure functions.
#ifndef PACELINE_SERVER_SERVICE_FRAME_FLOATS_H_
#define PACELINE_SERVER_SERVICE_FRAME_FLOATS_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "common/tensor/block.h"

namespace paceline {

// A block for a payload of that many bytes. `who` is asked only when something is wrong. `arrays`
// is a count of things in the frame's header.
absl::StatusOr<std::shared_ptr<Block>> RoomForFloats(uint64_t payload_bytes, uint64_t arrays,
                                                     uint64_t elements,
                                                     absl::FunctionRef<std::string()> who);

// A block's memory, to be filled with a payload as it comes.
absl::Span<char> BytesOf(Block* block);

}  // namespace paceline

#endif  // PACELINE_SERVER_SERVICE_FRAME_FLOATS_H_
