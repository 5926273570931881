#include "common/tensor/block.h"

#include <new>

namespace paceline {
namespace {

constexpr std::align_val_t kAlignment{64};

}  // namespace

Block::Block(size_t elements)
    : floats_(static_cast<float*>(::operator new[](elements * sizeof(float), kAlignment))),
      elements_(elements) {}

Block::~Block() { ::operator delete[](floats_, kAlignment); }

}  // namespace paceline
