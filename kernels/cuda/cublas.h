// cuBLAS, loaded when first wanted: a program starts, and works on the CPU, where it is missing.
//
// Errors   A text; empty is success.
// Threads  One thread at a time.
#ifndef PACELINE_KERNELS_CUDA_CUBLAS_H_
#define PACELINE_KERNELS_CUDA_CUBLAS_H_

#include <cstdint>
#include <memory>
#include <string>

#include "kernels/cuda/runtime.h"

namespace paceline::kernels::cuda {

// A product of column-major matrices, as BLAS says it.
struct GemmArguments {
  bool a_transposed, b_transposed;
  int m, n, k;
  float alpha;
  const float* a;
  int a_stride;
  const float* b;
  int b_stride;
  float beta;
  float* c;
  int c_stride;
};

// `count` products of the same sizes, each operand so many elements behind the one before.
struct GemmBatch {
  int count;
  int64_t a_step, b_step, c_step;
};

class Cublas {
 public:
  // Looks for libcublas.so.13 where the loader looks (LD_LIBRARY_PATH, ldconfig), then in the CUDA
  // toolkit's usual places. Null: `error` says what was tried.
  static std::unique_ptr<Cublas> Open(Stream stream, std::string* error);
  ~Cublas();

  std::string version() const;

  // c = alpha a b + beta c in float32, never TF32 or emulated: rounded as on the CPU.
  std::string Sgemm(const GemmArguments& arguments);
  std::string SgemmBatched(const GemmArguments& arguments, const GemmBatch& batch);

 private:
  struct Functions;
  explicit Cublas(std::unique_ptr<Functions> functions);

  const std::unique_ptr<Functions> functions_;
  void* handle_ = nullptr;
};

}  // namespace paceline::kernels::cuda

#endif  // PACELINE_KERNELS_CUDA_CUBLAS_H_
