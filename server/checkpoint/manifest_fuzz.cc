// Any bytes as a manifest, as they are and with the checksum put right: an error, or a manifest
// whose text reads back to the same.
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "common/base/check.h"
#include "server/checkpoint/manifest.h"

namespace paceline {
namespace {

void Try(absl::string_view text) {
  const auto manifest = ManifestFromText(text);
  if (!manifest.ok()) return;
  PACELINE_CHECK(CheckManifest(*manifest).ok());
  const auto again = ManifestFromText(ManifestToText(*manifest));
  PACELINE_CHECK(again.ok());
  PACELINE_CHECK(ManifestToText(*again) == ManifestToText(*manifest));
  PACELINE_CHECK(!ParametersOf(*manifest).empty());
}

}  // namespace
}  // namespace paceline

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t count) {
  const absl::string_view text(reinterpret_cast<const char*>(bytes), count);
  paceline::Try(text);
  paceline::Try(paceline::WithChecksum(text));
  return 0;
}
