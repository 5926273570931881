#include "worker/data/idx.h"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/types/span.h"
#include "common/base/status_macros.h"
#include "worker/data/gunzip_source.h"

namespace paceline {
namespace {

constexpr uint8_t kUnsignedByte = 0x08;
constexpr size_t kFirstBytes = 64 * 1024;

absl::Status Error(absl::string_view name, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(name, ": ", what));
}

// Reads until `out` is full or the source ends; returns how much that was.
absl::StatusOr<size_t> ReadFully(ByteSource* source, absl::Span<uint8_t> out) {
  size_t filled = 0;
  while (filled < out.size()) {
    ASSIGN_OR_RETURN(const size_t count, source->Read(out.subspan(filled)));
    if (count == 0) break;
    filled += count;
  }
  return filled;
}

absl::StatusOr<int> ReadRank(ByteSource* source, absl::string_view name) {
  uint8_t magic[4];
  ASSIGN_OR_RETURN(const size_t count, ReadFully(source, absl::MakeSpan(magic)));
  if (count < 4) {
    return Error(name, absl::StrCat("ends after ", count, " bytes; an IDX file begins with 4"));
  }
  if (magic[0] != 0 || magic[1] != 0) {
    return Error(name, absl::StrFormat("begins with bytes %02x %02x %02x %02x; an IDX file of "
                                       "unsigned bytes begins with 00 00 08 and its rank",
                                       magic[0], magic[1], magic[2], magic[3]));
  }
  if (magic[2] != kUnsignedByte) {
    return Error(name, absl::StrFormat("holds elements of IDX type 0x%02x; wanted 0x08, unsigned "
                                       "bytes",
                                       magic[2]));
  }
  if (magic[3] == 0) return Error(name, "has rank 0; wanted 1 or more dimensions");
  return magic[3];
}

absl::StatusOr<std::vector<uint64_t>> ReadShape(ByteSource* source, absl::string_view name) {
  ASSIGN_OR_RETURN(const int rank, ReadRank(source, name));
  std::vector<uint64_t> shape;
  uint64_t bytes = 1;
  for (int i = 0; i < rank; ++i) {
    uint8_t b[4];
    ASSIGN_OR_RETURN(const size_t count, ReadFully(source, absl::MakeSpan(b)));
    if (count < 4) {
      return Error(name, absl::StrCat("ends inside its header; wanted ", rank, " dimensions"));
    }
    const uint64_t size = uint64_t{b[0]} << 24 | uint64_t{b[1]} << 16 | uint64_t{b[2]} << 8 | b[3];
    if (size == 0) return Error(name, absl::StrCat("dimension ", i, " is 0; wanted 1 or more"));
    if (size > kIdxBytesMax / bytes) {
      return Error(name, absl::StrCat("declares ", bytes, " * ", size,
                                      " values or more; the most accepted is ", kIdxBytesMax));
    }
    bytes *= size;
    shape.push_back(size);
  }
  return shape;
}

// Exactly `declared` bytes, and then the end.
absl::StatusOr<std::vector<uint8_t>> ReadValues(ByteSource* source, uint64_t declared,
                                                absl::string_view name) {
  std::vector<uint8_t> values;
  uint64_t filled = 0;
  while (filled < declared) {
    values.resize(std::min<uint64_t>(declared, std::max<uint64_t>(kFirstBytes, 2 * filled)));
    const absl::Span<uint8_t> room = absl::MakeSpan(values).subspan(filled);
    ASSIGN_OR_RETURN(const size_t count, ReadFully(source, room));
    filled += count;
    if (count < room.size()) {
      return Error(name, absl::StrCat("ends after ", filled, " of the ", declared,
                                      " values its header declares"));
    }
  }
  uint8_t beyond;
  ASSIGN_OR_RETURN(const size_t more, source->Read(absl::MakeSpan(&beyond, 1)));
  if (more > 0) {
    return Error(name, absl::StrCat("goes on after the ", declared,
                                    " values its header declares; wanted the end of the file"));
  }
  return values;
}

uint64_t Product(absl::Span<const uint64_t> shape) {
  uint64_t product = 1;
  for (const uint64_t size : shape) product *= size;
  return product;
}

}  // namespace

absl::StatusOr<IdxArray> ReadIdx(ByteSource* source, absl::string_view name) {
  GunzipSource plain(source, name);
  IdxArray array;
  ASSIGN_OR_RETURN(array.shape, ReadShape(&plain, name));
  ASSIGN_OR_RETURN(array.values, ReadValues(&plain, Product(array.shape), name));
  return array;
}

absl::StatusOr<Dataset> MakeIdxDataset(IdxArray images, absl::string_view images_name,
                                       const IdxArray& labels, absl::string_view labels_name) {
  if (images.shape.size() < 2) {
    return Error(images_name,
                 "has rank 1; images have rank 2 or more (are the images and the "
                 "labels interchanged?)");
  }
  if (labels.shape.size() != 1) {
    return Error(labels_name,
                 absl::StrCat("has rank ", labels.shape.size(), "; labels have rank 1"));
  }
  if (images.shape[0] != labels.shape[0]) {
    return Error(images_name, absl::StrCat("has ", images.shape[0], " images, but ", labels_name,
                                           " has ", labels.shape[0], " labels"));
  }
  Dataset dataset;
  dataset.origin = std::string(labels_name);
  dataset.samples = images.shape[0];
  dataset.shape.assign(images.shape.begin() + 1, images.shape.end());
  dataset.features = Product(dataset.shape);
  if (dataset.features > kFeaturesMax) {
    return Error(images_name,
                 absl::StrCat("has ", dataset.features, " values an image; the most accepted is ",
                              kFeaturesMax));
  }
  dataset.rows = std::make_shared<const Rows>(ByteRows{std::move(images.values)});
  dataset.labels =
      std::make_shared<const std::vector<float>>(labels.values.begin(), labels.values.end());
  return dataset;
}

}  // namespace paceline
