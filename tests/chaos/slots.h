// How a parameter shows which pushes are in it: every client has slots of its own in each block, and
// its push number k takes one from slot k mod kSlots, at a learning rate of 1. All is exact in float32.
//
// Shapes   A partition: whole blocks of kBlockElements, float32.
// Threads  Pure functions.
#ifndef PACELINE_TESTS_CHAOS_SLOTS_H_
#define PACELINE_TESTS_CHAOS_SLOTS_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/types/span.h"
#include "tests/history/history.h"

namespace paceline::chaos {

inline constexpr uint32_t kSlots = 16;
inline constexpr uint32_t kClientsMax = 256;

// The gradient of that push; zero-filled but for one element a block.
std::vector<float> PushGradient(uint64_t elements, uint32_t client, uint64_t push);

// The pushes that these parameters of a partition hold. None: no first few pushes of each client
// make them, or two blocks differ.
std::optional<history::Pushes> PushesIn(absl::Span<const float> parameters);

}  // namespace paceline::chaos

#endif  // PACELINE_TESTS_CHAOS_SLOTS_H_
