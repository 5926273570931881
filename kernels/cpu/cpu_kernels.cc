#include "kernels/cpu/cpu_kernels.h"

#include <cblas-openblas.h>
#include <gnu/libc-version.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "kernels/cpu/attention.h"
#include "kernels/cpu/elementwise.h"
#include "kernels/cpu/lookup.h"
#include "kernels/cpu/loss.h"
#include "kernels/cpu/rows.h"
#include "kernels/cpu/windows.h"

namespace paceline::kernels::cpu {
namespace {

// A cache line and the widest vector register.
constexpr uint64_t kAlignmentBytes = 64;

// What an x86-64 process can address.
constexpr uint64_t kBytesMax = uint64_t{1} << 47;

// "0.3.21" of "OpenBLAS 0.3.21 NO_LAPACKE DYNAMIC_ARCH ...": of the library that is loaded.
std::string OpenBlasVersion() {
  const std::vector<std::string> words = absl::StrSplit(openblas_get_config(), ' ');
  return words.size() > 1 ? words[1] : "unknown";
}

// glibc has its exp and log twice, and takes the one with fused multiply-add where it can.
const char* MathVariant() {
  return __builtin_cpu_supports("fma") && __builtin_cpu_supports("avx2") ? "fma" : "sse2";
}

class CpuBuffer : public Buffer {
 public:
  explicit CpuBuffer(Array array) : Buffer(array) {}
  ~CpuBuffer() override { std::free(array().address); }
};

class CpuKernels : public Kernels {
 public:
  explicit CpuKernels(absl::string_view note) : note_(note) {}

  std::string description() const override {
    return absl::StrCat("cpu: OpenBLAS, ", openblas_get_corename(), ", one thread",
                        note_.empty() ? "" : "; ", note_);
  }

  std::string signature() const override {
    return absl::StrCat("cpu openblas-", OpenBlasVersion(), "-", openblas_get_corename(), " libm-",
                        gnu_get_libc_version(), "-", MathVariant());
  }

  absl::Status Synchronize() override { return absl::OkStatus(); }

  // 1 MiB: half of a core's second-level cache, or less.
  uint64_t unfold_elements() const override { return uint64_t{1} << 18; }

 private:
  absl::StatusOr<std::unique_ptr<Buffer>> DoAllocate(uint64_t elements) override {
    const uint64_t bytes = elements * sizeof(float);
    const uint64_t whole = (bytes + kAlignmentBytes - 1) / kAlignmentBytes * kAlignmentBytes;
    void* memory = whole < kBytesMax ? std::aligned_alloc(kAlignmentBytes, whole) : nullptr;
    if (memory == nullptr) {
      return absl::ResourceExhaustedError(absl::StrCat("cpu: no memory for ", whole, " bytes"));
    }
    return std::make_unique<CpuBuffer>(Array{static_cast<float*>(memory), elements});
  }

  absl::Status DoUpload(absl::Span<const float> source, Array target) override {
    std::copy(source.begin(), source.end(), target.address);
    return absl::OkStatus();
  }

  absl::Status DoDownload(ConstArray source, absl::Span<float> target) override {
    std::copy_n(source.address, source.elements, target.begin());
    return absl::OkStatus();
  }

  absl::Status DoMatmul(Operand a, Operand b, Matrix c, MatmulScale scale) override {
    const uint64_t inner = a.transposed ? a.matrix.rows : a.matrix.columns;
    cblas_sgemm(CblasRowMajor, a.transposed ? CblasTrans : CblasNoTrans,
                b.transposed ? CblasTrans : CblasNoTrans, static_cast<blasint>(c.rows),
                static_cast<blasint>(c.columns), static_cast<blasint>(inner), scale.alpha,
                a.matrix.array.address, static_cast<blasint>(a.matrix.columns),
                b.matrix.array.address, static_cast<blasint>(b.matrix.columns), scale.beta,
                c.array.address, static_cast<blasint>(c.columns));
    return absl::OkStatus();
  }

  absl::Status DoAddBiasRows(ConstArray bias, Matrix rows) override {
    cpu::AddBiasRows(bias, rows);
    return absl::OkStatus();
  }

  absl::Status DoColumnSums(ConstMatrix rows, Array sums) override {
    cpu::ColumnSums(rows, sums);
    return absl::OkStatus();
  }

  absl::Status DoActivate(Activation activation, ConstArray input, Array output) override {
    cpu::Activate(activation, input, output);
    return absl::OkStatus();
  }

  absl::Status DoActivateBackward(Activation activation, ConstArray output,
                                  ConstArray output_gradient, Array input_gradient) override {
    cpu::ActivateBackward(activation, output, output_gradient, input_gradient);
    return absl::OkStatus();
  }

  absl::Status DoGelu(ConstArray input, Array output) override {
    cpu::Gelu(input, output);
    return absl::OkStatus();
  }

  absl::Status DoGeluBackward(ConstArray input, ConstArray output_gradient,
                              Array input_gradient) override {
    cpu::GeluBackward(input, output_gradient, input_gradient);
    return absl::OkStatus();
  }

  absl::Status DoSoftmax(ConstMatrix input, Matrix output) override {
    cpu::Softmax(input, output);
    return absl::OkStatus();
  }

  absl::Status DoSoftmaxBackward(ConstMatrix output, ConstMatrix output_gradient,
                                 Matrix input_gradient) override {
    cpu::SoftmaxBackward(output, output_gradient, input_gradient);
    return absl::OkStatus();
  }

  absl::Status DoDropout(RandomDraw draw, ConstArray input, Array output) override {
    cpu::Dropout(draw, input, output);
    return absl::OkStatus();
  }

  absl::Status DoLayerNorm(float epsilon, ConstMatrix input, ConstArray scale, ConstArray bias,
                           Matrix output, Matrix statistics) override {
    cpu::LayerNorm(epsilon, input, scale, bias, output, statistics);
    return absl::OkStatus();
  }

  absl::Status DoLayerNormBackward(const LayerNormBackwardArguments& arguments) override {
    cpu::LayerNormBackward(arguments);
    return absl::OkStatus();
  }

  absl::Status DoUnfold(const Windows& windows, ConstMatrix input, Matrix unfolded) override {
    cpu::Unfold(windows, input, unfolded);
    return absl::OkStatus();
  }

  absl::Status DoFold(const Windows& windows, ConstMatrix unfolded, Matrix samples) override {
    cpu::Fold(windows, unfolded, samples);
    return absl::OkStatus();
  }

  absl::Status DoMaxPool(const Windows& windows, ConstMatrix input, Matrix output,
                         Array winners) override {
    cpu::MaxPool(windows, input, output, winners);
    return absl::OkStatus();
  }

  absl::Status DoMaxPoolBackward(const Windows& windows, ConstArray winners,
                                 ConstMatrix output_gradient, Matrix input_gradient) override {
    cpu::MaxPoolBackward(windows, winners, output_gradient, input_gradient);
    return absl::OkStatus();
  }

  absl::Status DoAveragePool(const Windows& windows, ConstMatrix input, Matrix output) override {
    cpu::AveragePool(windows, input, output);
    return absl::OkStatus();
  }

  absl::Status DoAveragePoolBackward(const Windows& windows, ConstMatrix output_gradient,
                                     Matrix input_gradient) override {
    cpu::AveragePoolBackward(windows, output_gradient, input_gradient);
    return absl::OkStatus();
  }

  absl::Status DoGatherRows(ConstMatrix table, ConstArray ids, Matrix rows) override {
    cpu::GatherRows(table, ids, rows);
    return absl::OkStatus();
  }

  absl::Status DoSumRowsById(ConstMatrix rows, ConstArray ids, Matrix sums) override {
    cpu::SumRowsById(rows, ids, sums);
    return absl::OkStatus();
  }

  absl::Status DoAttention(const AttentionShape& shape, ConstMatrix qkv, Array probabilities,
                           Matrix output) override {
    cpu::Attention(shape, qkv, probabilities, output);
    return absl::OkStatus();
  }

  absl::Status DoAttentionBackward(const AttentionShape& shape, ConstMatrix qkv,
                                   ConstArray probabilities, ConstMatrix output_gradient,
                                   Array scratch, Matrix qkv_gradient) override {
    cpu::AttentionBackward(shape, qkv, probabilities, output_gradient, scratch, qkv_gradient);
    return absl::OkStatus();
  }

  absl::Status DoComputeLoss(Loss loss, const LossArguments& arguments) override {
    cpu::ComputeLoss(loss, arguments);
    return absl::OkStatus();
  }

  absl::Status DoAxpy(float alpha, ConstArray x, Array y) override {
    cpu::Axpy(alpha, x, y);
    return absl::OkStatus();
  }

  absl::Status DoScale(float alpha, Array x) override {
    cpu::Scale(alpha, x);
    return absl::OkStatus();
  }

  absl::Status DoAdd(ConstArray x, ConstArray y, Array sum) override {
    cpu::Add(x, y, sum);
    return absl::OkStatus();
  }

  absl::Status DoFill(float value, Array x) override {
    cpu::Fill(value, x);
    return absl::OkStatus();
  }

  absl::Status DoCopy(ConstArray x, Array copy) override {
    std::copy_n(x.address, x.elements, copy.address);
    return absl::OkStatus();
  }

  const std::string note_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Kernels>> CreateCpuKernels(absl::string_view note) {
  openblas_set_num_threads(1);
  if (const int threads = openblas_get_num_threads(); threads != 1) {
    return absl::InternalError(
        absl::StrCat("cpu: OpenBLAS runs on ", threads, " threads, wanted 1"));
  }
  return std::make_unique<CpuKernels>(note);
}

}  // namespace paceline::kernels::cpu
