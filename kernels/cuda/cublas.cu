#include <cublas_v2.h>
#include <dlfcn.h>

#include <utility>

#include "kernels/cuda/cublas.h"

namespace paceline::kernels::cuda {

struct Cublas::Functions {
  decltype(&cublasCreate_v2) create = nullptr;
  decltype(&cublasDestroy_v2) destroy = nullptr;
  decltype(&cublasSetStream_v2) set_stream = nullptr;
  decltype(&cublasSetMathMode) set_math_mode = nullptr;
  decltype(&cublasGetVersion_v2) get_version = nullptr;
  decltype(&cublasSgemm_v2) sgemm = nullptr;
  decltype(&cublasSgemmStridedBatched) sgemm_batched = nullptr;
  decltype(&cublasGetStatusString) status_text = nullptr;

  std::string Text(const char* call, cublasStatus_t status) const {
    if (status == CUBLAS_STATUS_SUCCESS) return "";
    return std::string(call) + ": " + status_text(status);
  }
};

namespace {

constexpr const char* kPlaces[] = {
    "libcublas.so.13",
    "/usr/local/cuda/lib64/libcublas.so.13",
    "/usr/local/cuda/targets/x86_64-linux/lib/libcublas.so.13",
};

// Never closed: a library with work on the device cannot be unloaded safely.
void* Load(std::string* error) {
  for (const char* place : kPlaces) {
    if (void* library = dlopen(place, RTLD_NOW | RTLD_LOCAL)) return library;
    const char* reason = dlerror();
    *error += (error->empty() ? "" : "; ") + std::string(reason == nullptr ? place : reason);
  }
  *error = "cuBLAS 13 was not found (put its folder on LD_LIBRARY_PATH): " + *error;
  return nullptr;
}

template <typename F>
bool Find(void* library, const char* name, F* function, std::string* error) {
  *function = reinterpret_cast<F>(dlsym(library, name));
  if (*function == nullptr) *error = std::string("libcublas.so.13 has no ") + name;
  return *function != nullptr;
}

cublasOperation_t Operation(bool transposed) { return transposed ? CUBLAS_OP_T : CUBLAS_OP_N; }

}  // namespace

Cublas::Cublas(std::unique_ptr<Functions> functions) : functions_(std::move(functions)) {}

std::unique_ptr<Cublas> Cublas::Open(Stream stream, std::string* error) {
  void* library = Load(error);
  if (library == nullptr) return nullptr;
  error->clear();
  auto f = std::make_unique<Functions>();
  if (!Find(library, "cublasCreate_v2", &f->create, error) ||
      !Find(library, "cublasDestroy_v2", &f->destroy, error) ||
      !Find(library, "cublasSetStream_v2", &f->set_stream, error) ||
      !Find(library, "cublasSetMathMode", &f->set_math_mode, error) ||
      !Find(library, "cublasGetVersion_v2", &f->get_version, error) ||
      !Find(library, "cublasSgemm_v2", &f->sgemm, error) ||
      !Find(library, "cublasSgemmStridedBatched", &f->sgemm_batched, error) ||
      !Find(library, "cublasGetStatusString", &f->status_text, error)) {
    return nullptr;
  }
  std::unique_ptr<Cublas> cublas(new Cublas(std::move(f)));
  const Functions& call = *cublas->functions_;
  cublasHandle_t handle = nullptr;
  *error = call.Text("cublasCreate", call.create(&handle));
  if (!error->empty()) return nullptr;
  cublas->handle_ = handle;
  *error = call.Text("cublasSetStream", call.set_stream(handle, stream));
  if (!error->empty()) return nullptr;
  // Pedantic: float32 means float32, whatever environment variables say of TF32 or emulation.
  *error = call.Text("cublasSetMathMode", call.set_math_mode(handle, CUBLAS_PEDANTIC_MATH));
  if (!error->empty()) return nullptr;
  return cublas;
}

Cublas::~Cublas() {
  if (handle_ != nullptr) functions_->destroy(static_cast<cublasHandle_t>(handle_));
}

std::string Cublas::version() const {
  int version = 0;
  functions_->get_version(static_cast<cublasHandle_t>(handle_), &version);
  return std::to_string(version / 10000) + "." + std::to_string(version / 100 % 100) + "." +
         std::to_string(version % 100);
}

std::string Cublas::Sgemm(const GemmArguments& g) {
  return functions_->Text(
      "cublasSgemm",
      functions_->sgemm(static_cast<cublasHandle_t>(handle_), Operation(g.a_transposed),
                        Operation(g.b_transposed), g.m, g.n, g.k, &g.alpha, g.a, g.a_stride, g.b,
                        g.b_stride, &g.beta, g.c, g.c_stride));
}

std::string Cublas::SgemmBatched(const GemmArguments& g, const GemmBatch& batch) {
  return functions_->Text(
      "cublasSgemmStridedBatched",
      functions_->sgemm_batched(static_cast<cublasHandle_t>(handle_), Operation(g.a_transposed),
                                Operation(g.b_transposed), g.m, g.n, g.k, &g.alpha, g.a, g.a_stride,
                                batch.a_step, g.b, g.b_stride, batch.b_step, &g.beta, g.c,
                                g.c_stride, batch.c_step, batch.count));
}

}  // namespace paceline::kernels::cuda
