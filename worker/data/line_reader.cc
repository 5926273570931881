#include "worker/data/line_reader.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/types/span.h"
#include "common/base/status_macros.h"

namespace paceline {
namespace {

constexpr size_t kBufferBytes = 64 * 1024;
constexpr size_t kShownBytesMax = 40;
constexpr char kByteOrderMark[] = "\xef\xbb\xbf";

}  // namespace

LineReader::LineReader(ByteSource* source, absl::string_view name)
    : source_(source), name_(name), buffer_(kBufferBytes, '\0') {}

// Reads more behind what is unread, making room first.
absl::Status LineReader::Refill() {
  if (begin_ > 0) std::memmove(&buffer_[0], &buffer_[begin_], end_ - begin_);
  end_ -= begin_;
  begin_ = 0;
  if (end_ == buffer_.size()) {
    if (end_ >= kLineBytesMax) {
      return absl::InvalidArgumentError(absl::StrCat(name_, ":", number_ + 1,
                                                     ": the line is longer than ", kLineBytesMax,
                                                     " bytes, the longest accepted"));
    }
    buffer_.resize(std::min(2 * buffer_.size(), kLineBytesMax));
  }
  uint8_t* const room = reinterpret_cast<uint8_t*>(&buffer_[end_]);
  ASSIGN_OR_RETURN(const size_t count, source_->Read(absl::MakeSpan(room, buffer_.size() - end_)));
  end_ += count;
  at_end_ = count == 0;
  return absl::OkStatus();
}

absl::StatusOr<bool> LineReader::NextOfAny() {
  size_t searched = 0;
  for (;;) {
    const char* const start = buffer_.data() + begin_;
    const size_t unread = end_ - begin_;
    const void* const found = std::memchr(start + searched, '\n', unread - searched);
    if (found == nullptr && !at_end_) {
      searched = unread;
      RETURN_IF_ERROR(Refill());
      continue;
    }
    if (found == nullptr && unread == 0) return false;
    const size_t length =
        found == nullptr ? unread : static_cast<size_t>(static_cast<const char*>(found) - start);
    line_ = absl::StripSuffix(absl::string_view(start, length), "\r");
    begin_ += length + (found == nullptr ? 0 : 1);
    if (++number_ == 1) line_ = absl::StripPrefix(line_, kByteOrderMark);
    return true;
  }
}

absl::StatusOr<bool> LineReader::Next() {
  for (;;) {
    ASSIGN_OR_RETURN(const bool found, NextOfAny());
    if (!found) return false;
    if (!absl::StripLeadingAsciiWhitespace(line_).empty()) return true;
  }
}

absl::Status LineReader::Error(absl::string_view what) const {
  return absl::InvalidArgumentError(absl::StrCat(name_, ":", number_, ": ", what));
}

std::string Shown(absl::string_view text) {
  if (text.size() <= kShownBytesMax) return absl::StrCat("'", absl::CHexEscape(text), "'");
  return absl::StrCat("'", absl::CHexEscape(text.substr(0, kShownBytesMax)), "...'");
}

}  // namespace paceline
