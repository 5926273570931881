#include "bench/dataplane/machine.h"

#include <cstring>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "bench/dataplane/add.h"
#include "bench/dataplane/load.h"

namespace paceline::bench {
namespace {

constexpr int kPasses = 8;

template <typename Pass>
double GbPerSecond(Pass pass) {
  pass();
  const absl::Time begin = absl::Now();
  for (int i = 0; i < kPasses; ++i) pass();
  return kPasses * static_cast<double>(kStoreBytes) / 1e9 /
         absl::ToDoubleSeconds(absl::Now() - begin);
}

}  // namespace

double MemcpyGbPerSecond() {
  std::vector<char> from(kStoreBytes, 1);
  std::vector<char> to(kStoreBytes, 2);
  return GbPerSecond([&] {
    std::memcpy(to.data(), from.data(), kStoreBytes);
    // Looked at, so that no pass can be left out.
    asm volatile("" : : "r"(to.data()) : "memory");
  });
}

double AddGbPerSecond() {
  std::vector<float> gradient(kStoreBytes / sizeof(float), 1);
  std::vector<float> store(kStoreBytes / sizeof(float), 2);
  return GbPerSecond([&] { Add(gradient.data(), gradient.size(), store.data()); });
}

}  // namespace paceline::bench
