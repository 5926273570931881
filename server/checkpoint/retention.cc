#include "server/checkpoint/retention.h"

#include <algorithm>

namespace paceline {

std::vector<uint64_t> NotKept(const Retention& retention,
                              const std::vector<uint64_t>& checkpoints) {
  const uint64_t newest =
      std::min<uint64_t>(std::max<uint64_t>(retention.keep_last, 1), checkpoints.size());
  std::vector<uint64_t> gone;
  for (size_t i = 0; i + newest < checkpoints.size(); ++i) {
    const bool is_kept =
        (retention.keep_every > 0 && checkpoints[i] % retention.keep_every == 0) ||
        retention.pinned.count(checkpoints[i]) > 0;
    if (!is_kept) gone.push_back(checkpoints[i]);
  }
  return gone;
}

}  // namespace paceline
