// Euclidean norms summed block by block, so that a job's norm has the same bits for any
// partitioning and any vector width.
//
// Shapes   A gradient is cut into the segments that the partition holds (whole parameters or pieces
//          of them that start at a block), each segment into blocks of kBlockElements
//          (common/job/partitioning.h), the last of which may be shorter.
// Units    Sums of squares are in squared gradient units, float64.
// Threads  Pure functions.
#ifndef PACELINE_SERVER_OPTIMIZER_GLOBAL_NORM_H_
#define PACELINE_SERVER_OPTIMIZER_GLOBAL_NORM_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace paceline {

// Appends one number per block to `out`: scale^2 times the block's sum of squares. Added up from
// first to last over the partitions in flat order they are the job's square norm. The segments'
// counts add up to the gradient's.
void BlockSquareNorms(absl::Span<const float> gradient, absl::Span<const uint64_t> segment_elements,
                      double scale, std::vector<double>* out);

// The factor that brings a gradient whose square norm is `total_square_norm` down to
// `clip_global_norm`; 1 if it is not above it. An infinite norm gives 0 and a norm that is not a
// number gives NaN: elements that are not finite become NaN and are seen, not hidden.
double ClipFactor(double clip_global_norm, double total_square_norm);

}  // namespace paceline

#endif  // PACELINE_SERVER_OPTIMIZER_GLOBAL_NORM_H_
