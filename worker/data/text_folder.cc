#include "worker/data/text_folder.h"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <system_error>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/types/span.h"
#include "common/base/status_macros.h"
#include "worker/data/byte_source.h"

namespace paceline {
namespace {

constexpr size_t kTextBytesMax = size_t{64} << 20;
constexpr size_t kReadBytes = size_t{64} << 10;
constexpr char kByteOrderMark[] = "\xef\xbb\xbf";

// The names in the folder, in the order of their bytes.
absl::StatusOr<std::vector<std::string>> NamesIn(const std::string& folder) {
  std::error_code error;
  std::vector<std::string> names;
  std::filesystem::directory_iterator at(folder, error);
  for (; !error && at != std::filesystem::directory_iterator(); at.increment(error)) {
    std::string name = at->path().filename().string();
    if (name[0] != '.') names.push_back(std::move(name));
  }
  if (error) {
    return absl::ErrnoToStatus(error.value(), absl::StrCat("cannot read the folder ", folder));
  }
  std::sort(names.begin(), names.end());
  return names;
}

absl::StatusOr<std::string> ReadText(const std::string& path) {
  ASSIGN_OR_RETURN(const std::unique_ptr<ByteSource> file, OpenFile(path));
  std::string text;
  for (;;) {
    const size_t end = text.size();
    text.resize(end + kReadBytes);
    auto* const room = reinterpret_cast<uint8_t*>(&text[end]);
    ASSIGN_OR_RETURN(const size_t count, file->Read(absl::MakeSpan(room, kReadBytes)));
    text.resize(end + count);
    if (count == 0) return text;
    if (text.size() > kTextBytesMax) {
      return absl::InvalidArgumentError(absl::StrCat(
          path, ": the text is longer than ", kTextBytesMax, " bytes, the longest accepted"));
    }
  }
}

absl::Status AddClass(const std::string& folder, const std::string& name, TextsBuilder* builder) {
  const std::string path = absl::StrCat(folder, "/", name);
  if (std::error_code error; !std::filesystem::is_directory(path, error)) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, " is no folder; wanted a folder for each class and nothing beside"));
  }
  ASSIGN_OR_RETURN(const std::vector<std::string> files, NamesIn(path));
  if (files.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(path, " has no .txt file; wanted one a sample"));
  }
  for (const std::string& file : files) {
    const std::string text_path = absl::StrCat(path, "/", file);
    if (!absl::EndsWith(file, ".txt")) {
      return absl::InvalidArgumentError(
          absl::StrCat(text_path, " is no .txt file; wanted nothing else in a class's folder"));
    }
    ASSIGN_OR_RETURN(const std::string text, ReadText(text_path));
    const absl::Status added = builder->Add(absl::StripPrefix(text, kByteOrderMark), name);
    if (!added.ok()) {
      return absl::InvalidArgumentError(absl::StrCat(text_path, ": ", added.message()));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Texts> ReadTextFolder(const std::string& path, std::vector<std::string>* classes) {
  TextsBuilder builder(path, classes);
  ASSIGN_OR_RETURN(const std::vector<std::string> names, NamesIn(path));
  for (const std::string& name : names) RETURN_IF_ERROR(AddClass(path, name, &builder));
  return builder.Finish();
}

}  // namespace paceline
