// One kind of load on one kind of data plane, and what it came to.
//
// Units    GB are 1e9 payload bytes; an exchange counts both directions. CPU seconds are user and
//          system, of the worker's and the server's process together.
// Threads  One.
#ifndef PACELINE_BENCH_DATAPLANE_LOAD_H_
#define PACELINE_BENCH_DATAPLANE_LOAD_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/time/time.h"

namespace paceline::bench {

enum class Operation : uint32_t { kPush = 1, kPull = 2, kExchange = 3 };

// The parameters on the server's side, over which messages go round and round.
inline constexpr size_t kStoreBytes = size_t{64} << 20;

// Messages of one size on their way at once, as many as keep both ends busy.
struct Load {
  Operation operation = Operation::kPush;
  size_t message_bytes = 0;  // Divides kStoreBytes; a multiple of 4.
  int window = 1;
  absl::Duration at_least;
  bool wants_latencies = false;
};

struct Work {
  double seconds = 0;
  double bytes = 0;
  uint64_t messages = 0;
  std::vector<double> latencies_us;
};

// The different places of the store that messages of this size go round.
inline size_t PlacesOf(size_t message_bytes) {
  const size_t places = kStoreBytes / message_bytes;
  return places < 64 ? places : 64;
}

class Plane {
 public:
  virtual ~Plane() = default;
  virtual Work Run(const Load& load) = 0;
};

}  // namespace paceline::bench

#endif  // PACELINE_BENCH_DATAPLANE_LOAD_H_
