// A step allocates nothing once it has run on a batch as large: operator new is counted in the whole
// program; a backend's buffer is an object made by it.
#include <atomic>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <new>
#include <string>
#include <vector>

#include "worker/model/model_testing.h"

namespace {

std::atomic<int> allocations{0};

void* Counted(std::size_t bytes) {
  ++allocations;
  if (void* memory = std::malloc(bytes)) return memory;
  throw std::bad_alloc();
}

}  // namespace

void* operator new(std::size_t bytes) { return Counted(bytes); }
void* operator new[](std::size_t bytes) { return Counted(bytes); }
// An address checker's own would not go with the operator delete below.
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept { return Counted(bytes); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }

namespace paceline {
namespace {

TEST_CASE("a step on a batch no larger than before allocates nothing") {
  const std::string layers = GENERATE(
      "[{linear: 8}, gelu, {dropout: 0.1}, {residual: [layer_norm, {linear: 8}, relu]}, {linear: "
      "3}]",
      "[{reshape: [4, 4, 1]}, {convolution: {channels: 4, padding: 1}}, {max_pool: 2}, flatten, "
      "{linear: 3}]",
      "[{embedding: {vocabulary: 2, width: 4}}, positional_embedding, {attention: {heads: 2}}, "
      "global_average_pool]");
  auto model = *ModelOf("{layers: " + layers + ", loss: softmax_cross_entropy}", 16);
  const std::vector<float> parameters = RandomNumbers(model->parameter_elements(), "parameters");
  const std::vector<float> features(8 * 16, 1.0f), labels(8, 1.0f);
  std::vector<float> gradient(parameters.size());
  const Batch batch = {8, features, labels, 1};
  const Batch smaller = {3, absl::MakeConstSpan(features).first(3 * 16),
                         absl::MakeConstSpan(labels).first(3), 2};
  REQUIRE(model->SetParameters(parameters).ok());
  REQUIRE(model->Gradient(batch, absl::MakeSpan(gradient)).ok());

  const int before = allocations;
  bool ok = true;
  for (int step = 0; step < 10; ++step) {
    ok = ok && model->SetParameters(parameters).ok();
    ok = ok && model->Gradient(step % 2 == 0 ? smaller : batch, absl::MakeSpan(gradient)).ok();
    ok = ok && model->Evaluate(batch).ok();
  }
  const int during = allocations - before;

  CHECK(ok);
  CHECK(during == 0);
}

}  // namespace
}  // namespace paceline
