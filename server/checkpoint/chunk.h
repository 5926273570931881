// How an array becomes chunks.
#ifndef PACELINE_SERVER_CHECKPOINT_CHUNK_H_
#define PACELINE_SERVER_CHECKPOINT_CHUNK_H_

#include <cstdint>

namespace paceline {

// Bytes in every chunk of an array but the last, which has 1..kChunkBytes.
inline constexpr uint64_t kChunkBytes = uint64_t{4} << 20;

}  // namespace paceline

#endif  // PACELINE_SERVER_CHECKPOINT_CHUNK_H_
