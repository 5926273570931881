// What the contract's tests work with: the backends of this build and machine, and one test's
// buffers.
#ifndef PACELINE_KERNELS_CONTRACT_BENCH_H_
#define PACELINE_KERNELS_CONTRACT_BENCH_H_

#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "kernels/backend.h"
#include "kernels/kernels.h"

namespace paceline::kernels {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// Made once; which are left out, and why, is printed.
std::vector<BackendChoice> AvailableBackends();

using Values = std::vector<float>;

// `count` numbers in [-1, 1), other ones for another purpose.
Values Random(uint64_t count, const std::string& purpose);

// One backend and the buffers of one test.
class Bench {
 public:
  explicit Bench(BackendChoice choice);

  Kernels* operator->() { return kernels_.get(); }

  Array Room(uint64_t elements);
  Matrix Room(uint64_t rows, uint64_t columns) { return {Room(rows * columns), rows, columns}; }

  Array Put(const Values& values);
  Matrix Put(const Values& values, uint64_t rows, uint64_t columns);

  Values Get(ConstArray array);
  Values Get(ConstMatrix matrix) { return Get(matrix.array); }

 private:
  std::unique_ptr<Kernels> kernels_;
  std::vector<std::unique_ptr<Buffer>> buffers_;
};

bool SameBits(const Values& a, const Values& b);

void CheckClose(const Values& seen, const std::vector<double>& wanted, double margin);

}  // namespace paceline::kernels

#endif  // PACELINE_KERNELS_CONTRACT_BENCH_H_
