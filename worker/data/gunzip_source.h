// Decompresses gzip while it is read; passes everything else through.
//
// Errors   InvalidArgument, naming the file: the compressed bytes are corrupt (their checksum
//          included), end early, or are followed by something that is not gzip.
// Threads  One object, one thread.
// Source   RFC 1952, by zlib. Members that follow one another are read as one stream.
#ifndef PACELINE_WORKER_DATA_GUNZIP_SOURCE_H_
#define PACELINE_WORKER_DATA_GUNZIP_SOURCE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "worker/data/byte_source.h"

namespace paceline {

// Reads no further ahead than one buffer, so whoever stops reading stops the decompression.
class GunzipSource : public ByteSource {
 public:
  // `name` is what errors call `source`, which must outlive this object.
  GunzipSource(ByteSource* source, absl::string_view name);
  ~GunzipSource() override;
  GunzipSource(const GunzipSource&) = delete;
  GunzipSource& operator=(const GunzipSource&) = delete;

  absl::StatusOr<size_t> Read(absl::Span<uint8_t> out) override;

 private:
  enum class Mode { kUnknown, kPlain, kGzip, kBetweenMembers };
  struct Inflater;

  absl::Status Refill();
  absl::Status Detect();
  absl::Status StartMember();
  absl::StatusOr<size_t> ReadPlain(absl::Span<uint8_t> out);
  absl::StatusOr<size_t> Inflate(absl::Span<uint8_t> out);

  ByteSource* const source_;
  const std::string name_;
  Mode mode_ = Mode::kUnknown;
  std::unique_ptr<uint8_t[]> input_;
  size_t begin_ = 0;  // What is still unread of input_: [begin_, end_).
  size_t end_ = 0;
  bool at_end_ = false;  // `source_` has no more.
  std::unique_ptr<Inflater> inflater_;
};

}  // namespace paceline

#endif  // PACELINE_WORKER_DATA_GUNZIP_SOURCE_H_
