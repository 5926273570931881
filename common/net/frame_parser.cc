#include "common/net/frame_parser.h"

#include <google/protobuf/message_lite.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/base/status_macros.h"

namespace paceline {
namespace {

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
              "frames are written as they lie in memory");

constexpr uint32_t kHeaderField = 1;
constexpr uint32_t kPayloadField = 15;

enum WireType : uint32_t { kVarint = 0, kFixed64 = 1, kLengthDelimited = 2, kFixed32 = 5 };

constexpr uint32_t Tag(uint32_t field) { return field << 3 | kLengthDelimited; }

// protobuf reads tags and lengths of up to 5 bytes, other varints of up to 10.
constexpr int kTagBytesMax = 5;
constexpr int kVarintBytesMax = 10;

// A place in a list of slices.
class Cursor {
 public:
  explicit Cursor(absl::Span<const absl::string_view> slices) : slices_(slices) {
    for (absl::string_view slice : slices) left_ += slice.size();
    SkipEmpty();
  }

  size_t left() const { return left_; }
  size_t position() const { return position_; }

  absl::StatusOr<uint64_t> ReadVarint(absl::string_view what, int bytes_max);

  // Moves over `count` bytes, handing each stretch of them to `visit`.
  template <typename Visit>
  absl::Status Take(absl::string_view what, uint64_t count, Visit visit);

 private:
  void Advance(size_t count);
  void SkipEmpty();

  absl::Span<const absl::string_view> slices_;
  size_t slice_ = 0;   // Index of the slice that holds the next byte.
  size_t offset_ = 0;  // Of that byte in it.
  size_t position_ = 0;
  size_t left_ = 0;
};

void Cursor::Advance(size_t count) {
  offset_ += count;
  position_ += count;
  left_ -= count;
  SkipEmpty();
}

void Cursor::SkipEmpty() {
  while (slice_ < slices_.size() && offset_ == slices_[slice_].size()) {
    ++slice_;
    offset_ = 0;
  }
}

absl::StatusOr<uint64_t> Cursor::ReadVarint(absl::string_view what, int bytes_max) {
  const size_t begin = position_;
  uint64_t value = 0;
  for (int i = 0; i < bytes_max; ++i) {
    if (left_ == 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("frame: ends inside a ", what, " that begins at byte ", begin));
    }
    const uint64_t byte = static_cast<uint8_t>(slices_[slice_][offset_]);
    Advance(1);
    value |= (byte & 0x7f) << (7 * i);
    if (byte < 0x80) return value;
  }
  return absl::InvalidArgumentError(absl::StrCat("frame: the ", what, " at byte ", begin,
                                                 " is longer than ", bytes_max, " bytes"));
}

template <typename Visit>
absl::Status Cursor::Take(absl::string_view what, uint64_t count, Visit visit) {
  if (count > left_) {
    return absl::InvalidArgumentError(absl::StrCat(
        "frame: ", what, " at byte ", position_, " wants ", count, " bytes; ", left_, " are left"));
  }
  while (count > 0) {
    const absl::string_view slice = slices_[slice_].substr(offset_, count);
    visit(slice);
    count -= slice.size();
    Advance(slice.size());
  }
  return absl::OkStatus();
}

absl::Status SkipField(Cursor* cursor, uint32_t tag) {
  const std::string what = absl::StrCat("unknown field ", tag >> 3);
  const auto ignore = [](absl::string_view) {};
  switch (tag & 7) {
    case kVarint:
      return cursor->ReadVarint(what, kVarintBytesMax).status();
    case kFixed64:
      return cursor->Take(what, 8, ignore);
    case kFixed32:
      return cursor->Take(what, 4, ignore);
    case kLengthDelimited: {
      ASSIGN_OR_RETURN(const uint64_t length, cursor->ReadVarint("length", kTagBytesMax));
      return cursor->Take(what, length, ignore);
    }
    default:
      return absl::InvalidArgumentError(
          absl::StrCat("frame: ", what, " has wire type ", tag & 7, "; wanted 0, 1, 2 or 5"));
  }
}

absl::StatusOr<uint32_t> ReadTag(Cursor* cursor) {
  const size_t position = cursor->position();
  ASSIGN_OR_RETURN(const uint64_t tag, cursor->ReadVarint("tag", kTagBytesMax));
  const uint64_t field = tag >> 3;
  if (tag > UINT32_MAX || field == 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("frame: field number ", field, " at byte ", position, " is out of range"));
  }
  if ((field == kHeaderField || field == kPayloadField) && (tag & 7) != kLengthDelimited) {
    return absl::InvalidArgumentError(absl::StrCat("frame: field ", field, " has wire type ",
                                                   tag & 7, "; wanted 2 (length-delimited)"));
  }
  return static_cast<uint32_t>(tag);
}

absl::Status TakeHeader(Cursor* cursor, std::string* header) {
  ASSIGN_OR_RETURN(const uint64_t length, cursor->ReadVarint("length", kTagBytesMax));
  if (length > kFrameHeaderBytesMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("frame: header of ", length, " bytes; at most ", kFrameHeaderBytesMax));
  }
  return cursor->Take("header", length, [header](absl::string_view slice) {
    header->append(slice.data(), slice.size());
  });
}

absl::Status Repeated(absl::string_view what, uint32_t field) {
  return absl::InvalidArgumentError(
      absl::StrCat("frame: two ", what, "s (field ", field, "); wanted one"));
}

absl::Status TakePayload(Cursor* cursor, FramePayload* payload) {
  ASSIGN_OR_RETURN(const uint64_t length, cursor->ReadVarint("length", kTagBytesMax));
  payload->bytes = length;
  return cursor->Take("payload", length,
                      [payload](absl::string_view slice) { payload->slices.push_back(slice); });
}

void AppendVarint(uint64_t value, std::string* out) {
  for (; value >= 0x80; value >>= 7) out->push_back(static_cast<char>(value | 0x80));
  out->push_back(static_cast<char>(value));
}

}  // namespace

absl::StatusOr<FramePayload> ParseFrame(absl::Span<const absl::string_view> slices,
                                        google::protobuf::MessageLite* header) {
  Cursor cursor(slices);
  std::string header_bytes;
  FramePayload payload;
  bool has_header = false;
  bool has_payload = false;
  while (cursor.left() > 0) {
    ASSIGN_OR_RETURN(const uint32_t tag, ReadTag(&cursor));
    if (tag == Tag(kHeaderField)) {
      if (has_header) return Repeated("header", kHeaderField);
      has_header = true;
      RETURN_IF_ERROR(TakeHeader(&cursor, &header_bytes));
    } else if (tag == Tag(kPayloadField)) {
      if (has_payload) return Repeated("payload", kPayloadField);
      has_payload = true;
      RETURN_IF_ERROR(TakePayload(&cursor, &payload));
    } else {
      RETURN_IF_ERROR(SkipField(&cursor, tag));
    }
  }
  if (!has_header) {
    return absl::InvalidArgumentError(
        absl::StrCat("frame: no header (field 1) in ", cursor.position(), " bytes; wanted one"));
  }
  if (!header->ParseFromString(header_bytes)) {
    return absl::InvalidArgumentError(absl::StrCat("frame: header of ", header_bytes.size(),
                                                   " bytes is not a ", header->GetTypeName()));
  }
  return payload;
}

std::string FrameHead(const google::protobuf::MessageLite& header, size_t payload_bytes) {
  const size_t header_bytes = header.ByteSizeLong();
  PACELINE_CHECK(header_bytes <= kFrameHeaderBytesMax && payload_bytes <= INT32_MAX);
  std::string head;
  head.reserve(header_bytes + 2 * (1 + kTagBytesMax));
  AppendVarint(Tag(kHeaderField), &head);
  AppendVarint(header_bytes, &head);
  PACELINE_CHECK(header.AppendToString(&head));
  if (payload_bytes > 0) {
    AppendVarint(Tag(kPayloadField), &head);
    AppendVarint(payload_bytes, &head);
  }
  return head;
}

void CopyPayloadBytes(const FramePayload& payload, absl::Span<char> bytes) {
  PACELINE_CHECK(payload.bytes == bytes.size());
  char* out = bytes.data();
  for (absl::string_view slice : payload.slices) {
    std::memcpy(out, slice.data(), slice.size());
    out += slice.size();
  }
}

absl::Status CopyFloats(const FramePayload& payload, absl::Span<float> floats) {
  const size_t wanted = floats.size() * sizeof(float);
  if (payload.bytes != wanted) {
    return absl::InvalidArgumentError(absl::StrCat("frame: payload of ", payload.bytes,
                                                   " bytes; wanted ", wanted, " (", floats.size(),
                                                   " float32)"));
  }
  CopyPayloadBytes(payload, {reinterpret_cast<char*>(floats.data()), wanted});
  return absl::OkStatus();
}

}  // namespace paceline
