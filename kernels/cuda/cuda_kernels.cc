#include "kernels/cuda/cuda_kernels.h"

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/base/status_macros.h"
#include "kernels/cuda/attention.h"
#include "kernels/cuda/cublas.h"
#include "kernels/cuda/elementwise.h"
#include "kernels/cuda/lookup.h"
#include "kernels/cuda/loss.h"
#include "kernels/cuda/rows.h"
#include "kernels/cuda/runtime.h"
#include "kernels/cuda/windows.h"

namespace paceline::kernels::cuda {
namespace {

constexpr int kComputeCapabilityMin = 8;  // What the embedded PTX needs.

absl::Status StatusOf(absl::string_view operation, CudaCode code) {
  if (code == 0) return absl::OkStatus();
  return absl::InternalError(absl::StrCat("cuda: ", operation, ": ", CudaCodeText(code)));
}

// Of what says its failures as a text.
absl::Status StatusOf(const std::string& error) {
  return error.empty() ? absl::OkStatus() : absl::InternalError(absl::StrCat("cuda: ", error));
}

class CudaBuffer : public Buffer {
 public:
  explicit CudaBuffer(Array array) : Buffer(array) {}
  ~CudaBuffer() override { Free(array().address); }
};

class CudaKernels : public Kernels {
 public:
  // `stream` becomes the object's own; `cublas` works on it.
  CudaKernels(std::string description, std::string signature, Stream stream,
              std::unique_ptr<Cublas> cublas)
      : description_(std::move(description)),
        signature_(std::move(signature)),
        stream_(stream),
        cublas_(std::move(cublas)) {}

  ~CudaKernels() override {
    (void)WaitForStream(stream_);
    cublas_.reset();
    DestroyStream(stream_);
  }

  std::string description() const override { return description_; }
  std::string signature() const override { return signature_; }

  // 256 MiB: a convolution of a usual batch in one product.
  uint64_t unfold_elements() const override { return uint64_t{1} << 26; }

  absl::Status Synchronize() override { return StatusOf("synchronize", WaitForStream(stream_)); }

 private:
  absl::StatusOr<std::unique_ptr<Buffer>> DoAllocate(uint64_t elements) override {
    const uint64_t bytes = elements * sizeof(float);
    void* address = nullptr;
    const CudaCode code = cuda::Allocate(bytes, &address);
    if (IsOutOfMemory(code)) {
      return absl::ResourceExhaustedError(
          absl::StrCat("cuda: no device memory for ", bytes, " bytes"));
    }
    RETURN_IF_ERROR(StatusOf("allocate", code));
    return std::make_unique<CudaBuffer>(Array{static_cast<float*>(address), elements});
  }

  absl::Status DoUpload(absl::Span<const float> source, Array target) override {
    return StatusOf("upload", CopyToDevice(source.data(), target.address,
                                           source.size() * sizeof(float), stream_));
  }

  absl::Status DoDownload(ConstArray source, absl::Span<float> target) override {
    return StatusOf("download", CopyToHost(source.address, target.data(),
                                           target.size() * sizeof(float), stream_));
  }

  // cuBLAS counts columns first, so to it each of our matrices is its own transpose: c' = b' a'.
  absl::Status DoMatmul(Operand a, Operand b, Matrix c, MatmulScale scale) override {
    GemmArguments g;
    g.a_transposed = b.transposed;
    g.b_transposed = a.transposed;
    g.m = static_cast<int>(c.columns);
    g.n = static_cast<int>(c.rows);
    g.k = static_cast<int>(a.transposed ? a.matrix.rows : a.matrix.columns);
    g.alpha = scale.alpha;
    g.a = b.matrix.array.address;
    g.a_stride = static_cast<int>(b.matrix.columns);
    g.b = a.matrix.array.address;
    g.b_stride = static_cast<int>(a.matrix.columns);
    g.beta = scale.beta;
    g.c = c.array.address;
    g.c_stride = static_cast<int>(c.columns);
    return StatusOf(cublas_->Sgemm(g));
  }

  absl::Status DoAddBiasRows(ConstArray bias, Matrix rows) override {
    return StatusOf("add_bias_rows", cuda::AddBiasRows(bias, rows, stream_));
  }

  absl::Status DoColumnSums(ConstMatrix rows, Array sums) override {
    return StatusOf("column_sums", cuda::ColumnSums(rows, sums, stream_));
  }

  absl::Status DoActivate(Activation activation, ConstArray input, Array output) override {
    return StatusOf("activate", cuda::Activate(activation, input, output, stream_));
  }

  absl::Status DoActivateBackward(Activation activation, ConstArray output,
                                  ConstArray output_gradient, Array input_gradient) override {
    return StatusOf("activate_backward", cuda::ActivateBackward(activation, output, output_gradient,
                                                                input_gradient, stream_));
  }

  absl::Status DoGelu(ConstArray input, Array output) override {
    return StatusOf("gelu", cuda::Gelu(input, output, stream_));
  }

  absl::Status DoGeluBackward(ConstArray input, ConstArray output_gradient,
                              Array input_gradient) override {
    return StatusOf("gelu_backward",
                    cuda::GeluBackward(input, output_gradient, input_gradient, stream_));
  }

  absl::Status DoSoftmax(ConstMatrix input, Matrix output) override {
    return StatusOf("softmax", cuda::Softmax({}, input, output, stream_));
  }

  absl::Status DoSoftmaxBackward(ConstMatrix output, ConstMatrix output_gradient,
                                 Matrix input_gradient) override {
    return StatusOf("softmax_backward",
                    cuda::SoftmaxBackward({}, output, output_gradient, input_gradient, stream_));
  }

  absl::Status DoDropout(RandomDraw draw, ConstArray input, Array output) override {
    return StatusOf("dropout", cuda::Dropout(draw, input, output, stream_));
  }

  absl::Status DoLayerNorm(float epsilon, ConstMatrix input, ConstArray scale, ConstArray bias,
                           Matrix output, Matrix statistics) override {
    return StatusOf("layer_norm",
                    cuda::LayerNorm(epsilon, input, scale, bias, output, statistics, stream_));
  }

  absl::Status DoLayerNormBackward(const LayerNormBackwardArguments& arguments) override {
    return StatusOf("layer_norm_backward", cuda::LayerNormBackward(arguments, stream_));
  }

  absl::Status DoUnfold(const Windows& windows, ConstMatrix input, Matrix unfolded) override {
    return StatusOf("unfold", cuda::Unfold(windows, input, unfolded, stream_));
  }

  absl::Status DoFold(const Windows& windows, ConstMatrix unfolded, Matrix samples) override {
    return StatusOf("fold", cuda::Fold(windows, unfolded, samples, stream_));
  }

  absl::Status DoMaxPool(const Windows& windows, ConstMatrix input, Matrix output,
                         Array winners) override {
    return StatusOf("max_pool", cuda::MaxPool(windows, input, output, winners, stream_));
  }

  absl::Status DoMaxPoolBackward(const Windows& windows, ConstArray winners,
                                 ConstMatrix output_gradient, Matrix input_gradient) override {
    return StatusOf("max_pool_backward", cuda::MaxPoolBackward(windows, winners, output_gradient,
                                                               input_gradient, stream_));
  }

  absl::Status DoAveragePool(const Windows& windows, ConstMatrix input, Matrix output) override {
    return StatusOf("average_pool", cuda::AveragePool(windows, input, output, stream_));
  }

  absl::Status DoAveragePoolBackward(const Windows& windows, ConstMatrix output_gradient,
                                     Matrix input_gradient) override {
    return StatusOf("average_pool_backward",
                    cuda::AveragePoolBackward(windows, output_gradient, input_gradient, stream_));
  }

  absl::Status DoGatherRows(ConstMatrix table, ConstArray ids, Matrix rows) override {
    return StatusOf("gather_rows", cuda::GatherRows(table, ids, rows, stream_));
  }

  absl::Status DoSumRowsById(ConstMatrix rows, ConstArray ids, Matrix sums) override {
    return StatusOf("sum_rows_by_id", cuda::SumRowsById(rows, ids, sums, stream_));
  }

  absl::Status DoAttention(const AttentionShape& shape, ConstMatrix qkv, Array probabilities,
                           Matrix output) override {
    return StatusOf(cuda::Attention({shape, cublas_.get(), stream_}, qkv, probabilities, output));
  }

  absl::Status DoAttentionBackward(const AttentionShape& shape, ConstMatrix qkv,
                                   ConstArray probabilities, ConstMatrix output_gradient,
                                   Array scratch, Matrix qkv_gradient) override {
    return StatusOf(cuda::AttentionBackward({shape, cublas_.get(), stream_}, qkv, probabilities,
                                            output_gradient, scratch, qkv_gradient));
  }

  absl::Status DoComputeLoss(kernels::Loss loss, const LossArguments& arguments) override {
    return StatusOf("loss", cuda::ComputeLoss(loss, arguments, stream_));
  }

  absl::Status DoAxpy(float alpha, ConstArray x, Array y) override {
    return StatusOf("axpy", cuda::Axpy(alpha, x, y, stream_));
  }

  absl::Status DoScale(float alpha, Array x) override {
    return StatusOf("scale", cuda::Scale(alpha, x, stream_));
  }

  absl::Status DoAdd(ConstArray x, ConstArray y, Array sum) override {
    return StatusOf("add", cuda::Add(x, y, sum, stream_));
  }

  absl::Status DoFill(float value, Array x) override {
    return StatusOf("fill", cuda::Fill(value, x, stream_));
  }

  absl::Status DoCopy(ConstArray x, Array copy) override {
    return StatusOf("copy",
                    CopyOnDevice(x.address, copy.address, x.elements * sizeof(float), stream_));
  }

  const std::string description_;
  const std::string signature_;
  const Stream stream_;
  std::unique_ptr<Cublas> cublas_;
};

absl::Status Unavailable(absl::string_view reason) {
  return absl::UnavailableError(absl::StrCat("cuda: ", reason));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Kernels>> CreateCudaKernels() {
  DeviceFacts facts;
  if (const CudaCode code = OpenDevice(&facts); code != 0) return Unavailable(CudaCodeText(code));
  const std::string device =
      absl::StrCat(facts.name, ", compute capability ", facts.major, ".", facts.minor);
  if (facts.major < kComputeCapabilityMin) {
    return Unavailable(absl::StrCat(device, ", wanted ", kComputeCapabilityMin, ".0 or more"));
  }
  Stream stream = nullptr;
  if (const CudaCode code = CreateStream(&stream); code != 0) {
    return Unavailable(CudaCodeText(code));
  }
  std::string error;
  std::unique_ptr<Cublas> cublas = Cublas::Open(stream, &error);
  if (cublas == nullptr) {
    DestroyStream(stream);
    return Unavailable(error);
  }
  std::string description = absl::StrCat("cuda: ", device, ", ", facts.memory_bytes >> 20,
                                         " MiB, cuBLAS ", cublas->version());
  // What cuBLAS makes its promise of equal bits for.
  std::string signature =
      absl::StrCat("cuda sm_", facts.major, facts.minor, " ", facts.multiprocessors,
                   "-multiprocessors cublas-", cublas->version());
  return std::make_unique<CudaKernels>(std::move(description), std::move(signature), stream,
                                       std::move(cublas));
}

}  // namespace paceline::kernels::cuda
