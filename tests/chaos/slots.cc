#include "tests/chaos/slots.h"

#include <algorithm>
#include <map>
#include <utility>

#include "common/job/partitioning.h"

namespace paceline::chaos {
namespace {

static_assert(kSlots * kClientsMax <= kBlockElements);

// How many pushes these slots of a client hold: those before slot k mod kSlots one more than those
// from there on.
std::optional<uint64_t> CountOf(absl::Span<const float> slots) {
  uint64_t count = 0;
  for (const float slot : slots) {
    if (slot < 0 || slot != static_cast<float>(static_cast<uint64_t>(slot))) return std::nullopt;
    count += static_cast<uint64_t>(slot);
  }
  for (uint64_t i = 0; i < kSlots; ++i) {
    const uint64_t want = count / kSlots + (i < count % kSlots ? 1 : 0);
    if (slots[i] != static_cast<float>(want)) return std::nullopt;
  }
  return count;
}

}  // namespace

std::vector<float> PushGradient(uint64_t elements, uint32_t client, uint64_t push) {
  std::vector<float> gradient(elements);
  for (uint64_t at = client * kSlots + push % kSlots; at < elements; at += kBlockElements) {
    gradient[at] = -1;
  }
  return gradient;
}

std::optional<history::Pushes> PushesIn(absl::Span<const float> parameters) {
  if (parameters.empty() || parameters.size() % kBlockElements != 0) return std::nullopt;
  const absl::Span<const float> first = parameters.subspan(0, kBlockElements);
  for (size_t at = kBlockElements; at < parameters.size(); at += kBlockElements) {
    const absl::Span<const float> block = parameters.subspan(at, kBlockElements);
    if (!std::equal(first.begin(), first.end(), block.begin())) return std::nullopt;
  }
  std::map<uint32_t, uint64_t> counts;
  for (uint32_t client = 0; client < kClientsMax; ++client) {
    const std::optional<uint64_t> count = CountOf(first.subspan(client * kSlots, kSlots));
    if (!count.has_value()) return std::nullopt;
    if (*count > 0) counts[client] = *count;
  }
  return history::Pushes(std::move(counts));
}

}  // namespace paceline::chaos
