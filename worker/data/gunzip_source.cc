#include "worker/data/gunzip_source.h"

#include <zlib.h>

#include <algorithm>
#include <cstring>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/base/check.h"
#include "common/base/status_macros.h"

namespace paceline {
namespace {

constexpr size_t kInputBytes = 256 * 1024;
constexpr size_t kOutputBytesMax = 1 << 30;  // zlib counts in 32 bits.

}  // namespace

struct GunzipSource::Inflater {
  Inflater() {
    // 15: the largest window; 16: gzip framing only. It fails only for lack of memory.
    PACELINE_CHECK(inflateInit2(&stream, 15 + 16) == Z_OK);
  }
  ~Inflater() { inflateEnd(&stream); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  z_stream stream = {};
};

GunzipSource::GunzipSource(ByteSource* source, absl::string_view name)
    : source_(source), name_(name), input_(new uint8_t[kInputBytes]) {}

GunzipSource::~GunzipSource() = default;

// Adds to what is unread; on return at least two bytes are, or the source is at its end.
absl::Status GunzipSource::Refill() {
  if (begin_ > 0) std::memmove(input_.get(), input_.get() + begin_, end_ - begin_);
  end_ -= begin_;
  begin_ = 0;
  while (end_ < 2 && !at_end_) {
    ASSIGN_OR_RETURN(const size_t count,
                     source_->Read(absl::MakeSpan(input_.get() + end_, kInputBytes - end_)));
    end_ += count;
    at_end_ = count == 0;
  }
  return absl::OkStatus();
}

absl::Status GunzipSource::Detect() {
  RETURN_IF_ERROR(Refill());
  const bool is_gzip = end_ >= 2 && input_[0] == 0x1f && input_[1] == 0x8b;
  mode_ = is_gzip ? Mode::kGzip : Mode::kPlain;
  if (is_gzip) inflater_ = std::make_unique<Inflater>();
  return absl::OkStatus();
}

// Behind a member: another one begins, or the bytes end here (and the mode stays as it is).
absl::Status GunzipSource::StartMember() {
  RETURN_IF_ERROR(Refill());
  if (begin_ == end_) return absl::OkStatus();
  if (end_ - begin_ < 2 || input_[0] != 0x1f || input_[1] != 0x8b) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "%s: the compressed bytes are followed by 0x%02x; wanted the end of the file or another "
        "gzip member",
        name_, input_[0]));
  }
  PACELINE_CHECK(inflateReset(&inflater_->stream) == Z_OK);
  mode_ = Mode::kGzip;
  return absl::OkStatus();
}

absl::StatusOr<size_t> GunzipSource::ReadPlain(absl::Span<uint8_t> out) {
  if (begin_ == end_) return at_end_ ? absl::StatusOr<size_t>(0) : source_->Read(out);
  const size_t count = std::min(out.size(), end_ - begin_);
  std::memcpy(out.data(), input_.get() + begin_, count);
  begin_ += count;
  return count;
}

absl::StatusOr<size_t> GunzipSource::Inflate(absl::Span<uint8_t> out) {
  if (begin_ == end_) RETURN_IF_ERROR(Refill());
  if (begin_ == end_) {
    return absl::InvalidArgumentError(absl::StrCat(
        name_, ": the file ends inside its compressed bytes; wanted the end of the gzip member"));
  }
  z_stream& stream = inflater_->stream;
  const size_t room = std::min(out.size(), kOutputBytesMax);
  stream.next_in = input_.get() + begin_;
  stream.avail_in = static_cast<uInt>(end_ - begin_);
  stream.next_out = out.data();
  stream.avail_out = static_cast<uInt>(room);
  const int result = inflate(&stream, Z_NO_FLUSH);
  begin_ = end_ - stream.avail_in;
  if (result == Z_STREAM_END) {
    mode_ = Mode::kBetweenMembers;
  } else if (result != Z_OK) {
    return absl::InvalidArgumentError(absl::StrCat(
        name_,
        ": the gzip bytes are corrupt: ", stream.msg != nullptr ? stream.msg : zError(result)));
  }
  return room - stream.avail_out;
}

absl::StatusOr<size_t> GunzipSource::Read(absl::Span<uint8_t> out) {
  if (mode_ == Mode::kUnknown) RETURN_IF_ERROR(Detect());
  if (mode_ == Mode::kPlain) return ReadPlain(out);
  for (;;) {
    if (mode_ == Mode::kBetweenMembers) {
      RETURN_IF_ERROR(StartMember());
      if (mode_ == Mode::kBetweenMembers) return 0;
    }
    ASSIGN_OR_RETURN(const size_t count, Inflate(out));
    if (count > 0) return count;
  }
}

}  // namespace paceline
