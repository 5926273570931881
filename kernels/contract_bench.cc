#include "kernels/contract_bench.h"

#include <catch2/catch.hpp>
#include <cstdio>
#include <cstring>

#include "common/base/random.h"

namespace paceline::kernels {

std::vector<BackendChoice> AvailableBackends() {
  static const std::vector<BackendChoice>* const kAvailable = [] {
    auto* available = new std::vector<BackendChoice>{BackendChoice::kCpu};
    const auto cuda = CreateKernels(BackendChoice::kCuda);
    if (cuda.ok()) {
      available->push_back(BackendChoice::kCuda);
      std::printf("RUNNING %s (%s)\n", (*cuda)->description().c_str(),
                  (*cuda)->signature().c_str());
    } else {
      std::printf("SKIPPED %s\n", cuda.status().ToString().c_str());
    }
    return available;
  }();
  return *kAvailable;
}

Values Random(uint64_t count, const std::string& purpose) {
  const RandomStream stream(1, purpose);
  Values values(count);
  for (uint64_t i = 0; i < count; ++i) values[i] = 2 * stream.Uniform(i) - 1;
  return values;
}

Bench::Bench(BackendChoice choice) : kernels_(*CreateKernels(choice)) {}

Array Bench::Room(uint64_t elements) {
  buffers_.push_back(*kernels_->Allocate(elements));
  return buffers_.back()->array();
}

Array Bench::Put(const Values& values) {
  const Array array = Room(values.size());
  REQUIRE(kernels_->Upload(values, array).ok());
  return array;
}

Matrix Bench::Put(const Values& values, uint64_t rows, uint64_t columns) {
  REQUIRE(values.size() == rows * columns);
  return {Put(values), rows, columns};
}

Values Bench::Get(ConstArray array) {
  Values values(array.elements);
  REQUIRE(kernels_->Download(array, absl::MakeSpan(values)).ok());
  return values;
}

bool SameBits(const Values& a, const Values& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

void CheckClose(const Values& seen, const std::vector<double>& wanted, double margin) {
  REQUIRE(seen.size() == wanted.size());
  for (size_t i = 0; i < seen.size(); ++i) {
    INFO("element " << i);
    REQUIRE(seen[i] == Approx(wanted[i]).epsilon(1e-5).margin(margin));
  }
}

}  // namespace paceline::kernels
