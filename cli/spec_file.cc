#include "cli/spec_file.h"

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "common/base/file.h"
#include "common/base/status_macros.h"
#include "common/job/job_spec.h"

namespace paceline::cli {
namespace {

constexpr size_t kSpecBytesMax = 1 << 20;

}  // namespace

absl::StatusOr<v1::JobSpec> LoadSpec(const std::string& path,
                                     const std::vector<std::string>& overrides) {
  const auto yaml = ReadFile(path, kSpecBytesMax);
  if (absl::IsResourceExhausted(yaml.status())) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, " is no spec: it has more than ", kSpecBytesMax, " bytes"));
  }
  if (!yaml.ok()) return yaml.status();
  ASSIGN_OR_RETURN(v1::JobSpec spec, ReadJobSpec(*yaml, path, overrides));
  std::error_code error;
  const std::filesystem::path absolute = std::filesystem::absolute(path, error);
  if (error) {
    return absl::InvalidArgumentError(
        absl::StrCat("cannot say in which folder ", path, " is: ", error.message()));
  }
  MakePathsAbsolute(&spec, absolute.parent_path().string());
  return spec;
}

}  // namespace paceline::cli
