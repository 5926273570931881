// IDX, the layout of MNIST: a big-endian header, then unsigned bytes; plain or gzip.
//
// Shapes   images: rank >= 2, samples first. labels: rank 1.
// Errors   InvalidArgument, naming the file, what was seen and what was wanted: not IDX, another
//          type than unsigned byte, a wrong rank, a dimension of 0, more than kIdxBytesMax
//          declared, fewer or more bytes than declared, corrupt gzip, unequal counts of images and
//          labels.
// Threads  Pure functions of the bytes.
// Source   Y. LeCun, "The MNIST database of handwritten digits", file formats.
//
// Bytes are taken as they arrive and never past the declared size: neither a header that lies nor a
// decompression bomb makes this allocate more than about twice what the file really holds.
#ifndef PACELINE_WORKER_DATA_IDX_H_
#define PACELINE_WORKER_DATA_IDX_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "worker/data/byte_source.h"
#include "worker/data/dataset.h"

namespace paceline {

constexpr uint64_t kIdxBytesMax = uint64_t{16} << 30;

struct IdxArray {
  std::vector<uint64_t> shape;  // At least one dimension, none of them 0.
  std::vector<uint8_t> values;
};

// One file, plain or gzip. `name` is what errors call it.
absl::StatusOr<IdxArray> ReadIdx(ByteSource* source, absl::string_view name);

// Joins what two files hold.
absl::StatusOr<Dataset> MakeIdxDataset(IdxArray images, absl::string_view images_name,
                                       const IdxArray& labels, absl::string_view labels_name);

}  // namespace paceline

#endif  // PACELINE_WORKER_DATA_IDX_H_
