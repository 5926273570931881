#include "server/checkpoint/safetensors.h"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "server/checkpoint/message_json.h"

namespace paceline {
namespace {

using Json = nlohmann::ordered_json;

constexpr char kMetadata[] = "__metadata__";
constexpr size_t kLengthBytes = 8;

template <typename... Parts>
absl::Status Wrong(const Parts&... parts) {
  return absl::DataLossError(absl::StrCat("safetensors: ", parts...));
}

std::string Quoted(absl::string_view name) {
  return absl::StrCat("\"", absl::CHexEscape(name.substr(0, 200)), "\"");
}

// Bytes of a tensor of this shape; false if they do not fit in 63 bits.
bool BytesOfShape(const std::vector<uint64_t>& shape, uint64_t* bytes) {
  constexpr uint64_t kMax = std::numeric_limits<int64_t>::max();
  *bytes = sizeof(float);
  bool fits = true;
  for (const uint64_t size : shape) {
    if (size == 0) {
      *bytes = 0;
      return true;
    }
    fits = fits && *bytes <= kMax / size;
    if (fits) *bytes *= size;
  }
  return fits;
}

// An item of the header as it is read, and where its floats are.
struct Entry {
  std::string name;
  std::vector<uint64_t> shape;
  uint64_t begin = 0;
  uint64_t end = 0;
};

// A list of whole numbers from 0 on.
absl::StatusOr<std::vector<uint64_t>> NumbersOf(const Json& json, const std::string& where) {
  const auto is_number = [](const Json& item) { return item.is_number_unsigned(); };
  if (!json.is_array() || !std::all_of(json.begin(), json.end(), is_number)) {
    return Wrong(where, " is not a list of whole numbers from 0 on");
  }
  return json.get<std::vector<uint64_t>>();
}

absl::StatusOr<Entry> EntryOf(const std::string& name, const Json& json) {
  const std::string where = absl::StrCat("tensor ", Quoted(name));
  if (!json.is_object() || json.size() != 3 || !json.contains("dtype") || !json.contains("shape") ||
      !json.contains("data_offsets")) {
    return Wrong(where, " does not have dtype, shape and data_offsets alone");
  }
  const Json& type = json["dtype"];
  if (!type.is_string()) return Wrong(where, " has a dtype that is not text");
  if (type.get<std::string>() != "F32") {
    return absl::UnimplementedError(absl::StrCat("safetensors: ", where, " has dtype ",
                                                 Quoted(type.get<std::string>()),
                                                 ", wanted \"F32\""));
  }
  Entry entry;
  entry.name = name;
  ASSIGN_OR_RETURN(entry.shape, NumbersOf(json["shape"], where + ", shape"));
  ASSIGN_OR_RETURN(const auto offsets, NumbersOf(json["data_offsets"], where + ", data_offsets"));
  if (offsets.size() != 2) return Wrong(where, " has ", offsets.size(), " data_offsets, wanted 2");
  entry.begin = offsets[0];
  entry.end = offsets[1];
  uint64_t bytes = 0;
  if (!BytesOfShape(entry.shape, &bytes)) return Wrong(where, " has a shape that is too large");
  if (entry.end >= entry.begin && entry.end - entry.begin == bytes) return entry;
  return Wrong(where, " has the bytes [", entry.begin, ", ", entry.end, "), its shape wants ",
               bytes, " of them");
}

absl::StatusOr<SafetensorsMetadata> MetadataOf(const Json& json) {
  if (!json.is_object()) return Wrong(kMetadata, " is not an object");
  SafetensorsMetadata metadata;
  for (const auto& [key, value] : json.items()) {
    if (!value.is_string()) return Wrong(kMetadata, ", ", Quoted(key), " is not text");
    metadata[key] = value.get<std::string>();
  }
  return metadata;
}

absl::StatusOr<absl::string_view> HeaderOf(absl::string_view file) {
  if (file.size() < kLengthBytes) {
    return Wrong("a file of ", file.size(), " bytes, wanted at least ", kLengthBytes);
  }
  uint64_t length = 0;
  for (size_t i = 0; i < kLengthBytes; ++i) {
    length |= uint64_t{static_cast<uint8_t>(file[i])} << (8 * i);
  }
  if (length > kSafetensorsHeaderMax || length > file.size() - kLengthBytes) {
    return Wrong("a header of ", length, " bytes in a file of ", file.size(), "; wanted at most ",
                 kSafetensorsHeaderMax);
  }
  const absl::string_view header = file.substr(kLengthBytes, length);
  if (header.empty() || header[0] != '{') return Wrong("the header does not begin with {");
  return header;
}

// Every byte belongs to one tensor.
absl::Status CheckCover(std::vector<Entry> entries, uint64_t bytes) {
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::make_pair(a.begin, a.end) < std::make_pair(b.begin, b.end);
  });
  uint64_t covered = 0;
  for (const Entry& entry : entries) {
    if (entry.begin != covered) {
      return Wrong("tensor ", Quoted(entry.name), " begins at byte ", entry.begin, ", wanted ",
                   covered, ": there are no holes and no overlaps");
    }
    covered = entry.end;
  }
  if (covered == bytes) return absl::OkStatus();
  return Wrong("tensors of ", covered, " bytes in all, ", bytes, " are there");
}

}  // namespace

absl::StatusOr<std::string> SafetensorsHeader(const std::vector<SafetensorsTensor>& tensors,
                                              const SafetensorsMetadata& metadata) {
  Json header = Json::object();
  if (!metadata.empty()) header[kMetadata] = metadata;
  uint64_t offset = 0;
  for (const SafetensorsTensor& tensor : tensors) {
    uint64_t bytes = 0;
    const bool is_new = tensor.name != kMetadata && !header.contains(tensor.name);
    if (tensor.name.empty() || !is_new || !BytesOfShape(tensor.shape, &bytes)) {
      return absl::InvalidArgumentError(absl::StrCat("safetensors: no tensor can be named ",
                                                     Quoted(tensor.name),
                                                     " here, or its shape is too large"));
    }
    header[tensor.name] = {
        {"dtype", "F32"}, {"shape", tensor.shape}, {"data_offsets", {offset, offset + bytes}}};
    offset += bytes;
  }
  std::string json = header.dump(-1, ' ', false, Json::error_handler_t::replace);
  json.resize((json.size() + 7) / 8 * 8, ' ');  // Tensors begin on a multiple of eight.
  std::string begin;
  for (size_t i = 0; i < kLengthBytes; ++i) {
    begin.push_back(static_cast<char>(uint64_t{json.size()} >> (8 * i)));
  }
  return begin + json;
}

absl::StatusOr<Safetensors> ReadSafetensors(absl::string_view file) {
  ASSIGN_OR_RETURN(const absl::string_view header, HeaderOf(file));
  const absl::Status is_json = CheckJson(header);
  if (!is_json.ok()) return Wrong("header: ", is_json.message());
  const Json json = Json::parse(header.begin(), header.end(), nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return Wrong("the header is not a JSON object");

  Safetensors read;
  std::vector<Entry> entries;
  for (const auto& [name, item] : json.items()) {
    if (name == kMetadata) {
      ASSIGN_OR_RETURN(read.metadata, MetadataOf(item));
      continue;
    }
    ASSIGN_OR_RETURN(Entry entry, EntryOf(name, item));
    entries.push_back(std::move(entry));
  }
  const absl::string_view floats = file.substr(kLengthBytes + header.size());
  RETURN_IF_ERROR(CheckCover(entries, floats.size()));
  for (Entry& entry : entries) {
    const absl::string_view bytes = floats.substr(entry.begin, entry.end - entry.begin);
    read.tensors[entry.name] = {std::move(entry.shape), bytes};
  }
  return read;
}

}  // namespace paceline
